/** Operating errors of the journals; every message names the file, what was found and what was expected. */
import { CorruptionError, errnoOf, FarshoreError, messageOf, RefusedError, UsageError } from '../src/model/errors.ts';

export function geometryInvalid(message: string, details: Readonly<Record<string, unknown>>): UsageError {
  return new UsageError('ERR_JOURNAL_GEOMETRY_INVALID', message, { details });
}

export function journalsExist(directory: string, file: string): RefusedError {
  return new RefusedError(
    'ERR_JOURNALS_EXIST',
    `${directory} already holds journals (found ${file}): creating them again would destroy data sets`,
    {
      hint: 'Start the host as it is, or name an empty folder under journals.path. If an interrupted init left the folder behind, remove it first.',
      details: { directory, file },
    },
  );
}

export function createFailed(path: string, cause: unknown): FarshoreError {
  const hint =
    errnoOf(cause) === 'ENOSPC'
      ? 'Free space on the disk, or configure fewer or smaller slots (journals.slots, journals.size).'
      : undefined;
  return new FarshoreError(
    'ERR_JOURNAL_CREATE',
    `journals could not be created at ${path}: ${messageOf(cause)}; everything made so far was removed`,
    {
      cause,
      details: { path },
      ...(hint === undefined ? {} : { hint }),
    },
  );
}

export function journalMissing(path: string): RefusedError {
  return new RefusedError('ERR_JOURNAL_MISSING', `journal file ${path} is missing: data sets that were acknowledged may be in it`, {
    hint: 'Bring the file back (check mounts and journals.path); Farshore never makes a new journal at start.',
    details: { path },
  });
}

export function journalSize(path: string, expectedBytes: number, foundBytes: number): RefusedError {
  return new RefusedError('ERR_JOURNAL_SIZE', `journal file ${path} has ${foundBytes} bytes, expected ${expectedBytes} bytes`, {
    hint: 'Set journals.size to what it was at init; if the file itself was cut short, bring it back from its disk.',
    details: { path, expectedBytes, foundBytes },
  });
}

export function journalGeometry(path: string, expected: string, found: string): RefusedError {
  return new RefusedError('ERR_JOURNAL_GEOMETRY', `journal file ${path} belongs to another ring: expected ${expected}, found ${found}`, {
    hint: 'Set journals.slots and journals.size to what they were at init, and journals.path to the right folder.',
    details: { path, expected, found },
  });
}

export function journalsLocked(directory: string): RefusedError {
  return new RefusedError('ERR_JOURNALS_LOCKED', `the journals in ${directory} are in use by another process`, {
    hint: 'Stop the other host process, or give this one its own journals.path.',
    details: { directory },
  });
}

export function journalRead(path: string, cause: unknown): FarshoreError {
  return new FarshoreError('ERR_JOURNAL_READ', `journal file ${path} could not be read: ${messageOf(cause)}`, {
    cause,
    hint: 'Check the disk; nothing was changed.',
    details: { path },
  });
}

export function journalWrite(path: string, cause: unknown): FarshoreError {
  return new FarshoreError(
    'ERR_JOURNAL_WRITE',
    `a write to journal file ${path} failed: ${messageOf(cause)}; what it held is not known to be durable`,
    {
      cause,
      hint: 'Check the disk and its space. After the first failure the journal is moved into a new file; after the second the host stops.',
      details: { path },
    },
  );
}

export function watermarkMissing(path: string): RefusedError {
  return new RefusedError(
    'ERR_WATERMARK_MISSING',
    `watermark file ${path} is missing: which data sets are in the source volumes is unknown`,
    {
      hint: 'Bring the file back (check mounts and journals.path); without it nothing can be replayed safely.',
      details: { path },
    },
  );
}

export function watermarkUnreadable(path: string, found: string): CorruptionError {
  return new CorruptionError('ERR_WATERMARK_UNREADABLE', `both blocks of watermark file ${path} are unreadable: ${found}`, {
    hint: 'Farshore does not guess which data sets are in the source volumes: bring the file back from its disk, or make the secondary anew.',
    details: { path, found },
  });
}

export function watermarkVersion(path: string, version: number): RefusedError {
  return new RefusedError('ERR_WATERMARK_VERSION', `watermark file ${path} has format version ${version}, this Farshore knows version 1`, {
    hint: 'Start the newer Farshore that wrote it.',
    details: { path, version },
  });
}

export function watermarkWrite(path: string, cause: unknown): FarshoreError {
  return new FarshoreError(
    'ERR_WATERMARK_WRITE',
    `a write to watermark file ${path} failed: ${messageOf(cause)}; nothing more is retired`,
    {
      cause,
      hint: 'Check the disk, then start the host again: recovery reads the block that is whole.',
      details: { path },
    },
  );
}

/** Another host took the place of this one: what it says of the shared storage. */
export function hostSuperseded(directory: string, epochs: { own: number; found: number }): RefusedError {
  const { own, found } = epochs;
  return new RefusedError(
    'ERR_HOST_SUPERSEDED',
    `another host took the place of this one: the watermark in ${directory} carries host epoch ${found}, this host has ${own}`,
    {
      hint: 'Do not start this host again as it is: two hosts must never write one copy. To use the machine as the new peer, initialise it as one.',
      details: { directory, ownHostEpoch: own, foundHostEpoch: found },
    },
  );
}

export function epochUnannounced(path: string, cause: unknown): FarshoreError {
  return new FarshoreError('ERR_EPOCH_UNANNOUNCED', `the host epoch could not be announced in ${path}: ${messageOf(cause)}`, {
    cause,
    hint: 'Check the shared storage: a host that a peer may replace must be able to write there.',
    details: { path },
  });
}

export function epochUnread(path: string, cause: unknown): FarshoreError {
  return new FarshoreError('ERR_EPOCH_UNREAD', `the host epoch in ${path} could not be read from the storage: ${messageOf(cause)}`, {
    cause,
    hint: 'Check the path to the shared storage. A host that a peer may replace writes nothing there until it can read its host epoch.',
    details: { path },
  });
}

export function epochUnsettled(path: string, hostEpoch: number): RefusedError {
  return new RefusedError(
    'ERR_EPOCH_UNSETTLED',
    `${path} does not keep host epoch ${hostEpoch}: another host goes on writing to it, so it was not shut out`,
    {
      hint: 'Shut the former host out of the shared storage (power it off, revoke its access), then run the takeover again: it goes on where it was.',
      details: { path, hostEpoch },
    },
  );
}
