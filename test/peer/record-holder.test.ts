/** The holder alone, over a region and links that are none: what it tells, and when. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import type { Link } from '../../src/link/link.ts';
import { RecordHolder, type HeldLink } from '../../src/peer/record-holder.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { decodeMessage } from '../../src/record/wire.ts';
import { RECORD_BYTES, recordsMessage } from '../support/fake-secondary.ts';
import { MemoryRegion } from '../support/memory-regions.ts';
import { peeredAt, REGIONS } from '../support/peer-facts.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';

const COST_BYTES = RECORD_BYTES + LIMITS.regionOverheadBytes;
const STREAM = { stream: peeredAt().stream, generation: 1 };

/** What a link was told: [through, limitBytes] of each `held`. */
type Told = [number, number][];

interface World {
  readonly region: MemoryRegion;
  readonly holder: RecordHolder;
  readonly failures: Error[];
  begin(base: number): { held: HeldLink; told: Told };
}

function world(options: { messages?: number; hold?: 'memory' | 'durable'; head?: number } = {}): World {
  const { messages = 1000, hold = 'memory', head = 0 } = options;
  const region = new MemoryRegion({
    disk: new NodeDisk(),
    path: '/region',
    sizeBytes: messages * COST_BYTES,
    hold,
    regionId: REGIONS.own,
  });
  region.isSlow = true;
  region.head = head;
  region.tail = head;
  const failures: Error[] = [];
  const holder = new RecordHolder({ region, onFailed: (error) => void failures.push(error) });
  const begin = (base: number): { held: HeldLink; told: Told } => {
    const told: Told = [];
    const link = {
      send: (bytes: Uint8Array) => {
        const message = decodeMessage(bytes);
        if (message.kind === 'held') told.push([message.through, message.limitBytes]);
      },
    };
    return { held: holder.begin(link as unknown as Link, STREAM, base), told };
  };
  return { region, holder, failures, begin };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test('all that a turn brings is answered once', async () => {
  const { holder, begin } = world();
  const { held, told } = begin(0);
  for (let sequence = 0; sequence < 50; sequence += 1) assert.is(holder.take(held, recordsMessage(sequence)), null);
  assert.is(told.length, 1);
  await turn();
  assert.equal(told.slice(1), [[50, 1000 * COST_BYTES]]);
  await turn();
  assert.is(told.length, 2);
});

test('a link begins where its hello said, also while what came before it is not flushed yet', async () => {
  const { region, holder, begin } = world({ hold: 'durable', head: 3 });
  const first = begin(3);
  assert.is(first.told[0]?.[0], 3);
  holder.take(first.held, recordsMessage(3));
  await turn();
  assert.ok(region.isFlushing);
  const second = begin(4);
  assert.is(second.told[0]?.[0], 4);
  holder.take(second.held, recordsMessage(4));
  region.endFlush();
  await turn();
  assert.is(second.told.at(-1)?.[0], 4, 'its own record is not flushed');
  region.endFlush();
  assert.is(second.told.at(-1)?.[0], 5);
});

test('a flush holds what was stored before it began, and no more (I2)', async () => {
  const { region, holder, begin } = world({ hold: 'durable' });
  const { held, told } = begin(0);
  holder.take(held, recordsMessage(0, 2));
  await turn();
  holder.take(held, recordsMessage(2, 2));
  await turn();
  assert.is(told.length, 1);
  region.endFlush();
  assert.is(told.at(-1)?.[0], 2);
  await turn();
  region.endFlush();
  assert.is(told.at(-1)?.[0], 4);
});

test('the credit of a link goes back only before its first record, and is not believed against the region', async () => {
  const { region, holder, begin } = world({ messages: 4 });
  const active = begin(0);
  const standby = begin(0);
  assert.equal([active.told[0]?.[1], standby.told[0]?.[1]], [4 * COST_BYTES, 4 * COST_BYTES]);
  for (let sequence = 0; sequence < 3; sequence += 1) holder.take(active.held, recordsMessage(sequence));
  await turn();
  holder.tell(standby.held);
  assert.equal(standby.told.at(-1), [0, COST_BYTES]);
  // A link that has met after the records, and was told of room that the active one has used since.
  const late = begin(3);
  holder.take(active.held, recordsMessage(3));
  assert.is(late.told[0]?.[1], COST_BYTES);
  assert.is(holder.take(late.held, recordsMessage(3))?.code, CLOSE_CODE.otherSession);
  const full = begin(4);
  full.held.toldLimitBytes = COST_BYTES;
  assert.equal(holder.take(full.held, recordsMessage(4)), {
    code: CLOSE_CODE.otherSession,
    reason: 'the region has less room than it had: meet again',
  });
  assert.is(region.head, 4);
});

test('the credit of a link that brings records never goes back, whatever the region says', async () => {
  const { region, holder, begin } = world({ messages: 8 });
  const { held, told } = begin(0);
  holder.take(held, recordsMessage(0));
  await turn();
  Object.defineProperty(region, 'freeBytes', { value: 0 });
  holder.tell(held);
  assert.equal(told.at(-1), [1, 8 * COST_BYTES]);
});

test('a durable region that is full makes room by flushes without records, as many as it needs', async () => {
  const { region, holder, begin } = world({ messages: 4, hold: 'durable' });
  const { held, told } = begin(0);
  for (let sequence = 0; sequence < 4; sequence += 1) holder.take(held, recordsMessage(sequence));
  await turn();
  region.endFlush();
  assert.equal(told.at(-1), [4, 4 * COST_BYTES]);
  holder.release(1);
  await turn();
  assert.ok(region.isFlushing, 'the first release flushes');
  holder.release(3);
  await turn();
  region.endFlush();
  await turn();
  assert.ok(region.isFlushing, 'what was released meanwhile needs another flush');
  region.endFlush();
  await turn();
  region.endFlush();
  assert.equal(told.at(-1), [4, 7 * COST_BYTES]);
  await turn();
  await turn();
  assert.not(region.isFlushing, 'it comes to rest');
});

test('a region that makes room step by step is asked until it makes no more', async () => {
  const { region, holder, begin } = world({ messages: 8 });
  const { held, told } = begin(0);
  for (let sequence = 0; sequence < 8; sequence += 1) holder.take(held, recordsMessage(sequence));
  await turn();
  let steps = 0;
  Object.defineProperty(region, 'freeBytes', { get: () => steps * COST_BYTES });
  region.whenHeld = (done) => {
    steps = Math.min(steps + 1, 5);
    done(null);
  };
  holder.release(5);
  for (let count = 0; count < 8; count += 1) await turn();
  assert.equal(told.at(-1), [8, 13 * COST_BYTES]);
});

test('a link that ended is told nothing more, and one that stands by hears of its own records only', async () => {
  const { holder, begin } = world();
  const ended = begin(0);
  const active = begin(0);
  holder.take(ended.held, recordsMessage(0));
  holder.ended(ended.held);
  await turn();
  assert.is(ended.told.length, 1);
  assert.is(active.told.length, 1);
});

test('a store that fails ends everything (I10)', async () => {
  const { region, holder, begin, failures } = world();
  const { held, told } = begin(0);
  region.failure = new Error('EIO of the store');
  assert.is(holder.take(held, recordsMessage(0)), null);
  assert.equal(
    failures.map(({ message }) => message),
    ['EIO of the store'],
  );
  region.failure = null;
  assert.is(holder.take(held, recordsMessage(0)), null);
  assert.is(holder.release(0), null);
  await turn();
  assert.equal([region.head, told.length], [0, 1]);
});

test.run();
