/**
 * The secondary is killed again and again at random moments while an application writes, and all the while its links are reordered,
 * duplicated, held and cut. Nothing acknowledged is lost, nothing acknowledged is sent again, and in the end both sides are level.
 * Twelve kills; FARSHORE_LONG=1 makes it fifty.
 *
 * @timeLimit 900 s
 * @invariant I1 I2 I6 I7
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sleep } from '../support/host-process.ts';
import { withHosts } from '../support/hosts.ts';
import { ChaosDriver, withProxy } from '../support/link-chaos.ts';
import { memoryOf } from '../support/process-memory.ts';
import { ResendWatch } from '../support/resend-watch.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

const KILLS = process.env['FARSHORE_LONG'] === '1' ? 50 : 12;
const RESTARTS = process.env['FARSHORE_LONG'] === '1' ? 24 : 6;
const SEED = Number(process.env['FARSHORE_SEED'] ?? 20260101);

test(`${KILLS} kills of the secondary under load and broken links: nothing lost, nothing acknowledged sent again`, async () => {
  await withHosts(
    { volumes: [{ name: 'db1', sizeMiB: 32 }], links: 3, slots: 6, slotMiB: 2, dataSets: { maxSize: '1MiB' } },
    async (hosts) => {
      const { primary, secondary } = hosts;
      const watch = new ResendWatch();
      await withProxy(hosts, { seed: SEED, watch, faults: { delayMs: 1, jitterMs: 6, duplicateShare: 0.1 } }, async (proxy) => {
        await hosts.start();
        const workload = new StampedWorkload({
          host: primary,
          seed: SEED,
          connections: 2,
          depth: 3,
          flushEvery: 7,
          fuaShare: 0.02,
          zeroShare: 0.03,
        });
        const chaos = new ChaosDriver(proxy, { everyMs: 150, lagMs: 250, holdMs: 300 });
        await workload.start();
        chaos.start();
        for (let kill = 0; kill < KILLS; kill += 1) {
          await sleep(100 + proxy.random.next() * 1400);
          await secondary.kill('SIGKILL');
          // Sometimes the primary still believes in its links, sometimes it has given them up.
          if (proxy.random.next() < 0.5) await sleep(proxy.random.next() * 300);
          await secondary.start();
        }
        await sleep(500);
        await workload.stop();
        chaos.stop();
        proxy.calm();
        await hosts.drainedAndSame();
        watch.stop();
        const status = await primary.status();
        print({
          writes: workload.writes,
          flushes: workload.flushes,
          proxy: proxy.counters,
          recordsSent: watch.recordsSent,
          sentAgain: watch.recordsSentAgain,
          acknowledged: watch.acknowledgedCount,
        });
        print({
          closed: status.dataSets.acknowledged,
          resends: status.resends,
          rejects: status.rejects,
          primaryMiB: memoryOf(primary),
          secondaryMiB: memoryOf(secondary),
        });
        assert.is(workload.differenceIn(secondary.volumePath()), null, 'every reply of the primary is in the copy');
        assert.is(watch.violations.slice(0, 5).join('\n'), '', 'no acknowledged record is sent again');
        assert.ok(watch.acknowledgedCount > 1000 && watch.recordsSentAgain > 0, 'records were acknowledged, and some had to be sent again');
        assert.ok(proxy.counters.duplicated > 0 && proxy.counters.cut > 0 && proxy.counters.dropped > 0, 'the links were broken');
      });
    },
  );
});

test(`${RESTARTS} clean restarts of the primary, with the secondary killed before, during and after: no acknowledged record is sent again`, async () => {
  await withHosts(
    { volumes: [{ name: 'db1', sizeMiB: 16 }], links: 3, slots: 5, slotMiB: 2, dataSets: { maxSize: '1MiB' }, backlogLimit: '64MiB' },
    async (hosts) => {
      const { primary, secondary } = hosts;
      const watch = new ResendWatch();
      const faults = { delayMs: 3, jitterMs: 8, duplicateShare: 0.1 };
      await withProxy(hosts, { seed: SEED + 1, watch, faults }, async (proxy) => {
        await hosts.start();
        const workload = new StampedWorkload({ host: primary, seed: SEED + 1, depth: 3, flushEvery: 6, zeroShare: 0.05 });
        const chaos = new ChaosDriver(proxy, { everyMs: 150, lagMs: 250, holdMs: 300 });
        chaos.start();
        for (let restart = 0; restart < RESTARTS; restart += 1) {
          await workload.run(300 + proxy.random.next() * 700);
          // The stop finds a secondary that is there, that has just died, or that dies meanwhile.
          const dies = restart % 3;
          if (dies === 1) await secondary.kill();
          const stopped = primary.stop();
          if (dies === 2) {
            await sleep(proxy.random.next() * 50);
            await secondary.kill();
          }
          assert.is(await stopped, 0, primary.logTail());
          await primary.start();
          if (!secondary.isRunning) await secondary.start();
        }
        await workload.run(500);
        chaos.stop();
        proxy.calm();
        await hosts.drainedAndSame();
        watch.stop();
        print({ writes: workload.writes, proxy: proxy.counters, sent: watch.recordsSent, sentAgain: watch.recordsSentAgain });
        assert.is(workload.differenceIn(secondary.volumePath()), null, 'every reply of the primary is in the copy');
        assert.is(watch.violations.slice(0, 5).join('\n'), '', 'no acknowledged record is sent again');
      });
    },
  );
});

function print(facts: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}

test.run();
