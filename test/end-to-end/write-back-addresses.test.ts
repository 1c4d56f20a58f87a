/**
 * A peer with two ways to its secondary (Figure 1): one is cut under load, and write-back goes on over the other within a second; no
 * acknowledgement waits longer than that.
 *
 * @timeLimit 120 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AcknowledgeWatch } from '../support/acknowledge-watch.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { harassed } from '../support/harassed-host.ts';
import { sleep } from '../support/host-process.ts';
import { withProxy } from '../support/link-chaos.ts';
import { LinkProxy } from '../support/link-proxy.ts';
import { withPeeredHosts } from '../support/peered-hosts.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

/** As long as a peer may take to answer before it is given up. */
const ALLOWED_MS = LIMITS.peerAnswerMs;

test('the way in use is cut, clogged and cut again: write-back goes on over the other one within a second', async () => {
  await withPeeredHosts({ links: 1, slots: 8, slotMiB: 2, regionMiB: 16 }, async (hosts) => {
    const { primary, secondary, peer, peerPort } = hosts;
    const ways = [
      await LinkProxy.open({ target: `ws://127.0.0.1:${peerPort}` }),
      await LinkProxy.open({ target: `ws://127.0.0.1:${peerPort}` }),
    ];
    const watch = new AcknowledgeWatch();
    try {
      await withProxy(hosts, { watch }, async () => {
        peer.config.connect = ways.map(({ url }) => url);
        await hosts.start({ program: harassed({ commitDelayMs: 5 }) });
        await peer.untilStatus('has both ways', ({ links }) => links.filter(({ up }) => up).length === 2);
        const workload = new StampedWorkload({ host: primary, connections: 1, depth: 4, blocksMax: 2, flushEvery: 20 });
        await workload.start();
        await sleep(300);
        const took: number[] = [];
        for (const fault of ['cut', 'clog', 'cut'] as const) {
          const before = ways.map(({ counters }) => counters.records);
          await sleep(200);
          const used = ways.findIndex(({ counters }, index) => counters.records > (before[index] ?? 0));
          assert.ok(used !== -1, 'records travel to the peer');
          const [way, other] = [ways[used] as LinkProxy, ways[1 - used] as LinkProxy];
          const otherBefore = other.counters.records;
          watch.latenciesMs = [];
          const started = performance.now();
          if (fault === 'clog') for (const link of way.links) way.hold(link, 30_000);
          else {
            way.reachable = false;
            way.cutAll();
          }
          while (other.counters.records === otherBefore && performance.now() - started < 10_000) await sleep(5);
          took.push(Math.round(performance.now() - started));
          await hosts.writeBack(5000);
          await sleep(300);
          const worstMs = Math.max(...watch.latenciesMs);
          assert.ok(worstMs < ALLOWED_MS, `an acknowledgement took ${worstMs.toFixed(0)} ms after a ${fault}`);
          way.reachable = true;
          if (fault === 'clog') way.cutAll();
          await peer.untilStatus('has both ways again', ({ links }) => links.filter(({ up }) => up).length === 2);
        }
        await workload.stop();
        process.stdout.write(`on the other way after ${took.join(', ')} ms; ${workload.writes} writes\n`);
        // A clogged way is given up after LIMITS.peerAnswerMs; the journals go on meanwhile.
        assert.ok((took[0] ?? Infinity) < ALLOWED_MS && (took[2] ?? Infinity) < ALLOWED_MS, took.join());
        assert.ok((took[1] ?? Infinity) < ALLOWED_MS + 1000, took.join());
        await hosts.drainedAndSame();
        assert.is(workload.differenceIn(secondary.volumePath()), null);
      });
    } finally {
      for (const way of ways) await way.close();
    }
  });
});

test.run();
