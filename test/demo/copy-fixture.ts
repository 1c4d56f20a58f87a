/** Small histories and the copies that they allow, made by other means than the check's: by trying every set of writes. */
import { History, type DemoWrite } from '../../src/demo/history.ts';
import { BLOCK_WORDS, Pattern } from '../../src/demo/pattern.ts';
import { CopyCheck, type Judgement } from '../../src/demo/check-copy.ts';

export interface PlannedWrite {
  readonly volume: number;
  readonly kind: DemoWrite['kind'];
  readonly firstBlock: number;
  readonly blocks: number;
}

/** A copy: the content of each volume. */
export type Copy = readonly Int32Array[];

export const SEED = 4711;

export function historyOf(blocks: readonly number[], rounds: readonly (readonly PlannedWrite[])[]): History {
  const history = new History(
    SEED,
    blocks.map((count, index) => ({ name: `db${index + 1}`, blocks: count })),
  );
  for (const round of rounds) {
    history.beginRound();
    for (const planned of round) history.replied(history.issued({ ...planned, issuedAtMs: history.writes.length }), history.writes.length);
  }
  return history;
}

export function write(volume: number, firstBlock: number, blocks: number, kind: DemoWrite['kind'] = 'write'): PlannedWrite {
  return { volume, kind, firstBlock, blocks };
}

/** The copy after these writes, in this order. */
export function copyAfter(history: History, indexes: Iterable<number>): Copy {
  const copy = history.volumes.map(({ blocks }) => new Int32Array(blocks * BLOCK_WORDS));
  for (const index of indexes) store(history, copy, history.writes[index]!);
  return copy;
}

/** Store one write, or only its first blocks. */
export function store(history: History, copy: Copy, stored: DemoWrite, blocks = stored.blocks): void {
  const words = copy[stored.volume]!.subarray(stored.firstBlock * BLOCK_WORDS, (stored.firstBlock + blocks) * BLOCK_WORDS);
  if (stored.kind === 'write') new Pattern(history.seed, stored.volume).fill(words, { ...stored, blocks });
  else words.fill(0);
}

export function judge(history: History, copy: Copy): Judgement {
  const check = new CopyCheck(history);
  for (const [volume, words] of copy.entries()) check.take(volume, 0, words);
  return check.judge();
}

export function overlap(a: DemoWrite, b: DemoWrite): boolean {
  return a.volume === b.volume && a.firstBlock < b.firstBlock + b.blocks && b.firstBlock < a.firstBlock + a.blocks;
}

/** Whether the primary can have numbered exactly these writes before all others. */
export function isAllowed(history: History, kept: ReadonlySet<number>): boolean {
  return history.writes.every(
    (late) =>
      !kept.has(late.index) ||
      history.writes.every((early) => {
        const before = early.round < late.round || (early.round === late.round && early.index < late.index && overlap(early, late));
        return !before || kept.has(early.index);
      }),
  );
}

/** Every set of writes that the history allows, by trying all. */
export function allowedSets(history: History): ReadonlySet<number>[] {
  const sets: ReadonlySet<number>[] = [];
  for (let bits = 0; bits < 2 ** history.writes.length; bits += 1) {
    const kept = new Set(history.writes.filter(({ index }) => (bits & (1 << index)) !== 0).map(({ index }) => index));
    if (isAllowed(history, kept)) sets.push(kept);
  }
  return sets;
}

export function textOf(copy: Copy): string {
  return copy.map((words) => Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('base64')).join(' ');
}
