/**
 * A stopped host's files without the data in them, for a bug report: every length, every number and every relation of a checksum or a
 * chain to what it covers stays, and so does every damage; no byte of a payload does.
 *
 * The journals are read twice, one at a time: first to learn the new header checksums, from which the new chains follow, then to write.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_BYTES, MARK_OFFSET, RECORDS_OFFSET, UNBOUND_IDENTITY, WATERMARK_FIELDS } from '../../../journals/format.ts';
import type { ScannedJournal, ScannedRecord } from '../../../journals/contract.ts';
import { scanJournal } from '../../../journals/scan.ts';
import { FarshoreError } from '../../model/errors.ts';
import { readHex } from '../../record/fields.ts';
import type { DataKey } from './data-key.ts';
import { journalFilesIn, stateFilesIn, type HostFolder } from '../fixture-folder.ts';
import { replaceBlock, type ReplaceBlockOptions } from './replace-blocks.ts';
import { ReplacedChains } from './replace-chains.ts';
import { replaceRecords } from './replace-records.ts';
import { chainsIn, groupsIn, isLastHead, replaceState, streamsIn } from './replace-state.ts';
import type { Note } from './replaced-notes.ts';

const WATERMARK = 'watermark';
const CHAIN_DIGITS = 32;

export interface WithoutDataOptions {
  readonly host: HostFolder;
  /** Folder for the files without data. */
  readonly into: string;
  readonly key: DataKey;
  readonly note: (note: Note) => void;
}

type Circumstances = Pick<ReplaceBlockOptions, 'key' | 'streams' | 'groups' | 'chains' | 'note'>;

/** Write the host's files anew without data. @throws FarshoreError ERR_FIXTURE_DECISION when a journal would no longer be read as before */
export function writeWithoutData({ host, into, key, note }: WithoutDataOptions): HostFolder {
  const stateDirectory = join(into, 'state');
  const directory = join(stateDirectory, 'journals');
  mkdirSync(directory, { recursive: true });
  const known = knownIdentifiers(host);
  const chains = learnChains(host, { ...known, key, chains: null, note: () => {} });
  const found: Circumstances = { ...known, key, chains, note };
  for (const name of stateFilesIn(host.stateDirectory)) {
    const [from, to] = [join(host.stateDirectory, name), join(stateDirectory, name)];
    if (name === 'last-head') {
      if (isLastHead(readFileSync(from))) copyFileSync(from, to);
    } else writeFileSync(to, replaceState(readFileSync(from), { file: name, chains, key, note }));
  }
  for (const name of journalFilesIn(host.journals.directory)) {
    const path = join(host.journals.directory, name);
    const image = readFileSync(path);
    const before = name === WATERMARK ? null : scanJournal(image, { slot: 0, path });
    replaceFile(image, `journals/${name}`, found);
    if (before !== null) assertSameReading(name, before, scanJournal(image, { slot: 0, path }));
    writeFileSync(join(directory, name), image);
  }
  return { ...host, stateDirectory, journals: { ...host.journals, directory } };
}

/** Replace what is data in one file of a ring, in place. */
export function replaceFile(image: Buffer, file: string, found: Circumstances): void {
  if (file.endsWith(WATERMARK)) {
    for (let offset = 0; offset < image.length; offset += BLOCK_BYTES)
      replaceBlock(image.subarray(offset, offset + BLOCK_BYTES), { kind: 'watermark', file, offset, ...found });
    return;
  }
  replaceBlock(image.subarray(0, MARK_OFFSET), { kind: 'header', file, offset: 0, ...found });
  replaceBlock(image.subarray(MARK_OFFSET, RECORDS_OFFSET), { kind: 'mark', file, offset: MARK_OFFSET, ...found });
  replaceRecords(image, { file, ...found });
}

/** Streams and groups that these files are of, or once were. */
function knownIdentifiers({ stateDirectory, journals }: HostFolder): { streams: Set<string>; groups: Set<string> } {
  const streams = new Set<string>();
  // A journal of a host that is not bound yet names none.
  const groups = new Set<string>([UNBOUND_IDENTITY.groupId]);
  for (const name of stateFilesIn(stateDirectory)) {
    const bytes = readFileSync(join(stateDirectory, name));
    for (const stream of streamsIn(bytes)) streams.add(stream);
    for (const group of groupsIn(bytes)) groups.add(group);
  }
  for (const name of journalFilesIn(journals.directory)) {
    if (name === WATERMARK) continue;
    const path = join(journals.directory, name);
    const { header, records } = scanJournal(readFileSync(path), { slot: 0, path });
    if (header.verdict === 'readable') {
      streams.add(header.stream);
      groups.add(header.groupId);
    }
    const first = records.find(({ type }) => type !== 'pad');
    if (first !== undefined) streams.add(first.stream);
  }
  streams.delete(UNBOUND_IDENTITY.stream);
  return { streams, groups };
}

/** First pass: every chain that stands somewhere, and the data sets from which one follows. */
function learnChains(host: HostFolder, found: Circumstances): ReplacedChains {
  const chains = new ReplacedChains(found.key);
  for (const name of stateFilesIn(host.stateDirectory))
    for (const chain of chainsIn(readFileSync(join(host.stateDirectory, name)))) chains.add(chain);
  for (const name of journalFilesIn(host.journals.directory)) {
    const path = join(host.journals.directory, name);
    const image = readFileSync(path);
    if (name === WATERMARK) {
      for (let offset = 0; offset + BLOCK_BYTES <= image.length; offset += BLOCK_BYTES)
        chains.add(readHex(image, offset + WATERMARK_FIELDS.chain.offset, CHAIN_DIGITS));
      continue;
    }
    const before = scanJournal(image, { slot: 0, path });
    if (before.completeMark.verdict === 'set') chains.add(before.completeMark.point.chain);
    replaceFile(image, name, found);
    learnSet(chains, before.records, scanJournal(image, { slot: 0, path }).records);
  }
  return chains;
}

/** The data set of a journal: a number that stands there twice counts once, as in a recovery. */
function learnSet(chains: ReplacedChains, before: readonly ScannedRecord[], after: readonly ScannedRecord[]): void {
  const sync = before.find(({ type }) => type === 'sync')?.sync;
  if (sync == null) return;
  const writes = new Map<number, { before: number; after: number }>();
  for (const [index, { type, sequence, headerChecksum }] of before.entries()) {
    if (type === 'sync' || type === 'pad' || writes.has(sequence)) continue;
    writes.set(sequence, { before: headerChecksum, after: after[index]?.headerChecksum ?? 0 });
  }
  const ascending = [...writes].sort(([a], [b]) => a - b).map(([, checksums]) => checksums);
  chains.addSet({
    chain: sync.chain,
    incarnation: sync.incarnation,
    before: Uint32Array.from(ascending, (checksums) => checksums.before),
    after: Uint32Array.from(ascending, (checksums) => checksums.after),
  });
}

/** What reading a journal shows must not change, but for checksums, chains and the words about them. */
function assertSameReading(name: string, before: ScannedJournal, after: ScannedJournal): void {
  const outline = ({ header, completeMark, records, tail }: ScannedJournal): string[] => [
    `header ${header.verdict}${header.verdict === 'unreadable' ? ` at ${header.offset}` : ''}`,
    `mark ${completeMark.verdict}${completeMark.verdict === 'set' ? ` of ${completeMark.point.dataSet}` : ''}`,
    ...records.map(({ offset, type, dataSet, sequence }) => `${type} ${sequence} of ${dataSet} at ${offset}`),
    `tail ${tail.verdict} at ${tail.offset}${tail.verdict === 'unreadable' ? ` ${tail.expected.replace(/:.*/, '')}` : ''}`,
  ];
  const [old, anew] = [outline(before), outline(after)];
  const differs = old.findIndex((line, index) => line !== anew[index]);
  if (differs === -1 && old.length === anew.length) return;
  throw new FarshoreError(
    'ERR_FIXTURE_DECISION',
    `${name} without data would not be read as before: expected ${old[differs]}, found ${anew[differs]}`,
    {
      hint: 'nothing was packed; pack it with its data, or report this',
    },
  );
}
