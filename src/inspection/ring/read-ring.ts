/** Read what surrounds the journals of a ring, without locks and without changing anything: watermark, state, geometry, which files there are. */
import { geometryOf } from '../../../journals/geometry.ts';
import { BLOCK_BYTES, decodeWatermark, UNBOUND_IDENTITY } from '../../../journals/format.ts';
import type { BlockVerdict, WatermarkContent } from '../../../journals/format.ts';
import { journalSlotOf, watermarkPath } from '../../../journals/files.ts';
import { judgeWatermark } from '../../../journals/watermark.ts';
import type { Disk } from '../../disk/disk.ts';
import { FarshoreError, messageOf } from '../../model/errors.ts';
import type { Geometry } from '../../model/ids.ts';
import { readHostState } from '../../state/host-state.ts';
import type { ScannedHeader } from '../../../journals/contract.ts';
import type { LocatedRing } from './locate-ring.ts';
import type { Finding, InspectedState, InspectedWatermark } from './ring-report.ts';

export interface WatermarkFindings {
  readonly watermark: InspectedWatermark;
  readonly findings: readonly Finding[];
  readonly refusal: { code: string; message: string } | null;
}

/** Read and judge the watermark's file. */
export function readWatermark(disk: Disk, directory: string): WatermarkFindings {
  const path = watermarkPath(directory);
  const about = { path, slot: null, matters: true } as const;
  let bytes: Uint8Array | null;
  try {
    bytes = disk.readFile(path);
  } catch (error) {
    bytes = new Uint8Array(0);
    const finding = {
      ...about,
      offset: 0,
      what: 'the watermark cannot be read',
      expected: 'a file that the disk can read',
      found: messageOf(error),
      verdict: 'unreadable',
      meaning: 'which data sets are in the source volumes is unknown, so a start refuses',
      advice: 'check the disk',
    } as const;
    return unread(path, 'ERR_SYSTEM_CALL', messageOf(error), [finding]);
  }
  if (bytes === null) {
    const finding = {
      ...about,
      offset: null,
      what: 'the watermark is missing',
      expected: `a file of ${2 * BLOCK_BYTES} bytes`,
      found: 'no file',
      verdict: 'damaged',
      meaning: 'which data sets are in the source volumes is unknown, so a start refuses',
      advice: 'bring the file back: check mounts and journals.path',
    } as const;
    return unread(path, 'ERR_WATERMARK_MISSING', `watermark file ${path} is missing`, [finding]);
  }
  return judge(bytes, path);
}

function unread(path: string, code: string, message: string, findings: Finding[]): WatermarkFindings {
  return { watermark: { path, newest: null, block: null }, findings, refusal: { code, message } };
}

function judge(bytes: Uint8Array, path: string): WatermarkFindings {
  const blocks = [0, 1].map((index) => decodeBlock(bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)));
  const alone = blocks.filter(({ verdict }) => verdict !== 'readable').length === 1;
  const findings = blocks.flatMap((block, index): Finding[] => {
    if (block.verdict === 'readable') return [];
    const later = block.verdict === 'later-version';
    const inBlock = later ? 4 : block.offset;
    return [
      {
        path,
        slot: null,
        offset: index * BLOCK_BYTES + inBlock,
        what: `block ${index} of the watermark ${later ? 'is of a later format version' : 'is damaged'}`,
        expected: later ? 'format version 1' : block.expected,
        found: later ? `version ${block.version}` : block.found,
        verdict: later ? 'unreadable' : 'damaged',
        matters: later || !alone,
        meaning: later
          ? 'this Farshore cannot read it, so a start refuses'
          : alone
            ? 'the other block is whole and counts; the copy is at the data set that it names, or at a newer one'
            : 'which data sets are in the source volumes is unknown, so a start refuses',
        advice: later
          ? 'use the newer Farshore that wrote it'
          : alone
            ? 'start the host: it writes the block anew'
            : 'bring the file back from its disk, or make the secondary anew; Farshore does not guess',
      },
    ];
  });
  try {
    const { newest, nextBlock } = judgeWatermark(bytes, path);
    return { watermark: { path, newest, block: nextBlock === 0 ? 1 : 0 }, findings, refusal: null };
  } catch (error) {
    if (!(error instanceof FarshoreError)) throw error;
    return unread(path, error.code, error.message, findings);
  }
}

function decodeBlock(block: Uint8Array): BlockVerdict<WatermarkContent> {
  if (block.length === BLOCK_BYTES) return decodeWatermark(block);
  return { verdict: 'unreadable', offset: block.length, expected: `${BLOCK_BYTES} bytes`, found: `${block.length} bytes` };
}

/** Whether a watermark says: bound to no group. */
export function isUnbound(watermark: WatermarkContent | null): boolean {
  return watermark === null || (watermark.point === null && watermark.groupId === UNBOUND_IDENTITY.groupId);
}

/** Read the state that belongs to the ring; a state that cannot be read is a note, because the journals still can. */
export function readState(disk: Disk, { stateDirectory }: LocatedRing): { state: InspectedState | null; problem: FarshoreError | null } {
  if (stateDirectory === null) return { state: null, problem: null };
  try {
    const state = readHostState(disk, stateDirectory);
    return { state: { directory: stateDirectory, state, condition: state.condition }, problem: null };
  } catch (error) {
    const problem = error instanceof FarshoreError ? error : new FarshoreError('ERR_SYSTEM_CALL', messageOf(error), { cause: error });
    return { state: null, problem };
  }
}

/** The slots whose files are there, ascending. */
export function listSlots(disk: Disk, directory: string): number[] {
  return disk
    .list(directory)
    .map(journalSlotOf)
    .filter((slot) => slot !== null)
    .sort((a, b) => a - b);
}

/** The geometry that most readable headers name, else the files' number and size; null when that is none. */
export function guessGeometry(headers: readonly ScannedHeader[], files: readonly { slot: number; fileBytes: number }[]): Geometry | null {
  const votes = new Map<string, { slots: number; slotBytes: number; votes: number }>();
  for (const header of headers) {
    if (header.verdict !== 'readable') continue;
    const { slots, slotBytes } = header;
    const key = `${slots} ${slotBytes}`;
    votes.set(key, { slots, slotBytes, votes: (votes.get(key)?.votes ?? 0) + 1 });
  }
  const chosen = [...votes.values()].sort((a, b) => b.votes - a.votes)[0];
  const largest = files.reduce((max, { fileBytes }) => Math.max(max, fileBytes), 0);
  const guess = chosen ?? { slots: (files.at(-1)?.slot ?? -1) + 1, slotBytes: largest };
  try {
    return geometryOf(guess);
  } catch (error) {
    if (error instanceof FarshoreError) return null;
    throw error;
  }
}
