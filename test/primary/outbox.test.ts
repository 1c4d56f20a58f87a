/** What one link sends: the first record at once, what follows closely together, and nothing twice, late or out of order. */
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Link } from '../../src/link/link.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { Outbox } from '../../src/primary/outbox.ts';

const BYTES = 4176;

function fixture(gatherMs: number) {
  const memory = new Uint8Array(400 * BYTES);
  const messages: Uint8Array[] = [];
  const done: number[] = [];
  const link = {
    send: (bytes: Uint8Array, sent: () => void) => {
      messages.push(bytes);
      sent();
    },
  } as unknown as Link;
  const outbox = new Outbox(link, gatherMs, () => {});
  const add = (index: number): void => {
    outbox.add({ bytes: memory.subarray(index * BYTES, (index + 1) * BYTES), done: () => void done.push(index) });
  };
  return { add, messages, done, records: () => messages.map((message) => message.length / BYTES) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('records of one turn are one message, at once', async () => {
  const { add, records, done } = fixture(60_000);
  for (let index = 0; index < 5; index += 1) add(index);
  await turn();
  assert.equal(records(), [5]);
  assert.equal(done, [0, 1, 2, 3, 4]);
});

test('what follows closely waits and goes together; much does not wait', async () => {
  const { add, records, done } = fixture(60_000);
  add(0);
  await turn();
  for (let index = 1; index < 4; index += 1) {
    add(index);
    await turn();
  }
  assert.equal(records(), [1], 'three records wait');
  for (let index = 4; index < 20; index += 1) add(index);
  await turn();
  await turn();
  assert.is(
    records().reduce((sum, count) => sum + count, 0),
    20,
    '64 KiB are worth a message',
  );
  assert.equal(
    done,
    Array.from({ length: 20 }, (_, index) => index),
  );
});

test('what waits goes when the gap is over', async () => {
  const { add, records } = fixture(300);
  add(0);
  await turn();
  add(1);
  add(2);
  await turn();
  assert.equal(records(), [1]);
  for (let waited = 0; waited < 1000 && records().length < 2; waited += 1) await sleep(5);
  assert.equal(records(), [1, 2]);
});

test('without a gap every turn is a message', async () => {
  const { add, records } = fixture(0);
  for (let index = 0; index < 3; index += 1) {
    add(index);
    await turn();
  }
  assert.equal(records(), [1, 1, 1]);
});

test('a message is never longer than the limit, and records that do not lie together are messages of their own', async () => {
  const { add, messages, records } = fixture(60_000);
  for (let index = 0; index < 200; index += 1) if (index !== 100) add(index);
  await turn();
  assert.ok(messages.every((message) => message.length <= LIMITS.batchBytesMax));
  assert.is(
    records().reduce((sum, count) => sum + count, 0),
    199,
  );
});

test.run();
