/** What a region must hold, kept beside it: every message it took, how far it told that they are held, and what was given up. */
import * as assert from 'uvu/assert';
import type { NvramRegion } from '../../../src/peer/nvram/contract.ts';
import { readAll } from './support.ts';

export interface ModelMessage {
  readonly firstOrdinal: number;
  readonly records: number;
  readonly encoded: Uint8Array;
}

export class RegionModel {
  messages: ModelMessage[] = [];
  /** Records below it were given up. */
  released = 0;
  /** Records below it were told to be held. */
  told = 0;

  get head(): number {
    const last = this.messages.at(-1);
    return last === undefined ? 0 : last.firstOrdinal + last.records;
  }

  copy(): RegionModel {
    const copy = new RegionModel();
    Object.assign(copy, { messages: [...this.messages], released: this.released, told: this.told });
    return copy;
  }

  /** The first record of the oldest message that must still be there. */
  get tail(): number {
    return this.messages.find(({ firstOrdinal, records }) => firstOrdinal + records > this.released)?.firstOrdinal ?? this.head;
  }

  /** A region that is open holds exactly what was stored and not given up. */
  assertSame(region: NvramRegion): void {
    assert.equal([region.tail, region.head], [this.tail, this.head]);
    assertMessages(
      region,
      this.messages.filter(({ firstOrdinal }) => firstOrdinal >= this.tail),
    );
    assert.is(readAll(region).end.verdict, 'clean-end');
  }

  /**
   * A region that was opened after a crash holds, without a gap, everything that it told it holds and that was not given up; it may hold
   * more at both ends, and nothing that is not what stood at that ordinal. The model forgets what is gone.
   */
  assertSurvived(region: NvramRegion): void {
    assert.ok(region.tail <= this.tail, `tail ${region.tail}, at most ${this.tail}`);
    assert.ok(region.head >= this.told, `head ${region.head}, at least ${this.told}`);
    assert.ok(region.head <= this.head, `head ${region.head}, at most ${this.head}`);
    assertMessages(
      region,
      this.messages.filter(({ firstOrdinal }) => firstOrdinal >= region.tail && firstOrdinal < region.head),
    );
    this.messages = this.messages.filter(({ firstOrdinal }) => firstOrdinal < region.head);
    this.released = Math.min(this.released, region.tail);
    this.told = region.head;
  }
}

function assertMessages(region: NvramRegion, expected: readonly ModelMessage[]): void {
  const { segments } = readAll(region);
  assert.equal(
    segments.map(({ firstOrdinal, records }) => [firstOrdinal, records]),
    expected.map(({ firstOrdinal, records }) => [firstOrdinal, records]),
  );
  for (const [index, { encoded }] of segments.entries())
    assert.is(Buffer.compare(encoded, expected[index]?.encoded ?? new Uint8Array(0)), 0, `message ${index} is the one that was stored`);
}
