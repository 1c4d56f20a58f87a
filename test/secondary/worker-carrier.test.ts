/** The destage worker's end: an order is always answered, a worker that has ended is replaced once, and a second end is final. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MemoryBuffer } from '../../journals/contract.ts';
import { WORKER_READY, type DestageReport } from '../../src/secondary/destage-order.ts';
import { Destager, workerCarrier } from '../../src/secondary/destager.ts';

/** What each worker does with its first order, in the order in which the workers are made. */
type Deed = 'stores' | 'throws' | 'exits' | 'ends before';

const DEEDS: Readonly<Record<Deed, string>> = {
  stores: `parentPort.on('message', ({ set }) => parentPort.postMessage({ destaged: set.dataSet, error: null }))`,
  throws: `parentPort.on('message', () => { throw new Error('torn') })`,
  exits: `parentPort.on('message', () => process.exit(0))`,
  'ends before': '',
};

/** A program whose n-th worker does the n-th deed; `count` is shared by all of them. */
function programOf(deeds: readonly Deed[]): URL {
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    const deeds = [${deeds.map((deed) => `() => { ${DEEDS[deed]} }`).join(', ')}];
    parentPort.postMessage('ready');
    deeds[Atomics.add(workerData.buffers[0].count, 0, 1)]();`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}

interface Outcome {
  readonly destaged: number[];
  readonly failures: { readonly message: string; readonly fatal: boolean }[];
  readonly workers: number;
}

/** Destage data set 0 with these workers, until it is destaged or given up. */
async function destage(deeds: readonly Deed[], pauseMs = 0): Promise<Outcome> {
  const count = new Int32Array(new SharedArrayBuffer(4));
  const destaged: number[] = [];
  const failures: { message: string; fatal: boolean }[] = [];
  let destager: Destager | null = null;
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`an order was never answered: ${JSON.stringify(failures)}`)), 60_000);
    const ended = (): void => {
      clearTimeout(limit);
      resolve();
    };
    destager = new Destager(workerCarrier([], [{ count } as unknown as MemoryBuffer], { program: programOf(deeds) }), {
      destaged: (dataSet) => {
        destaged.push(dataSet);
        ended();
      },
      failed: ({ message }, fatal) => {
        failures.push({ message, fatal });
        if (fatal) ended();
      },
    });
    setTimeout(() => {
      destager?.destage({ dataSet: 0, slot: 0, writes: 1 });
      destager?.start();
    }, pauseMs);
  });
  await (destager as Destager | null)?.close();
  return { destaged, failures, workers: count[0] as number };
}

test('a worker that throws while an order is out is replaced, and everything is stored again', async () => {
  const { destaged, failures, workers } = await destage(['throws', 'stores']);
  assert.equal([destaged, workers, failures], [[0], 2, [{ message: 'the destage worker ended: torn', fatal: false }]]);
});

test('a worker that exits without an error while an order is out is replaced too', async () => {
  const { destaged, failures, workers } = await destage(['exits', 'stores']);
  assert.equal([destaged, workers, failures], [[0], 2, [{ message: 'the destage worker ended: exit code 0', fatal: false }]]);
});

test('a worker that ended while nothing was to do is found by the next order', async () => {
  const { destaged, failures, workers } = await destage(['ends before', 'stores'], 300);
  assert.equal([destaged, workers, failures], [[0], 2, [{ message: 'the destage worker has ended', fatal: false }]]);
});

test('the second end of a worker is final', async () => {
  for (const deeds of [
    ['throws', 'exits'],
    ['exits', 'throws'],
  ] as const) {
    const { destaged, failures, workers } = await destage(deeds);
    assert.equal([destaged, workers, failures.map(({ fatal }) => fatal)], [[], 2, [false, true]]);
  }
});

test('a closed carrier reports nothing', async () => {
  const reports: DestageReport[] = [];
  const count = new Int32Array(new SharedArrayBuffer(4));
  const carrier = workerCarrier([], [{ count } as unknown as MemoryBuffer], { program: programOf(['ends before']) })(
    (report) => void reports.push(report),
  );
  carrier.start({ set: { dataSet: 0, slot: 0, writes: 1 }, reopen: false });
  await carrier.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(reports, []);
});

test('a worker is not ended before it says that it may be: to end one while koffi loads in it aborts the process', async () => {
  const count = new Int32Array(new SharedArrayBuffer(4));
  const slow = new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort, workerData } from 'node:worker_threads';
      setTimeout(() => { workerData.buffers[0].count[0] = 1; parentPort.postMessage('ready'); }, 200);
      parentPort.on('message', () => {});`)}`,
  );
  const carrier = workerCarrier([], [{ count } as unknown as MemoryBuffer], { program: slow })(() => {});
  await carrier.close();
  assert.is(count[0], 1);
});

test('the destage worker says so, by its first word', async () => {
  const program = new URL('../../src/secondary/destage-worker.js', import.meta.url);
  const worker = new Worker(program, { workerData: { volumes: [], buffers: [] } });
  const [word] = await once(worker, 'message');
  await worker.terminate();
  assert.is(word, WORKER_READY);
});

test.run();
