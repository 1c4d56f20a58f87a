/**
 * The folder of one crash-replay fixture: what a crash left, packed, and the way back to files that recovery can work on.
 *
 *     fixture.json  expected.json  README.md
 *     crash/host-state.json, crash/last-head ...       the state folder's small files as they are
 *     crash/journals/<file>.gz                         journals, spares and watermark
 *     crash/nvram.gz                                   the region of the peer, where there was one
 *     crash/volumes/<name>.img.gz or <name>.ranges.gz  the source volumes
 *     expected/<name>.img.gz                           the volumes after recovery, where they differ from the crash's
 *
 * Everything is streamed: a journal or a volume may be larger than memory.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { geometryOf } from '../../journals/geometry.ts';
import { isRingFile } from '../../journals/files.ts';
import { messageOf } from '../model/errors.ts';
import type { Geometry } from '../model/ids.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import { invalid, readManifest, type ByteRange, type FixtureManifest, type FixtureVolume } from './fixture-files.ts';

/** The files of a secondary's state folder that say something; lock and control socket belong to a process. */
const STATE_FILES: ReadonlySet<string> = new Set(['host-state.json', 'host-state.json.new', 'last-head']);

/** Files of one stopped host, where recovery finds them. */
export interface HostFolder {
  readonly stateDirectory: string;
  readonly journals: { readonly directory: string; readonly geometry: Geometry };
  /** Region of its peer. */
  readonly nvram?: { readonly path: string; readonly sizeBytes: number };
  readonly volumes: readonly VolumeConfig[];
}

export function crashFolder(fixture: string): { state: string; journals: string; volumes: string; nvram: string } {
  const state = join(fixture, 'crash');
  return { state, journals: join(state, 'journals'), volumes: join(state, 'volumes'), nvram: join(state, 'nvram.gz') };
}

/** Packed image of a volume as the crash left it, or of its ranges. */
export function crashVolumePath(fixture: string, volume: FixtureVolume): string {
  return join(crashFolder(fixture).volumes, `${volume.name}.${volume.content === 'ranges' ? 'ranges' : 'img'}.gz`);
}

/** Packed image of a volume after recovery; not there where recovery changes nothing. */
export function expectedVolumePath(fixture: string, name: string): string {
  return join(fixture, 'expected', `${name}.img.gz`);
}

/** The state folder's files that go into a fixture. */
export function stateFilesIn(stateDirectory: string): string[] {
  return readdirSync(stateDirectory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && STATE_FILES.has(entry.name))
    .map(({ name }) => name)
    .sort();
}

/** The journals' files that go into a fixture. */
export function journalFilesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && isRingFile(entry.name))
    .map(({ name }) => name)
    .sort();
}

/** Pack what a crash left of a host into `<fixture>/crash`. */
export async function packCrash(fixture: string, host: HostFolder, volumes: readonly FixtureVolume[]): Promise<void> {
  const crash = crashFolder(fixture);
  for (const folder of [crash.journals, crash.volumes]) mkdirSync(folder, { recursive: true });
  for (const name of stateFilesIn(host.stateDirectory)) copyFileSync(join(host.stateDirectory, name), join(crash.state, name));
  for (const name of journalFilesIn(host.journals.directory))
    await packFile(join(host.journals.directory, name), join(crash.journals, `${name}.gz`));
  if (host.nvram !== undefined) await packFile(host.nvram.path, crash.nvram);
  for (const volume of volumes) {
    const from = host.volumes.find(({ name }) => name === volume.name)?.path;
    if (from === undefined || volume.content === 'none') continue;
    await packRanges(from, rangesOf(volume), crashVolumePath(fixture, volume));
  }
}

/** Lay out a fixture's crash as a host's files below `into`; nothing of the fixture is changed. @throws FarshoreError ERR_FIXTURE_INVALID */
export async function unpackCrash(fixture: string, into: string): Promise<HostFolder> {
  const manifest = readManifest(fixture);
  const crash = crashFolder(fixture);
  const host = hostFolderIn(into, manifest);
  mkdirSync(host.journals.directory, { recursive: true });
  mkdirSync(join(into, 'volumes'), { recursive: true });
  if (!existsSync(crash.state)) throw invalid(crash.state, 'no such folder');
  for (const name of stateFilesIn(crash.state)) copyFileSync(join(crash.state, name), join(host.stateDirectory, name));
  for (const packed of existsSync(crash.journals) ? readdirSync(crash.journals).sort() : []) {
    const name = packed.replace(/\.gz$/, '');
    if (isRingFile(name)) await unpackFile(join(crash.journals, packed), join(host.journals.directory, name));
  }
  if (host.nvram !== undefined) await unpackFile(crash.nvram, host.nvram.path);
  for (const volume of manifest.volumes) await unpackVolume(fixture, volume, volumePath(into, volume.name));
  return host;
}

/** The parts of a volume that are in a fixture. */
export function rangesOf(volume: FixtureVolume): readonly ByteRange[] {
  if (volume.content === 'none') return [];
  return volume.content === 'ranges' ? volume.ranges : [{ offset: 0, lengthBytes: volume.sizeBytes }];
}

/** Where `unpackCrash` puts what. @throws UsageError ERR_JOURNAL_GEOMETRY_INVALID */
export function hostFolderIn(into: string, manifest: FixtureManifest): HostFolder {
  const stateDirectory = join(into, 'state');
  return {
    stateDirectory,
    journals: { directory: join(stateDirectory, 'journals'), geometry: geometryOf(manifest.journals) },
    ...(manifest.nvram === undefined ? {} : { nvram: { path: join(stateDirectory, 'nvram'), sizeBytes: manifest.nvram.sizeBytes } }),
    volumes: manifest.volumes.map(({ name, vlun, sizeBytes }) => ({ name, vlun, sizeBytes, path: volumePath(into, name), store: 'auto' })),
  };
}

function volumePath(into: string, name: string): string {
  return join(into, 'volumes', `${name}.img`);
}

async function unpackVolume(fixture: string, volume: FixtureVolume, path: string): Promise<void> {
  const packed = crashVolumePath(fixture, volume);
  if (volume.content === 'whole') await unpackFile(packed, path);
  else {
    writeFileSync(path, '');
    truncateSync(path, volume.sizeBytes);
    if (volume.content === 'ranges') await unpackRanges(packed, volume.ranges, path);
  }
}

/** Pack a file; the same bytes give the same file. */
export async function packFile(from: string, to: string): Promise<void> {
  await pipeline(createReadStream(from), createGzip({ level: 9 }), createWriteStream(to));
  await forgetSystem(to);
}

/** Pack ranges of a file, one after another. */
export async function packRanges(from: string, ranges: readonly ByteRange[], to: string): Promise<void> {
  await pipeline(readRanges(from, ranges), createGzip({ level: 9 }), createWriteStream(to));
  await forgetSystem(to);
}

/** @throws FarshoreError ERR_FIXTURE_INVALID when it is missing, cut short or damaged */
export async function unpackFile(from: string, to: string): Promise<void> {
  try {
    await pipeline(createReadStream(from), createGunzip(), createWriteStream(to));
  } catch (error) {
    throw invalid(from, messageOf(error), error);
  }
}

/** SHA-256 of a file's bytes, in hex. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function unpackRanges(from: string, ranges: readonly ByteRange[], to: string): Promise<void> {
  const file = await open(to, 'r+');
  try {
    let [index, done] = [0, 0];
    for await (const piece of createReadStream(from).pipe(createGunzip()) as AsyncIterable<Buffer>) {
      for (let used = 0; used < piece.length;) {
        const range = ranges[index];
        if (range === undefined) throw invalid(from, 'more bytes than its ranges have');
        const lengthBytes = Math.min(piece.length - used, range.lengthBytes - done);
        await file.write(piece, used, lengthBytes, range.offset + done);
        used += lengthBytes;
        done += lengthBytes;
        if (done === range.lengthBytes) [index, done] = [index + 1, 0];
      }
    }
    if (index !== ranges.length) throw invalid(from, 'fewer bytes than its ranges have');
  } finally {
    await file.close();
  }
}

async function* readRanges(path: string, ranges: readonly ByteRange[]): AsyncGenerator<Buffer> {
  for (const { offset, lengthBytes } of ranges)
    for await (const piece of createReadStream(path, { start: offset, end: offset + lengthBytes - 1 }) as AsyncIterable<Buffer>)
      yield piece;
}

/** A gzip header names the operating system that packed it: 255, unknown, so that every machine makes the same bytes. */
async function forgetSystem(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(Uint8Array.of(255), 0, 1, 9);
  } finally {
    await file.close();
  }
}
