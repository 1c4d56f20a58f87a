/**
 * Every write is flushed, over a link with a round trip of 50 ms: data sets grow instead of becoming numerous (Fig. 12: one or more
 * transactions in each), the application is not slowed down by the link's delay, and the copy does not fall behind without end.
 * Ten seconds; FARSHORE_LONG=1 makes it sixty. Rates are compared within one run only.
 *
 * @timeLimit 300 s
 * @invariant I6 I11
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StatusReport } from '../../src/model/status.ts';
import { sleep } from '../support/host-process.ts';
import { withHosts, type Hosts } from '../support/hosts.ts';
import { withProxy } from '../support/link-chaos.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

const SECONDS = process.env['FARSHORE_LONG'] === '1' ? 60 : 10;
const SLOTS = 4;
const ONE_WAY_MS = 25;

interface Storm {
  readonly flushesPerSecond: number;
  readonly seconds: number;
  readonly dataSets: number;
  readonly flushes: number;
  readonly recordsPerDataSet: number;
  readonly behindSecondsMax: number;
  readonly behindDataSetsMax: number;
}

for (const how of ['FLUSH', 'FUA'] as const) {
  test(`every write with ${how}, 50 ms away: data sets grow, the application goes on`, async () => {
    await withHosts(
      { slots: SLOTS, slotMiB: 4, links: 2, dataSets: { minAge: '1ms', maxSize: '3MiB' }, backlogLimit: '64MiB' },
      async (hosts) => {
        await withProxy(hosts, {}, async (proxy) => {
          await hosts.start();
          const options = {
            host: hosts.primary,
            connections: 4,
            depth: 1,
            blocksMax: 1,
            ...(how === 'FUA' ? { fuaShare: 1 } : { flushEvery: 1 }),
          };
          const near = await storm(hosts, new StampedWorkload(options), { seconds: Math.max(3, SECONDS / 4) });
          await hosts.drained();
          proxy.faults.delayMs = ONE_WAY_MS;
          await sleep(200);
          const workload = new StampedWorkload({ ...options, seed: 2 });
          const far = await storm(hosts, workload, { seconds: how === 'FUA' ? SECONDS / 2 : SECONDS });
          proxy.calm();
          await hosts.drainedAndSame();
          process.stdout.write(`${how}: without delay ${JSON.stringify(near)}\n${how}: 50 ms away   ${JSON.stringify(far)}\n`);
          process.stdout.write(`${how}: ratio of the application's rates ${(far.flushesPerSecond / near.flushesPerSecond).toFixed(2)}\n`);
          assert.ok(far.flushesPerSecond > near.flushesPerSecond * 0.6, 'the application is not much slower over the delayed link');
          assert.ok(far.dataSets * 5 < far.flushes, 'far fewer data sets than flushes');
          assert.ok(far.recordsPerDataSet > near.recordsPerDataSet, 'data sets grow when the window is full');
          assert.ok(
            far.dataSets <= (far.seconds * 1000 * SLOTS) / (2 * ONE_WAY_MS) + SLOTS,
            'a slot is free again after a round trip at the earliest',
          );
          // One data set is open, and as many as there are slots are on their way.
          assert.ok(far.behindDataSetsMax <= SLOTS + 1, 'no more data sets on their way than there are slots');
          assert.ok(far.behindSecondsMax < 1.5, 'behind stays bounded');
        });
      },
    );
  });
}

/** Write for so long, and look at the status all the while. */
async function storm(hosts: Hosts, workload: StampedWorkload, { seconds }: { seconds: number }): Promise<Storm> {
  const before = await hosts.primary.status();
  const began = performance.now();
  await workload.start();
  const seen: StatusReport[] = [];
  while (performance.now() - began < seconds * 1000) {
    await sleep(100);
    seen.push(await hosts.primary.status());
  }
  await workload.stop();
  const lasted = (performance.now() - began) / 1000;
  const after = await hosts.primary.status();
  const dataSets = Number(after.lastCut?.dataSet ?? -1) - Number(before.lastCut?.dataSet ?? -1);
  return {
    flushesPerSecond: Math.round(workload.writes / lasted),
    seconds: lasted,
    dataSets,
    flushes: workload.writes,
    recordsPerDataSet: Math.round(workload.writes / dataSets),
    behindSecondsMax: Math.max(...seen.map(({ behind }) => behind.seconds)),
    behindDataSetsMax: Math.max(...seen.map(({ behind }) => behind.dataSets)),
  };
}

test.run();
