/**
 * The copies that a replay by hand stores into: named by the operator, one for each volume of the group, never a file that a host uses.
 *
 * A volume carries no name of its own, so a source volume can be told from its copy only by what somebody else knows of it: a running
 * host holds its lock, and a config names its path. Everything is looked at before the first lock is taken and the first byte is stored.
 */
import { accessSync, constants, readdirSync, statSync, type BigIntStats } from 'node:fs';
import { join, resolve } from 'node:path';
import { isRingFile } from '../../../journals/files.ts';
import type { Disk } from '../../disk/disk.ts';
import { messageOf, RefusedError, UsageError } from '../../model/errors.ts';
import type { VolumeEntry } from '../../model/ids.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import { isLocked } from '../ring/running.ts';

/** Read `NAME=PATH` and `VLUN=PATH`. @throws UsageError ERR_USAGE for what cannot be read, RefusedError ERR_REPLAY_COPY unless every volume of the table is named once */
export function parseCopies(specs: readonly string[], table: readonly VolumeEntry[]): VolumeConfig[] {
  const known = table.map(({ name, vlun }) => `${name} (VLUN ${vlun})`).join(', ');
  const copies = new Map<number, VolumeConfig>();
  for (const spec of specs) {
    const at = spec.indexOf('=');
    const [word, path] = [spec.slice(0, Math.max(at, 0)), spec.slice(at + 1)];
    if (word === '' || path === '') throw new UsageError('ERR_USAGE', `--volumes ${spec}: expected NAME=PATH or VLUN=PATH`);
    const entry = table.find(({ name }) => name === word) ?? table.find(({ vlun }) => `${vlun}` === word);
    if (entry === undefined) throw new UsageError('ERR_USAGE', `--volumes ${spec}: there is no volume ${word}; this group has ${known}`);
    const twice = copies.get(entry.vlun);
    if (twice !== undefined) throw refused(`volume ${entry.name} is named twice: ${twice.path} and ${resolve(path)}`);
    copies.set(entry.vlun, { ...entry, path: resolve(path), store: 'pwrite' });
  }
  const missing = table.filter(({ vlun }) => !copies.has(vlun));
  if (missing.length > 0)
    throw refused(
      `no copy is named for ${missing.map(({ name, vlun }) => `volume ${name} (VLUN ${vlun})`).join(', ')}: a group is replayed as one`,
      {
        hint: missing.map(({ name }) => `--volumes ${name}=PATH`).join(' '),
      },
    );
  return table.flatMap(({ vlun }) => copies.get(vlun) ?? []);
}

export interface CheckCopiesOptions {
  readonly disk: Disk;
  readonly copies: readonly VolumeConfig[];
  /** Folder of the journals: its files are no copies. */
  readonly directory: string;
  /** Paths that the host's config names, as far as a config was given. */
  readonly sourcePaths: readonly string[];
}

/** Look at the copies without opening them for writing and without a lock. @throws RefusedError ERR_REPLAY_COPY */
export function checkCopies(options: CheckCopiesOptions): void {
  const { disk, copies, directory, sourcePaths } = options;
  const others = [
    ...sourcePaths.map((path) => ({ path, what: 'a source volume of the config' })),
    ...readdirSync(directory)
      .filter(isRingFile)
      .map((name) => ({ path: join(directory, name), what: 'a file of the journals' })),
  ].flatMap(({ path, what }) => {
    const stats = statOf(path);
    return stats === null ? [] : [{ key: keyOf(stats), what }];
  });
  const seen = new Map<string, VolumeConfig>();
  for (const copy of copies) {
    const stats = checkOne(disk, copy);
    const key = keyOf(stats);
    const other = others.find((candidate) => candidate.key === key);
    if (other !== undefined)
      throw refused(`${about(copy)} is ${other.what}: a replay by hand is for copies`, { hint: 'copy the volume, and name the copy' });
    const twin = seen.get(key);
    if (twin !== undefined) throw refused(`${about(twin)} and ${about(copy)} are one file`);
    seen.set(key, copy);
    // Where the system does not tell, the lock that is taken later does.
    if (isLocked(copy.path) === true)
      throw refused(`${about(copy)} is in use: another process holds its lock, as a running host does with its volumes`, {
        hint: 'stop that host, and replay onto a copy',
      });
  }
}

function checkOne(disk: Disk, copy: VolumeConfig): BigIntStats {
  const stats = statOf(copy.path);
  if (stats === null) throw refused(`${about(copy)} does not exist`, { hint: 'copy the volume first; a replay creates nothing' });
  if (!stats.isFile() && !stats.isBlockDevice()) throw refused(`${about(copy)} is neither a file nor a block device`);
  try {
    accessSync(copy.path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw refused(`${about(copy)} may not be written: ${messageOf(error)}`);
  }
  const foundBytes = sizeOf(disk, copy);
  if (foundBytes !== copy.sizeBytes)
    throw refused(`${about(copy)} has ${foundBytes} bytes, the volume has ${copy.sizeBytes}: it is no whole copy, or of another volume`);
  return stats;
}

function sizeOf(disk: Disk, copy: VolumeConfig): number {
  const file = disk.open(copy.path, { readOnly: true });
  try {
    return file.sizeBytes();
  } finally {
    file.closeSync();
  }
}

/** Follows links; null for what is not there. */
function statOf(path: string): BigIntStats | null {
  return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
}

/** Two nodes of one block device are one. */
function keyOf(stats: BigIntStats): string {
  return stats.isBlockDevice() ? `device ${stats.rdev}` : `${stats.dev} ${stats.ino}`;
}

function about({ name, path }: VolumeConfig): string {
  return `the copy of volume ${name} at ${path}`;
}

function refused(message: string, options: { hint?: string } = {}): RefusedError {
  return new RefusedError('ERR_REPLAY_COPY', message, { hint: 'nothing was written', ...options });
}
