/** The lease of a host that a peer may replace: when it holds, what waits for it, and that nothing is written without it (DESIGN section 8). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, encodeWatermark } from '../../journals/format.ts';
import { openRing } from '../../journals/ring.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { EpochLease } from '../../src/secondary/epoch-lease.ts';
import { LeasedDisk } from '../../src/secondary/leased-disk.ts';
import { mayStoreBy } from '../../src/secondary/write-lease.ts';
import type { Asked } from '../../src/simulation/disk.ts';
import { chainOf, create, DIRECTORY, encodeRecord, IDENTITY, alignedStart, listen, scan, SMALL, until } from '../journals/support.ts';
import { codeOf } from '../support/scratch.ts';
import { TestDisk } from '../support/test-disk.ts';

const WATERMARK = `${DIRECTORY}/watermark`;
const MS = 1_000_000n;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Another host writes this epoch into one block. */
function raise(disk: TestDisk, hostEpoch: number): void {
  const block = new Uint8Array(BLOCK_BYTES);
  encodeWatermark(block, { ...IDENTITY, point: { dataSet: 1, finalSequence: 10, chain: chainOf(1) }, hostEpoch, counter: 9 });
  const file = disk.open(WATERMARK, { durableWrites: true });
  file.writeSync(block, 0);
  file.closeSync();
}

function codeIn(error: Error | null): string {
  return error instanceof FarshoreError ? error.code : String(error);
}

class Bench {
  readonly disk: TestDisk;
  readonly lease: EpochLease;
  readonly told: string[] = [];
  nowNs = 5_000n * MS;

  private constructor(disk: TestDisk, hostEpoch: number) {
    this.disk = disk;
    this.lease = new EpochLease({
      disk,
      directory: DIRECTORY,
      hostEpoch,
      nowNs: () => this.nowNs,
      events: {
        expired: (why) => void this.told.push(`expired${why === null ? '' : ` ${why}`}`),
        renewed: () => void this.told.push('renewed'),
        superseded: (error) => void this.told.push(`superseded ${codeIn(error)}`),
      },
    });
  }

  static async open(hostEpoch = 0, onAsked: (asked: Asked) => void = () => {}): Promise<Bench> {
    const disk = new TestDisk({ onAsked });
    await create(disk);
    return new Bench(disk, hostEpoch);
  }

  /** Until the next read of the host epoch has been judged. */
  async read(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 280));
    await turn();
  }

  pass(ms: number): void {
    this.nowNs += BigInt(ms) * MS;
  }
}

const benches: Bench[] = [];
async function open(hostEpoch?: number, onAsked?: (asked: Asked) => void): Promise<Bench> {
  const bench = await Bench.open(hostEpoch, onAsked);
  benches.push(bench);
  return bench;
}
test.after.each(() => {
  for (const { lease } of benches.splice(0)) lease.end();
});

test('it holds for a second from the beginning of the read; then writes wait until it is renewed', async () => {
  const bench = await open();
  assert.is(bench.lease.mayWrite(), false, 'before the first read');
  await bench.lease.start();
  bench.pass(999);
  assert.is(bench.lease.mayWrite(), true);
  bench.pass(1);
  assert.is(bench.lease.mayWrite(), false);
  const done: (string | null)[] = [];
  bench.lease.whenHeld((error) => void done.push(error?.message ?? 'first'));
  bench.lease.whenHeld((error) => void done.push(error?.message ?? 'second'));
  assert.equal([done, bench.told], [[], ['expired']]);
  await bench.read();
  assert.equal(
    [done, bench.told],
    [
      ['first', 'second'],
      ['expired', 'renewed'],
    ],
  );
  assert.is(bench.lease.mayWrite(), true);
});

test('a read during which the process was stopped for longer than the lease renews nothing', async () => {
  const bench = await open();
  const started = bench.lease.start();
  bench.pass(1_500);
  await started;
  assert.is(bench.lease.mayWrite(), false, 'it began 1.5 s ago');
  await bench.read();
  assert.is(bench.lease.mayWrite(), true);
});

test('a read that fails renews nothing, and says why; the next one that succeeds does', async () => {
  const bench = await open();
  await bench.lease.start();
  bench.disk.failNext('read', 'EIO', WATERMARK);
  await bench.read();
  bench.pass(1_200);
  assert.is(bench.lease.mayWrite(), false);
  bench.lease.whenHeld(() => {});
  assert.match(bench.told[0] ?? '', /^expired .*EIO/);
  await bench.read();
  assert.equal([bench.lease.mayWrite(), bench.told.at(-1)], [true, 'renewed']);
});

test('unreadable at the start is an error; one torn block is not', async () => {
  const bench = await open();
  const file = bench.disk.open(WATERMARK, { durableWrites: true });
  file.writeSync(new Uint8Array(BLOCK_BYTES).fill(7), 0);
  await bench.lease.start();
  assert.is(bench.lease.mayWrite(), true);
  const second = await open();
  second.disk.open(WATERMARK, { durableWrites: true }).writeSync(new Uint8Array(2 * BLOCK_BYTES).fill(7), 0);
  assert.is(await codeOf(() => second.lease.start()), 'ERR_EPOCH_UNREAD');
  assert.is(second.lease.mayWrite(), false);
});

test('a higher host epoch ends it for good, whatever is read later; its own and a lower one do not', async () => {
  const bench = await open(3);
  raise(bench.disk, 2);
  await bench.lease.start();
  raise(bench.disk, 3);
  await bench.read();
  assert.is(bench.lease.mayWrite(), true);
  bench.pass(2_000);
  const done: string[] = [];
  bench.lease.whenHeld((error) => void done.push(codeIn(error)));
  raise(bench.disk, 4);
  await bench.read();
  assert.equal(done, ['ERR_HOST_SUPERSEDED']);
  assert.equal(bench.told, ['expired', 'superseded ERR_HOST_SUPERSEDED']);
  raise(bench.disk, 3);
  await bench.read();
  bench.lease.whenHeld((error) => void done.push(codeIn(error)));
  assert.equal([bench.lease.mayWrite(), done.length, done[1]], [false, 2, 'ERR_HOST_SUPERSEDED']);
  assert.is(bench.told.length, 2, 'said once');
  const second = await open(0);
  raise(second.disk, 1);
  assert.is(await codeOf(() => second.lease.start()), 'ERR_HOST_SUPERSEDED');
});

test('other threads see the same lease', async () => {
  const bench = await open();
  const real = new EpochLease({
    disk: bench.disk,
    directory: DIRECTORY,
    hostEpoch: 0,
    events: { expired: () => {}, renewed: () => {}, superseded: () => {} },
  });
  const mayStore = mayStoreBy(real.cell);
  assert.is(mayStore(), false);
  await real.start();
  assert.is(mayStore(), true);
  real.end();
  assert.is(mayStore(), false);
});

/** A ring behind a lease. */
async function leasedRing(bench: Bench): Promise<{ ring: ReturnType<typeof openRing>; told: ReturnType<typeof listen> }> {
  const told = listen();
  const ring = openRing({
    disk: new LeasedDisk(bench.disk, bench.lease),
    directory: DIRECTORY,
    geometry: SMALL,
    alignedStart,
    events: told.events,
  });
  ring.setIdentity(IDENTITY);
  for (const { slot } of await scan(ring)) ring.retire(slot);
  ring.openDataSet({ slot: 0, dataSet: 0, firstSequence: 0 });
  return { ring, told };
}

function append(ring: ReturnType<typeof openRing>, sequence: number): void {
  ring.append({ slot: 0, index: sequence, bytes: encodeRecord({ dataSet: 0, firstSequence: 0, sequence }) });
  ring.commit();
}

test('commits and watermarks wait for the lease like for a slow disk, and go on when it is renewed', async () => {
  const writes: string[] = [];
  const bench = await open(0, ({ operation, path }) => void (operation === 'write' && writes.push(path)));
  await bench.lease.start();
  const { ring, told } = await leasedRing(bench);
  append(ring, 0);
  await until(() => told.durable.get(0) === 1, 'the first commit');
  bench.pass(1_000);
  const before = writes.length;
  append(ring, 1);
  ring.writeWatermark({ dataSet: 0, finalSequence: 5, chain: chainOf(0) });
  for (let turns = 0; turns < 20; turns += 1) await turn();
  assert.equal([writes.length, told.durable.get(0), told.watermarks], [before, 1, []]);
  await bench.read();
  await until(() => told.watermarks.length === 1 && told.durable.get(0) === 2, 'both');
  assert.equal(told.failures, []);
  await new Promise((resolve) => ring.close(resolve));
});

test('a superseded host writes nothing more to its journals: not what waited, not what comes, and it mends nothing', async () => {
  const changes: string[] = [];
  const bench = await open(0, ({ operation, path }) => {
    if (!['open', 'read', 'readFile', 'close'].includes(operation)) changes.push(`${operation} ${path}`);
  });
  await bench.lease.start();
  const { ring, told } = await leasedRing(bench);
  append(ring, 0);
  await until(() => told.durable.get(0) === 1, 'the first commit');
  bench.pass(1_000);
  append(ring, 1);
  raise(bench.disk, 1);
  changes.length = 0;
  await bench.read();
  append(ring, 2);
  ring.writeWatermark({ dataSet: 0, finalSequence: 5, chain: chainOf(0) });
  for (let turns = 0; turns < 20; turns += 1) await turn();
  assert.equal([changes, told.durable.get(0), told.watermarks], [[], 1, []]);
  assert.ok(
    told.failures.some(({ fatal }) => fatal),
    'and the ring has ended',
  );
  await new Promise((resolve) => ring.close(resolve));
});

test.run();
