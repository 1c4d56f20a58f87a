import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LATENCY_BOUNDS_SECONDS } from '../../src/model/latency-histogram.ts';
import {
  NO_LATENCIES,
  NO_POSITIONS,
  type LatencyReport,
  type NvramReport,
  type PeerReport,
  type StatusReport,
} from '../../src/model/status.ts';
import { renderMetrics } from '../../src/status/metrics.ts';
import { renderStatus } from '../../src/status/render.ts';

const SECONDARY: StatusReport = {
  role: 'secondary',
  group: 'demo',
  groupId: 'a'.repeat(32),
  generation: 3,
  generations: [],
  stream: 'b'.repeat(16),
  session: 'c'.repeat(16),
  state: 'replicating',
  reason: null,
  mode: 'write-through',
  volumes: [],
  dataSets: { ...NO_POSITIONS, received: '88414', durable: '88413', complete: '88412', destaged: '88409' },
  sequence: NO_POSITIONS,
  consistentAt: { dataSet: '88409', reason: 'flush', time: '2026-11-22T12:04:31.220Z' },
  behind: { dataSets: 3, bytes: 1.9 * 2 ** 20, seconds: 0.08, etaSeconds: 0.1 },
  objectiveSeconds: 5,
  journals: { slots: 16, active: 6, partial: 0, failed: 0 },
  links: [
    { address: 'ws://127.0.0.1:10810', up: true, error: null, sentBytes: 0, receivedBytes: 0 },
    { address: 'ws://127.0.0.1:10810', up: true, error: null, sentBytes: 0, receivedBytes: 0 },
  ],
  peer: null,
  nvram: null,
  rejects: 0,
  duplicates: 0,
  resends: 0,
  lastCut: null,
  backlog: null,
  nbd: null,
  latencies: NO_LATENCIES,
  eventLoop: null,
  statusPage: null,
  replication: null,
  divergedFrom: null,
  lastRefusal: null,
  pid: 1,
  uptimeSeconds: 60,
};
const PEER_UP: PeerReport = {
  address: '127.0.0.1:10820',
  up: true,
  regionId: '3f2a90c1'.repeat(4),
  hold: 'memory',
  heldRecords: 212,
  heldBytes: 1.4 * 2 ** 20,
  exposedRecords: 0,
  mayHoldMore: '3f2a90c1'.repeat(4),
  reason: null,
};
const PEER_DOWN: PeerReport = {
  ...PEER_UP,
  up: false,
  regionId: null,
  hold: null,
  heldRecords: 0,
  heldBytes: 0,
  reason: 'the peer is gone',
};
const NVRAM: NvramReport = {
  path: '/dev/shm/farshore-demo.nvram',
  sizeBytes: 256 * 2 ** 20,
  hold: 'memory',
  regionId: '3f2a90c1'.repeat(4),
  heldRecords: 212,
  heldBytes: 1.4 * 2 ** 20,
  freeBytes: 254 * 2 ** 20,
};
const PEER: StatusReport = {
  ...SECONDARY,
  role: 'peer',
  mode: 'write-back',
  dataSets: NO_POSITIONS,
  consistentAt: null,
  links: [{ address: 'ws://127.0.0.1:10820', up: true, error: null, sentBytes: 0, receivedBytes: 0 }],
  nvram: NVRAM,
};

test('write-through without a peer says nothing of one', () => {
  assert.is(
    renderStatus(SECONDARY, false),
    [
      'group demo  role secondary  generation 3  state replicating  mode write-through    recovery point 0.08 s of 5.0 s: MEETING',
      '  data      consistent at data set 88409 (flush, 12:04:31.220)',
      '  flow      received 88414  durable 88413  complete 88412  destaged 88409      links 2/2',
      '  behind    3 data sets  1.9 MiB  0.08 s  eta 0.10 s',
      '  journals  6/16 active  0 partial    rejected 0    failed 0',
      '',
    ].join('\n'),
  );
});

test('a primary names no mode', () => {
  const line = renderStatus({ ...SECONDARY, role: 'primary' }, false).split('\n')[0];
  assert.is(line, 'group demo  role primary  generation 3  state replicating    recovery point 0.08 s of 5.0 s: MEETING');
});

test('write-back: the peer stands in the first line, and has one of its own', () => {
  const lines = renderStatus({ ...SECONDARY, mode: 'write-back', peer: PEER_UP }, false).split('\n');
  assert.match(lines[0] ?? '', /mode write-back \(peer 127\.0\.0\.1:10820 up\)\s+recovery point 0\.08 s of 5\.0 s: MEETING$/);
  assert.is(lines[5], '  peer      region 3f2a90c1 (memory)    holds 212 records, 1.4 MiB    exposed 0');
});

test('a peer that is gone: what is exposed, why, and that a restart waits', () => {
  const lines = renderStatus({ ...SECONDARY, peer: { ...PEER_DOWN, exposedRecords: 12 } }, false).split('\n');
  assert.match(lines[0] ?? '', /mode write-through \(peer 127\.0\.0\.1:10820 down\)/);
  assert.is(
    lines[5],
    '  peer      not used: the peer is gone    exposed 12 records until journaled    a restart waits for region 3f2a90c1',
  );
  const waiting = renderStatus({ ...SECONDARY, state: 'waiting-for-peer', peer: PEER_DOWN }, false);
  assert.match(waiting, /exposed 0\n/, 'it waits now: another line says so');
  const unmarked = renderStatus({ ...SECONDARY, peer: { ...PEER_DOWN, mayHoldMore: null } }, false);
  assert.match(unmarked, /not used: the peer is gone {4}exposed 0\n/);
  assert.match(renderStatus({ ...SECONDARY, peer: { ...PEER_DOWN, exposedRecords: 12 } }, true), /\[31mexposed 12 records until journaled/);
});

test('a peer shows its region and its links, and no copy', () => {
  assert.is(
    renderStatus(PEER, false),
    [
      'group demo  role peer  generation 3  state replicating  mode write-back',
      '  nvram     /dev/shm/farshore-demo.nvram  256 MiB, hold memory, region 3f2a90c1',
      '            holds 212 records, 1.4 MiB    free 254 MiB',
      '  links     1/1  ws://127.0.0.1:10820',
      '',
    ].join('\n'),
  );
  assert.match(
    renderStatus({ ...PEER, state: 'disconnected', reason: 'connect ECONNREFUSED' }, false),
    /\n {2}because {3}connect ECONNREFUSED\n/,
  );
});

/** Names and values of the figures of one report. */
async function figures(report: StatusReport): Promise<ReadonlyMap<string, number>> {
  const text = await renderMetrics(report);
  return new Map(
    text
      .split('\n')
      .filter((line) => line.startsWith('farshore_'))
      .map((line) => [line.replace(/\{.*/, ''), Number(line.split(' ').at(-1))] as const),
  );
}

test('metrics of a secondary with a peer, of one without, and of a peer', async () => {
  const withPeer = await figures({ ...SECONDARY, peer: { ...PEER_UP, exposedRecords: 3 } });
  assert.is(withPeer.get('farshore_peer_up'), 1);
  assert.is(withPeer.get('farshore_peer_held_records'), 212);
  assert.is(withPeer.get('farshore_peer_held_bytes'), PEER_UP.heldBytes);
  assert.is(withPeer.get('farshore_exposed_records'), 3);
  assert.is((await figures({ ...SECONDARY, peer: PEER_DOWN })).get('farshore_peer_up'), 0);
  const without = await figures(SECONDARY);
  assert.not(without.has('farshore_peer_up') || without.has('farshore_exposed_records') || without.has('farshore_nvram_held_bytes'));
  const peer = await figures(PEER);
  assert.is(peer.get('farshore_nvram_size_bytes'), NVRAM.sizeBytes);
  assert.is(peer.get('farshore_nvram_held_bytes'), NVRAM.heldBytes);
  assert.is(peer.get('farshore_nvram_held_records'), 212);
  assert.is(peer.get('farshore_nvram_free_bytes'), NVRAM.freeBytes);
  assert.not(peer.has('farshore_peer_up'));
});

const COMMITS: LatencyReport = {
  count: 1000,
  sumSeconds: 1.25,
  maxSeconds: 3.5,
  lastMinute: { count: 10, p50Seconds: 0.00031, p99Seconds: 0.0042, p999Seconds: 0.087, maxSeconds: 1.5 },
  buckets: LATENCY_BOUNDS_SECONDS.map((_, index) => index * 50),
};

test('latencies and stalls stand at the end, and only what was measured in the last minute', () => {
  const latencies = { ...NO_LATENCIES, journalCommit: COMMITS, destage: { ...COMMITS, lastMinute: null } };
  const eventLoop = {
    longestStallSeconds: 0.12,
    longestStallLastMinuteSeconds: 0.0061,
    waitedForProcessorSeconds: 9,
    waitedForProcessorLastMinuteSeconds: 2.5,
  };
  assert.equal(
    renderStatus({ ...SECONDARY, latencies, eventLoop }, false)
      .split('\n')
      .slice(5),
    [
      '  latency   journal commit           p50 0.31 ms  p99 4.2 ms  p99.9 87 ms  max 1.5 s',
      '  loop      longest stall 6.1 ms in the last minute, 120 ms since the start    waited for a processor 2.5 s',
      '',
    ],
  );
});

test('metrics: a histogram as Prometheus reads it, and the stalls', async () => {
  const unknown = { waitedForProcessorSeconds: null, waitedForProcessorLastMinuteSeconds: null };
  const eventLoop = { longestStallSeconds: 0.12, longestStallLastMinuteSeconds: 0.0061, ...unknown };
  const text = await renderMetrics({ ...SECONDARY, latencies: { ...NO_LATENCIES, journalCommit: COMMITS }, eventLoop });
  const lines = text.split('\n').filter((line) => line.includes('farshore_journal_commit_seconds'));
  assert.is(lines[1], '# TYPE farshore_journal_commit_seconds histogram');
  const labels = 'group="demo",role="secondary"';
  const valueOf = (name: string, extra = ''): string | undefined =>
    lines
      .find((line) => line.startsWith(`farshore_journal_commit_seconds_${name}{${extra}${labels}} `))
      ?.split(' ')
      .at(-1);
  assert.is(valueOf('bucket', 'le="0.000064",'), '0');
  assert.is(valueOf('bucket', 'le="33.554432",'), '950');
  assert.is(valueOf('bucket', 'le="+Inf",'), '1000');
  assert.equal([valueOf('sum'), valueOf('count')], ['1.25', '1000']);
  assert.is(lines.length, 2 + LATENCY_BOUNDS_SECONDS.length + 3);
  assert.not.match(text, /farshore_destage_seconds/);
  assert.not.match(text, /processor_wait/);
  const known = await figures({ ...SECONDARY, eventLoop: { ...eventLoop, waitedForProcessorSeconds: 9 } });
  assert.is(known.get('farshore_event_loop_processor_wait_seconds_total'), 9);
  const stalls = text.split('\n').filter((line) => line.startsWith('farshore_event_loop_stall'));
  assert.equal(stalls, [
    `farshore_event_loop_stall_seconds_max{${labels}} 0.12`,
    `farshore_event_loop_stall_seconds_max_1m{${labels}} 0.0061`,
  ]);
});

test.run();
