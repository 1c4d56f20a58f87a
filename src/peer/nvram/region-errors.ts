/** Operating errors of an NVRAM region; every message names the file, what was found and what was expected. */
import { errnoOf, FarshoreError, messageOf, RefusedError } from '../../model/errors.ts';

export function regionExists(path: string): RefusedError {
  return new RefusedError('ERR_NVRAM_EXISTS', `${path} is there already: making a region over it would destroy what it holds`, {
    hint: 'Start the peer as it is, or name another file under nvram.path.',
    details: { path },
  });
}

export function regionNotCreated(path: string, sizeBytes: number, cause: unknown): FarshoreError {
  const hint =
    errnoOf(cause) === 'ENOSPC'
      ? 'Free space there (for /dev/shm: memory, or a larger size= of its mount), or configure a smaller nvram.size.'
      : undefined;
  return new FarshoreError(
    'ERR_NVRAM_CREATE',
    `the NVRAM region ${path} of ${sizeBytes} bytes could not be created: ${messageOf(cause)}; nothing of it was left`,
    { cause, details: { path, sizeBytes }, ...(hint === undefined ? {} : { hint }) },
  );
}

export function regionNotOpened(path: string, cause: unknown): FarshoreError {
  return new FarshoreError('ERR_NVRAM_OPEN', `the NVRAM region ${path} could not be opened: ${messageOf(cause)}`, {
    cause,
    details: { path },
  });
}

export function regionLocked(path: string): RefusedError {
  return new RefusedError('ERR_NVRAM_LOCKED', `the NVRAM region ${path} is in use by another process`, {
    hint: 'Stop the other peer or takeover, or give this one its own nvram.path.',
    details: { path },
  });
}

export function regionSize(path: string, expectedBytes: number, foundBytes: number): RefusedError {
  return new RefusedError('ERR_NVRAM_SIZE', `the NVRAM region ${path} has ${foundBytes} bytes, the config says ${expectedBytes} bytes`, {
    hint: 'Set nvram.size to what it was at init. For another size: let the peer give everything up (farshore nvram ls), stop it, move the file away, and start it.',
    details: { path, expectedBytes, foundBytes },
  });
}

export function regionVersion(path: string, offset: number, version: number): RefusedError {
  return new RefusedError(
    'ERR_NVRAM_VERSION',
    `the NVRAM region ${path} has format version ${version} at byte ${offset}, this program knows version 1`,
    {
      hint: 'Use the newer Farshore that wrote it; nothing was changed.',
      details: { path, offset, version },
    },
  );
}

export function regionFailed(path: string, cause: unknown): FarshoreError {
  return new FarshoreError('ERR_NVRAM_FAILED', `the NVRAM region ${path} failed and takes nothing more: ${messageOf(cause)}`, {
    cause,
    hint: 'Check the disk, then start the peer again: it reads what the region holds and makes it durable anew. The secondary goes on write-through meanwhile.',
    details: { path },
  });
}
