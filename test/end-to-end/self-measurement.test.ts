/** What real hosts measure of themselves: latencies and the event loop's longest stall, in status and metrics. */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { LatencyReport } from '../../src/model/status.ts';
import type { Host } from '../support/host-process.ts';
import { withHosts } from '../support/hosts.ts';
import { needsTools } from '../support/tools.ts';
import { fio } from '../support/workload.ts';

const STOPPED_MS = 500;

function metricsOf(host: Host): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath: host.controlSocket, path: '/metrics' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

/** Buckets of one histogram, from the least bound to the greatest. */
function bucketsOf(metrics: string, name: string): number[] {
  return [...metrics.matchAll(new RegExp(`^${name}_bucket\\{.*\\} (\\d+)$`, 'gm'))].map((match) => Number(match[1]));
}

function assertSound(what: string, latency: LatencyReport | null): LatencyReport {
  assert.ok(latency !== null && latency.lastMinute !== null, `${what} was measured`);
  const { p50Seconds, p99Seconds, p999Seconds, maxSeconds } = latency.lastMinute ?? assert.unreachable();
  const rising = 0 < p50Seconds && p50Seconds <= p99Seconds && p99Seconds <= p999Seconds && p999Seconds <= maxSeconds;
  assert.ok(rising && maxSeconds <= latency.maxSeconds && maxSeconds < 30, `${what}: ${JSON.stringify(latency)}`);
  return latency;
}

needsTools(test, 'fio')('a secondary that stands still is seen by both: as a stall there, as latency at the primary', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const { primary, secondary } = hosts;
    const before = await secondary.status();
    assert.ok((before.eventLoop?.longestStallSeconds ?? 1) < STOPPED_MS / 1000, JSON.stringify(before.eventLoop));
    const work = fio(primary, { rw: 'randwrite', blockSize: '4k', depth: 8, size: '16M', seconds: 2 });
    await primary.untilStatus('was written to', ({ latencies }) => latencies.recordAcknowledged !== null);
    secondary.signal('SIGSTOP');
    await sleep(STOPPED_MS);
    secondary.signal('SIGCONT');
    await work;
    await hosts.drainedAndSame();

    const near = await primary.status();
    const acknowledged = assertSound('record acknowledged', near.latencies.recordAcknowledged);
    const oldest = assertSound('recovery point', near.latencies.recoveryPoint);
    const fromCut = assertSound('recovery point from cut', near.latencies.recoveryPointFromCut);
    assert.ok(acknowledged.maxSeconds >= (STOPPED_MS / 1000) * 0.9, 'records waited while nobody acknowledged them');
    assert.ok(oldest.maxSeconds >= fromCut.maxSeconds && fromCut.sumSeconds <= oldest.sumSeconds, 'the oldest write is older than the cut');
    assert.equal([near.latencies.journalCommit, near.latencies.destage], [null, null]);
    const given = Number(near.sequence.acknowledged) + 1;
    assert.ok(acknowledged.count > given * 0.8 && acknowledged.count <= given, `${acknowledged.count} of ${given} records`);
    assert.ok(oldest.count > given * 0.8 && oldest.count <= given, `${oldest.count} of ${given} records`);

    const far = await secondary.status();
    assertSound('journal commit', far.latencies.journalCommit);
    assert.is(assertSound('destage', far.latencies.destage).count, Number(far.dataSets.destaged) + 1);
    assert.ok((far.eventLoop?.longestStallLastMinuteSeconds ?? 0) >= STOPPED_MS / 1000, JSON.stringify(far.eventLoop));
    assert.equal([far.latencies.recordAcknowledged, far.latencies.recoveryPoint], [null, null]);

    const buckets = bucketsOf(await metricsOf(primary), 'farshore_recovery_point_seconds');
    assert.is(buckets.at(-1), oldest.count);
    assert.equal(
      buckets.toSorted((a, b) => a - b),
      buckets,
      'cumulative',
    );
    assert.is(bucketsOf(await metricsOf(secondary), 'farshore_destage_seconds').at(-1), far.latencies.destage?.count);
    assert.match(
      await metricsOf(secondary),
      /^farshore_event_loop_stall_seconds_max_1m\{.*\} 0\.[5-9]|^farshore_event_loop_stall_seconds_max_1m\{.*\} [1-9]/m,
    );
  });
});

test.run();
