/** How one fixture of the library is made: a recorded crash, damage on top of it, what recovery must decide, and the story. */
import { damageImpossible, fileOf, type CrashFiles, type DamageNote } from '../../src/crash-replay/damage/damage.ts';
import { recordsIn } from '../../src/crash-replay/damage/damage-records.ts';
import { journalPath } from '../../journals/files.ts';
import { BLOCK_BYTES, decodeHeader, decodeWatermark, RECORDS_OFFSET, type WatermarkContent } from '../../journals/format.ts';
import type { DataSetId, HistoryPoint } from '../../src/model/ids.ts';
import type { DecodedRecord } from '../../src/record/record.ts';
import { decodeChecked, type HostState } from '../../src/state/host-state.ts';

/** What happened, what is on the disk, what recovery decides and why, what is lost, what the operator does. */
export type Story = readonly [happened: string, disk: string, decision: string, lost: string, operator: string];

export interface Expectation {
  /** Null: it recovers. */
  readonly refuses: { readonly code: `ERR_${string}`; readonly exitCode: 5 | 6 } | null;
  /** Data set of the copy after recovery, counted from the watermark: 2 is the second one above it. Null: nobody can tell, it refuses. */
  readonly through: number | null;
  /**
   * The row of recovery's table for each journal above the watermark, by data set, counted from the watermark; all others are done already.
   * Null: recovery never gets to look at the journals.
   */
  readonly above: Readonly<Record<number, string>> | null;
  /** What becomes of the records in the peer's region, where there is one; `through` is the least, because how much arrived meanwhile is chance. */
  readonly withRegion?: { readonly refuses: Expectation['refuses']; readonly through: number | null };
  /** Journals that `above` cannot name: by slot. */
  readonly slots?: (scene: Scene) => Readonly<Record<number, string>>;
}

export interface Recipe {
  /** The fault: name of its folder. */
  readonly name: string;
  readonly crashPoint: string;
  readonly slots: number;
  /** What the host does next, when it is not what follows from the crash point. */
  readonly recover?: 'start' | 'promote';
  readonly damage?: (scene: Scene) => readonly DamageNote[];
  readonly expected: Expectation;
  readonly story: (scene: Scene) => Story;
  /** What the library's table says that it proves. */
  readonly proves: string;
}

/** Path of a slot's file inside the state directory. */
export function slotFile(slot: number): string {
  return journalPath('journals', slot);
}

export const WATERMARK_FILE = 'journals/watermark';
export const STATE_FILE = 'host-state.json';

/** A recorded crash in hand: its files to damage, and where the data sets of its story are. */
export class Scene {
  readonly files: CrashFiles;
  readonly slots: number;
  /** The same moment of another group. */
  readonly stranger: CrashFiles;
  readonly state: HostState;
  readonly #watermark: WatermarkContent;

  constructor(options: { files: CrashFiles; slots: number; stranger: CrashFiles }) {
    this.files = options.files;
    this.slots = options.slots;
    this.stranger = options.stranger;
    this.#watermark = newestWatermark(options.files);
    this.state = decodeChecked(fileOf(options.files, STATE_FILE), STATE_FILE) as HostState;
  }

  /** The data set so many above the one of the watermark. */
  at = (above: number): DataSetId => this.point.dataSet + above;

  /** What the watermark said when the host was killed. */
  get point(): HistoryPoint {
    const { point } = this.#watermark;
    if (point === null) throw damageImpossible('nothing was destaged before the crash');
    return point;
  }

  /** Which of the watermark's blocks counts. */
  get newestBlock(): 0 | 1 {
    const first = decodeWatermark(fileOf(this.files, WATERMARK_FILE).subarray(0, BLOCK_BYTES));
    return first.verdict === 'readable' && first.content.counter === this.#watermark.counter ? 0 : 1;
  }

  /** File of the data set so many above the watermark. */
  file = (above: number): string => slotFile(this.at(above) % this.slots);

  image = (above: number): Uint8Array => fileOf(this.files, this.file(above));

  /** Records of the data set so many above the watermark, the sync command last if it is there. */
  records = (above: number): DecodedRecord[] =>
    recordsIn(this.image(above)).filter((record) => record.type === 'pad' || record.dataSet === this.at(above));

  /** Byte at which the records of a journal end. */
  endOf = (above: number): number =>
    this.records(above).reduce((end, { offset, encodedBytes }) => Math.max(end, offset + encodedBytes), RECORDS_OFFSET);

  /** Numbers between the first and the highest that are not there. */
  missing = (above: number): number[] => {
    const found = new Set(this.records(above).map(({ sequence }) => sequence));
    const first = this.firstSequence(above);
    return Array.from({ length: Math.max(...found) - first }, (_, index) => first + index).filter((sequence) => !found.has(sequence));
  };

  firstSequence = (above: number): number => {
    const header = decodeHeader(this.image(above).subarray(0, BLOCK_BYTES));
    if (header.verdict !== 'readable' || header.dataSet !== this.at(above) || header.firstSequence === null)
      throw damageImpossible(`${this.file(above)} does not hold data set ${this.at(above)}`);
    return header.firstSequence;
  };
}

function newestWatermark(files: CrashFiles): WatermarkContent {
  const bytes = fileOf(files, WATERMARK_FILE);
  const blocks = [0, 1].flatMap((index) => {
    const block = decodeWatermark(bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES));
    return block.verdict === 'readable' ? [block.content] : [];
  });
  const newest = blocks.sort((a, b) => b.counter - a.counter)[0];
  if (newest === undefined) throw damageImpossible(`${WATERMARK_FILE} has no readable block`);
  return newest;
}
