/**
 * Four links that are cut, clogged, delayed, reordered, duplicated and damaged, all at once, under write load: what arrives is what
 * was written. Twenty seconds; FARSHORE_LONG=1 makes it two minutes.
 *
 * @timeLimit 400 s
 * @invariant I6 I7 I9 I11
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sleep } from '../support/host-process.ts';
import { withHosts } from '../support/hosts.ts';
import { ChaosDriver, withProxy } from '../support/link-chaos.ts';
import { memoryOf } from '../support/process-memory.ts';
import { ResendWatch } from '../support/resend-watch.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

const SECONDS = process.env['FARSHORE_LONG'] === '1' ? 120 : 20;
const SEED = Number(process.env['FARSHORE_SEED'] ?? 4711);
/** Backlog, chunks that wait in the pool, and Node itself; it must not follow the number of faults. */
const PRIMARY_MIB_MAX = 320;
const SECONDARY_MIB_MAX = 350;

test(`${SECONDS} s of broken links: resent, rejected, level in the end`, async () => {
  await withHosts(
    {
      volumes: [
        { name: 'db1', sizeMiB: 32 },
        { name: 'db2', sizeMiB: 16 },
      ],
      links: 4,
      slots: 6,
      slotMiB: 4,
      dataSets: { maxSize: '2MiB' },
      backlogLimit: '64MiB',
    },
    async (hosts) => {
      const { primary, secondary } = hosts;
      const watch = new ResendWatch();
      const faults = {
        delayMs: 2,
        jitterMs: 15,
        duplicateShare: 0.08,
        flipPayloadShare: 0.04,
        flipHeaderShare: 0.004,
        flipControlShare: 0.004,
      };
      await withProxy(hosts, { seed: SEED, watch, faults }, async (proxy) => {
        await hosts.start();
        const loads = [
          new StampedWorkload({ host: primary, volume: 'db1', seed: SEED, depth: 3, flushEvery: 9, zeroShare: 0.03, fuaShare: 0.02 }),
          new StampedWorkload({ host: primary, volume: 'db2', seed: SEED + 1, connections: 1, depth: 4, flushEvery: 31, blocksMax: 64 }),
        ];
        const chaos = new ChaosDriver(proxy, { everyMs: 120, lagMs: 400, holdMs: 600 });
        for (const load of loads) await load.start();
        chaos.start();
        await sleep((SECONDS * 1000) / 2);
        const halfway = { primary: memoryOf(primary), secondary: memoryOf(secondary) };
        await sleep((SECONDS * 1000) / 2);
        for (const load of loads) await load.stop();
        chaos.stop();
        proxy.calm();
        await hosts.drainedAndSame();
        watch.stop();
        const status = { primary: await primary.status(), secondary: await secondary.status() };
        const memory = { primary: memoryOf(primary), secondary: memoryOf(secondary) };
        print({
          writes: loads.map((load) => load.writes),
          proxy: proxy.counters,
          recordsSent: watch.recordsSent,
          sentAgain: watch.recordsSentAgain,
        });
        print({
          dataSets: status.primary.dataSets.acknowledged,
          resends: status.primary.resends,
          rejects: status.secondary.rejects,
          duplicates: status.secondary.duplicates,
          halfway,
          memory,
        });
        assert.is(loads[0]?.differenceIn(secondary.volumePath('db1')), null, 'every reply is in the copy of db1');
        assert.is(loads[1]?.differenceIn(secondary.volumePath('db2')), null, 'every reply is in the copy of db2');
        assert.is(watch.violations.slice(0, 5).join('\n'), '', 'no acknowledged record is sent again');
        assert.ok(status.primary.resends > 0, 'records were sent again');
        assert.ok(status.primary.rejects > 0 && status.secondary.rejects > 0, 'damaged records were rejected');
        assert.ok(status.secondary.duplicates > 0, 'duplicates were dropped');
        assert.ok(
          proxy.counters.flippedPayload > 0 && proxy.counters.flippedHeader > 0 && proxy.counters.flippedControl > 0,
          'messages were damaged',
        );
        assert.ok(/record-header/.test(secondary.log), 'a damaged header costs its link');
        assert.ok(
          memory.primary.peak < PRIMARY_MIB_MAX && memory.secondary.peak < SECONDARY_MIB_MAX,
          `memory is bounded: ${JSON.stringify(memory)}`,
        );
      });
    },
  );
});

function print(facts: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}

test.run();
