/** I10 of the destage: a failed store or flush is mended once, by storing everything above the watermark again in full. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath } from '../../journals/files.ts';
import type { DestageOrder, DestageReport, DestageSet } from '../../src/secondary/destage-order.ts';
import { Destager } from '../../src/secondary/destager.ts';
import type { FailingOperation } from '../../src/simulation/disk.ts';
import { Random } from '../../src/simulation/random.ts';
import { TestDisk } from '../support/test-disk.ts';
import {
  initialiseSecondary,
  JOURNALS_DIRECTORY,
  sameVolumes,
  SecondaryHost,
  smallGeometry,
  STREAM,
  VOLUMES,
  Witness,
} from '../support/secondary-host.ts';
import { ModelPrimary } from '../support/secondary-host-primary.ts';

const SLOTS = 3;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const set = (dataSet: number): DestageSet => ({ dataSet, slot: dataSet % SLOTS, writes: 1 });

/** A destager over a carrier that reports when the test says so. */
class Bench {
  readonly orders: DestageOrder[] = [];
  readonly destaged: number[] = [];
  readonly failures: { message: string; fatal: boolean }[] = [];
  report: (report: DestageReport) => void = () => {};
  readonly destager: Destager;

  constructor(lease?: ConstructorParameters<typeof Destager>[2]) {
    this.destager = new Destager(
      (report) => {
        this.report = report;
        return { start: (order) => void this.orders.push(order), close: () => Promise.resolve() };
      },
      {
        destaged: (dataSet) => void this.destaged.push(dataSet),
        failed: (error, fatal) => void this.failures.push({ message: error.message, fatal }),
      },
      lease,
    );
  }

  destage(...dataSets: number[]): void {
    for (const dataSet of dataSets) this.destager.destage(set(dataSet));
    this.destager.start();
  }

  cover(dataSet: number): void {
    this.destager.covered(dataSet);
    this.destager.start();
  }

  get lastOrder(): string {
    const order = this.orders.at(-1);
    return `${order?.reopen === true ? 'reopen, ' : ''}${order?.set.dataSet}`;
  }
}

test('one data set at a time, and the next one only when the watermark covers it', () => {
  const bench = new Bench();
  bench.destage(0);
  bench.destage(1);
  bench.destage(2);
  assert.equal([bench.orders.length, bench.lastOrder], [1, '0']);
  bench.report({ destaged: 0, error: null });
  bench.destager.start();
  assert.equal([bench.orders.length, bench.destaged], [1, [0]], 'its watermark is not durable yet');
  bench.cover(0);
  assert.equal([bench.orders.length, bench.lastOrder], [2, '1']);
  assert.throws(() => bench.cover(1), /not in the volumes/);
  bench.report({ destaged: 1, error: null });
  assert.throws(() => bench.cover(2), /not in the volumes/);
  bench.cover(1);
  assert.equal([bench.orders.length, bench.lastOrder, bench.destaged], [3, '2', [0, 1]]);
  assert.throws(() => bench.destage(2), /destaged after/);
});

test('after a failure the data set is stored again with fresh volumes, then the others go on', () => {
  const bench = new Bench();
  bench.destage(0, 1, 2);
  bench.report({ destaged: 0, error: null });
  bench.cover(0);
  bench.report({ destaged: null, error: 'EIO' });
  assert.is(bench.lastOrder, 'reopen, 1');
  bench.destage(3);
  assert.is(bench.orders.length, 3);
  bench.report({ destaged: 1, error: null });
  bench.cover(1);
  assert.equal(bench.destaged, [0, 1]);
  assert.is(bench.lastOrder, '2');
  assert.equal(bench.failures, [{ message: 'EIO', fatal: false }]);
});

test('a lease that expires in the middle is no failure: the data set is stored again in full when it is renewed', () => {
  const waiting: ((error: Error | null) => void)[] = [];
  let holds = true;
  const lease = { whenHeld: (work: (error: Error | null) => void) => (holds ? work(null) : void waiting.push(work)) };
  const bench = new Bench(lease);
  bench.destage(0, 1);
  for (let times = 1; times <= 3; times += 1) {
    holds = false;
    bench.report({ destaged: null, error: null });
    bench.destager.start();
    assert.equal([bench.orders.length, waiting.length], [times, 1], 'nothing is stored meanwhile, and it waits once');
    holds = true;
    waiting.splice(0).forEach((work) => work(null));
    assert.equal([bench.orders.length, bench.lastOrder], [times + 1, '0']);
  }
  bench.report({ destaged: 0, error: null });
  assert.equal([bench.destaged, bench.failures], [[0], []]);
  holds = false;
  bench.cover(0);
  assert.is(bench.orders.length, 4, 'the next one waits for the lease, too');
  waiting.splice(0).forEach((work) => work(new Error('superseded')));
  assert.equal([bench.orders.length, bench.failures], [4, []], 'a lease that has ended ends the destage');
});

test('the second failure is final: nothing is stored any more', () => {
  for (const between of [false, true]) {
    const bench = new Bench();
    bench.destage(0);
    bench.report({ destaged: null, error: 'first' });
    if (between) {
      bench.report({ destaged: 0, error: null });
      bench.cover(0);
      bench.destage(1);
    }
    bench.report({ destaged: null, error: 'second' });
    const orders = bench.orders.length;
    bench.destage(2);
    bench.report({ destaged: 2, error: null });
    assert.equal(
      bench.failures.map((failure) => failure.fatal),
      [false, true],
    );
    assert.is(bench.orders.length, orders);
    assert.equal(bench.destaged, between ? [0] : []);
  }
});

/** Run a whole secondary through a failure of the volumes at the n-th operation of this kind. */
async function failOnce(operation: FailingOperation, path: string, skip: number, seed: number): Promise<{ mended: boolean }> {
  let seen = -Infinity;
  let disk: TestDisk | null = null;
  disk = new TestDisk({
    seed,
    onAsked: (asked) => {
      if (asked.operation !== operation || asked.path !== path) return;
      seen += 1;
      if (seen === skip) disk?.failNext(operation, 'EIO', path);
    },
  });
  await initialiseSecondary(disk, SLOTS);
  seen = 0;
  const random = new Random(seed);
  const model = new ModelPrimary({ random, stream: STREAM, volumes: VOLUMES, capacityBytes: smallGeometry(SLOTS).capacityBytes });
  model.writeThrough(14);
  const host = await SecondaryHost.start(disk, new Witness(model), SLOTS);
  for (let turns = 0; model.acknowledgedThrough() < 14 && turns < 3000; turns += 1) {
    const records = model.take(8, host.replica.machine.windowHigh);
    if (records.length > 0) host.receive(1, records);
    await turn();
  }
  await host.settle();
  const mended = host.mended.length;
  host.check();
  sameVolumes(disk, model, 14, 'cached');
  // What the failed flush lost is on the disk all the same.
  sameVolumes(disk, model, 14, 'durable');
  await host.close();
  return { mended: mended === 1 };
}

test('a whole secondary mends each single failure of a store or a flush; nothing is lost', async () => {
  let mended = 0;
  for (const path of VOLUMES.map((volume) => volume.path)) {
    for (const skip of [1, 2, 4, 7]) {
      for (const operation of ['write', 'flush'] as const) if ((await failOnce(operation, path, skip, skip)).mended) mended += 1;
    }
  }
  assert.ok(mended > 18, `failures happened: ${mended} of 24`);
});

test('journals that fail once are moved whole, and nothing is lost', async () => {
  for (const skip of [1, 2, 5, 9]) {
    const { mended } = await failOnce('write', journalPath(JOURNALS_DIRECTORY, skip % SLOTS), skip, skip);
    assert.ok(mended, `write ${skip} of a journal failed`);
  }
});

test.run();
