/** Fig. 9 step 304: the blocks of one data set, in the order of their numbers. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as fc from 'fast-check';
import { encodedWriteBytes, RecordWriter } from '../../src/record/record.ts';
import { carryOutDestage } from '../../src/secondary/destage-order.ts';
import { openDestageSource, storeDataSet } from '../../src/secondary/store-data-set.ts';
import type { Volume } from '../../src/volume/contract.ts';
import type { MemoryBuffer } from '../../journals/contract.ts';

const BLOCK = 512;
const SLOT_BYTES = 64 * 1024;
const STREAM = { generation: 1, stream: '00000000000000aa' };

interface Command {
  readonly type: 'write' | 'zero' | 'trim';
  readonly vlun: number;
  readonly lba: number;
  readonly blocks: number;
}

/** A memory buffer in which the commands lie in the order in which they arrived. */
function bufferOf(commands: readonly Command[], arrival: readonly number[]): MemoryBuffer {
  // The image does not begin where the memory does.
  const start = 4096;
  const shared = new SharedArrayBuffer(start + SLOT_BYTES);
  const offsets = new SharedArrayBuffer(4 * 64);
  const image = new Uint8Array(shared, start, SLOT_BYTES);
  const writer = new RecordWriter(image);
  let offset = 8192;
  for (const index of arrival) {
    const { type, vlun, lba, blocks } = commands[index] as Command;
    const payload = type === 'write' ? new Uint8Array(blocks * BLOCK).fill(index + 1) : null;
    new Uint32Array(offsets)[index] = offset;
    offset += writer.encodeWrite(
      offset,
      { type, vlun, lba, lengthBytes: blocks * BLOCK, timeUs: 1, payload },
      { dataSet: 5, firstSequence: 70, sequence: 70 + index },
      STREAM,
    );
    assert.ok(offset >= encodedWriteBytes(0));
  }
  return { slot: 0, shared, start, slotBytes: SLOT_BYTES, offsets };
}

class MemoryVolume {
  readonly bytes = new Uint8Array(16 * BLOCK).fill(0xee);
  stores = 0;
  flushes = 0;
  failAt = Infinity;

  storeSync(bytes: Uint8Array, offset: number): void {
    this.#count();
    this.bytes.set(bytes, offset);
  }

  zeroSync(offset: number, lengthBytes: number): void {
    this.#count();
    this.bytes.fill(0, offset, offset + lengthBytes);
  }

  flushSync(): void {
    this.flushes += 1;
  }

  #count(): void {
    this.stores += 1;
    if (this.stores === this.failAt) throw new Error('EIO');
  }
}

function asVolumes(volumes: readonly MemoryVolume[]): ReadonlyMap<number, Volume> {
  return new Map(volumes.map((volume, vlun) => [vlun * 5, volume as unknown as Volume]));
}

const command = fc.record({
  type: fc.constantFrom('write' as const, 'write' as const, 'zero' as const, 'trim' as const),
  vlun: fc.constantFrom(0, 5),
  lba: fc.integer({ min: 0, max: 12 }),
  blocks: fc.integer({ min: 1, max: 4 }),
});

test('whatever the order of arrival, the volumes are as if the commands were carried out in the order of their numbers', () => {
  const history = fc.array(command, { minLength: 1, maxLength: 20 }).chain((commands) =>
    fc.tuple(
      fc.constant(commands),
      fc.shuffledSubarray(
        commands.map((_, index) => index),
        { minLength: commands.length },
      ),
    ),
  );
  fc.assert(
    fc.property(history, ([commands, arrival]) => {
      const volumes = [new MemoryVolume(), new MemoryVolume()];
      storeDataSet(openDestageSource(bufferOf(commands, arrival)), commands.length, asVolumes(volumes));
      const expected = [0, 1].map(() => new Uint8Array(16 * BLOCK).fill(0xee));
      for (const [index, { type, vlun, lba, blocks }] of commands.entries()) {
        expected[vlun / 5]?.fill(type === 'write' ? index + 1 : 0, lba * BLOCK, (lba + blocks) * BLOCK);
      }
      assert.equal(
        volumes.map((volume) => volume.bytes),
        expected,
      );
    }),
    { numRuns: 150 },
  );
});

test('a lease that ends in the middle: not one store more, no flush, and neither destaged nor an error', () => {
  const commands: Command[] = [0, 1, 2].map((lba) => ({ type: lba === 1 ? 'zero' : 'write', vlun: 0, lba, blocks: 1 }));
  const source = openDestageSource(bufferOf(commands, [0, 1, 2]));
  const order = { set: { dataSet: 0, slot: 0, writes: 3 }, reopen: false };
  for (let allowed = 0; allowed <= 4; allowed += 1) {
    const volume = new MemoryVolume();
    let asked = 0;
    const report = carryOutDestage(order, [source], asVolumes([volume]), () => (asked += 1) <= allowed);
    assert.equal([volume.stores, volume.flushes], [Math.min(allowed, 3), allowed === 4 ? 1 : 0]);
    assert.equal(report, { destaged: allowed === 4 ? 0 : null, error: null });
  }
});

test('only so many commands as the data set has: what else lies in the buffer is of no concern', () => {
  const commands: Command[] = [0, 1, 2].map((lba) => ({ type: 'write', vlun: 0, lba, blocks: 1 }));
  const volume = new MemoryVolume();
  storeDataSet(openDestageSource(bufferOf(commands, [0, 1, 2])), 2, asVolumes([volume]));
  assert.equal([volume.bytes[0], volume.bytes[BLOCK], volume.bytes[2 * BLOCK]], [1, 2, 0xee]);
});

test('the error of a store is told, and nothing after it is stored', () => {
  const commands: Command[] = [0, 1, 2].map((lba) => ({ type: lba === 1 ? 'zero' : 'write', vlun: 0, lba, blocks: 1 }));
  const volume = new MemoryVolume();
  volume.failAt = 2;
  assert.throws(() => storeDataSet(openDestageSource(bufferOf(commands, [2, 0, 1])), 3, asVolumes([volume])), /EIO/);
  assert.equal([volume.bytes[0], volume.bytes[BLOCK], volume.bytes[2 * BLOCK]], [1, 0xee, 0xee]);
});

test('a command for a volume that nobody knows is a broken invariant, not a store somewhere else', () => {
  const source = openDestageSource(bufferOf([{ type: 'write', vlun: 9, lba: 0, blocks: 1 }], [0]));
  assert.throws(() => storeDataSet(source, 1, asVolumes([new MemoryVolume()])), /VLUN 9/);
});

test.run();
