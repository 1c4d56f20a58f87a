/**
 * What happens at the limits (I11): a full backlog slows the application down and says so, the smallest journals carry the largest
 * writes, and memory follows the limits, not the load.
 *
 * @timeLimit 240 s
 * @invariant I6 I11
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sleep } from '../support/host-process.ts';
import { withHosts } from '../support/hosts.ts';
import { memoryOf } from '../support/process-memory.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

const MIB = 1_048_576;

test('at a backlog limit of 1 MiB without a secondary writes wait, the status says why, and they go on with it', async () => {
  await withHosts(
    { volumes: [{ name: 'db1', sizeMiB: 16 }], backlogLimit: '1MiB', slots: 4, slotMiB: 1, dataSets: { maxSize: '256KiB' } },
    async (hosts) => {
      const { primary, secondary } = hosts;
      await hosts.init();
      await primary.start();
      const load = new StampedWorkload({ host: primary, connections: 2, depth: 4, blocksMax: 4, flushEvery: 10 });
      await load.start();
      const throttled = await primary.untilStatus('is throttled', ({ state }) => state === 'throttled');
      assert.match(
        throttled.reason ?? '',
        /writes wait because the backlog limit of 1048576 unacknowledged bytes is reached; no secondary is connected/,
      );
      assert.ok((throttled.backlog?.bytes ?? 0) <= MIB + 64 * 1024, `the limit holds: ${throttled.backlog?.bytes}`);
      const stalled = load.writes;
      await sleep(1500);
      assert.ok(load.writes - stalled <= 8, `writes wait: ${load.writes - stalled} went on`);
      const client = await primary.connect();
      assert.is((await client.read(0, 4096)).length, 4096, 'reads do not wait');
      await client.close();
      assert.match((await primary.command(['status'])).stdout, /throttled[\s\S]*writes wait because/);

      await secondary.start();
      await primary.until('lets writes go on', async () => load.writes > stalled + 200, 20_000);
      // Gone in the middle of it, and back.
      await secondary.kill();
      await primary.untilStatus('is throttled again', ({ state }) => state === 'throttled');
      await secondary.start();
      const before = load.writes;
      await primary.until('lets writes go on again', async () => load.writes > before + 200, 20_000);
      await load.stop();
      await hosts.drainedAndSame();
      assert.is(load.differenceIn(secondary.volumePath()), null, 'nothing was lost');
      const status = await primary.status();
      assert.ok((status.backlog?.throttledSeconds ?? 0) > 1, 'the slowed seconds are counted');
      assert.is(status.state, 'replicating');
      process.stdout.write(`writes ${load.writes}, throttled ${status.backlog?.throttledSeconds.toFixed(1)} s\n`);
    },
  );
});

for (const [what, size, maxSize] of [
  ['slots of 1 MiB', '1MiB', '1000KiB'],
  ['slots of 128 KiB', '128KiB', '100KiB'],
  ['slots of 64 KiB, the smallest', '64KiB', '32KiB'],
] as const) {
  test(`writes of 32 MiB through two ${what}`, async () => {
    await withHosts({ volumes: [{ name: 'db1', sizeMiB: 40 }], slots: 2, dataSets: { maxSize }, backlogLimit: '4MiB' }, async (hosts) => {
      const { primary, secondary } = hosts;
      if (secondary.config.journals !== undefined) secondary.config.journals.size = size;
      await hosts.start();
      const before = memoryOf(primary).now;
      const client = await primary.connect();
      const data = Buffer.alloc(32 * MIB);
      for (let index = 0; index < data.length; index += 4) data.writeUInt32LE(index, index);
      await client.write(MIB, data);
      await client.write(0, data.subarray(0, 3 * MIB + 512), { fua: true });
      await Promise.all([
        client.write(5 * MIB + 512, data.subarray(7, 7 + 2 * MIB)),
        client.writeZeroes(20 * MIB, 12 * MIB),
        client.trim(36 * MIB, 4 * MIB),
        client.flush(),
      ]);
      await client.close();
      await hosts.drainedAndSame();
      const copy = await primary.status();
      process.stdout.write(`${what}: ${copy.dataSets.destaged} data sets, MiB ${before} -> ${JSON.stringify(memoryOf(primary))}\n`);
      assert.ok(
        Number(copy.dataSets.destaged) > (32 * MIB) / Number(maxSize.replace('KiB', '')) / 1024 - 5,
        'the write was split over many data sets',
      );
    });
  });
}

test('two slots under load: the ring turns, the copy keeps up', async () => {
  await withHosts(
    { volumes: [{ name: 'db1', sizeMiB: 16 }], slots: 2, slotMiB: 1, dataSets: { minAge: '0ms', maxSize: '64KiB' }, backlogLimit: '2MiB' },
    async (hosts) => {
      await hosts.start();
      const load = new StampedWorkload({ host: hosts.primary, connections: 2, depth: 2, flushEvery: 3, fuaShare: 0.1, zeroShare: 0.1 });
      await load.run(3000);
      await hosts.drainedAndSame();
      assert.is(load.differenceIn(hosts.secondary.volumePath()), null);
      assert.ok(Number((await hosts.primary.status()).dataSets.destaged) > 20);
    },
  );
});

test('a backlog of many small data sets takes the memory that its limit says', async () => {
  await withHosts(
    { volumes: [{ name: 'db1', sizeMiB: 16 }], backlogLimit: '48MiB', slots: 4, slotMiB: 1, dataSets: { maxSize: '64KiB' } },
    async (hosts) => {
      const { primary, secondary } = hosts;
      await hosts.init();
      await primary.start();
      const before = memoryOf(primary).now;
      const load = new StampedWorkload({ host: primary, connections: 2, depth: 4, blocksMax: 8 });
      await load.start();
      const full = await primary.untilStatus('is throttled', ({ state }) => state === 'throttled', 60_000);
      const after = memoryOf(primary);
      process.stdout.write(`${full.behind.dataSets} data sets of at most 64 KiB wait: ${before} MiB -> ${JSON.stringify(after)} MiB\n`);
      assert.ok(full.behind.dataSets > 500, 'they are many');
      assert.ok(after.peak - before < 48 + 120, 'memory follows the backlog, not the number of data sets');
      await secondary.start();
      await sleep(1000);
      await load.stop();
      await hosts.drainedAndSame();
      assert.is(load.differenceIn(secondary.volumePath()), null);
      assert.ok(memoryOf(primary).peak - before < 48 + 150, `also while it drains: ${JSON.stringify(memoryOf(primary))}`);
    },
  );
});

test.run();
