/** What is made of the samples of layers and latency: the right figure stands in the row of issue 6. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { frontEndSection, type FrontEndSample } from '../../../bench/layers/front-end.ts';
import { coreSection } from '../../../bench/layers/core.ts';
import { recoverySection, type RecoverySample } from '../../../bench/layers/recovery.ts';
import { longLineSection } from '../../../bench/latency/long-line.ts';
import { mappedBytesIn } from '../../../bench/latency/load.ts';
import type { SustainedSample } from '../../../bench/latency/sustained.ts';
import { memoryOverBytes, sustainedSections } from '../../../bench/latency/sustained-section.ts';

const MB = 1e6;
const frontEnd = (given: Partial<FrontEndSample>): FrontEndSample => ({
  round: 0,
  server: 'farshore',
  operation: 'randwrite',
  depth: 32,
  operationsPerSecond: 1,
  cpuUs: 1,
  p50Us: 1,
  p99Us: 1,
  ...given,
});

test('the front end is judged by the lower of its two ratios, pair by pair', () => {
  const samples = [1, 2, 3].flatMap((round) => [
    frontEnd({ round, operationsPerSecond: 150 * round }),
    frontEnd({ round, server: 'nbdkit-memory', operationsPerSecond: 100 * round }),
    frontEnd({ round, operation: 'randread', operationsPerSecond: 80 * round }),
    frontEnd({ round, operation: 'randread', server: 'nbdkit-memory', operationsPerSecond: 100 * round }),
  ]);
  const { targets } = frontEndSection(samples);
  assert.equal(
    targets.map(({ id, spread }) => [id, spread.median, spread.count]),
    [['front-end-32/nbdkit-memory', 0.8, 3]],
  );
  assert.match(targets[0]?.note ?? '', /^randread; randwrite 1\.50/);
});

const recovery = (given: Partial<RecoverySample>): RecoverySample => ({
  round: 0,
  recordBytes: 4096,
  encodedBytes: 1e9,
  records: 1000,
  scanSeconds: 1,
  scanCpuSeconds: 1,
  durableSeconds: 0.25,
  recoverSeconds: 2,
  recoverCpuSeconds: 2,
  fioSeconds: 0.125,
  ...given,
});

test('recovery is judged by scan and replay of 4 KiB records', () => {
  const { targets, rows } = recoverySection([recovery({}), recovery({ recordBytes: 65_536, recoverSeconds: 0.5 })]);
  assert.equal(
    targets.map(({ id, spread }) => [id, spread.median]),
    [['recovery', 0.5]],
  );
  assert.equal(rows[1], ['64 KiB', '1000', '1.00', '0.250', '0.250', '0.125', '2.00', '1000', '2000']);
});

test('the core: microseconds per write are those of its own machine', () => {
  const figures = (seconds: number) => ({ steps: 10, events: 20, seconds });
  const { rows } = coreSection([
    { round: 0, batchWrites: 32, writes: 1000, taken: 1000, destaged: 1, primary: figures(0.5), secondary: figures(0.25) },
  ]);
  assert.equal(rows[2], ['32', 'primary', '20.0', '40.0', '2000', '500']);
  assert.equal(rows[3], ['32', 'secondary', '40.0', '80.0', '4000', '250']);
});

test('the long line is judged by the rate of the application, in pairs of one round', () => {
  const line = (round: number, roundTripMs: number, operationsPerSecond: number) => ({
    round,
    roundTripMs,
    operationsPerSecond,
    replicatedPerSecond: operationsPerSecond / 2,
    settleMs: 1,
  });
  const { targets } = longLineSection([line(0, 0, 100), line(0, 50, 90), line(1, 50, 45), line(1, 0, 50)], 6);
  assert.equal(targets, [
    { id: 'round-trip-50ms', spread: { median: 0.9, min: 0.9, max: 0.9, count: 2 }, note: 'until even 0.900 (0.900-0.900)' },
  ]);
});

const SMAPS = `7f0000000000-7f0000400000 rw-s 00000000 fe:00 1 /tmp/primary/volume
Size:               4096 kB
Rss:                1024 kB
Pss:                 512 kB
7f0000400000-7f0000800000 r--p 00000000 fe:00 2 /tmp/primary/volume2
Rss:                  64 kB
7f0000800000-7f0000900000 rw-s 00000000 fe:00 1 /tmp/primary/volume
Rss:                   4 kB
7f0000900000-7f0000a00000 rw-p 00000000 00:00 0
Rss:                 900 kB
`;

test('mapped pages are those of the volume and of nothing else', () => {
  assert.is(mappedBytesIn(SMAPS, '/tmp/primary/volume'), 1028 * 1024);
  assert.is(mappedBytesIn(SMAPS, '/tmp/secondary/volume'), 0);
});

const recent = (p99Seconds: number) => ({ count: 1, p50Seconds: 0.01, p99Seconds, p999Seconds: 0.2, maxSeconds: 0.3 });
const memory = (peakMb: number) => ({ peakBytes: peakMb * MB, mappedBytes: 100 * MB, anonymousBytes: MB });

function sustained(given: Partial<SustainedSample>): SustainedSample {
  const stall = { atMost: 20, sustained: 30, started: 5 };
  return {
    round: 0,
    maximumPerSecond: 10_000,
    ratePerSecond: 7000,
    completion: { p50Us: 100, p99Us: 200, p999Us: 300 },
    flush: null,
    recordAcknowledged: null,
    recoveryPoint: recent(0.25),
    recoveryPointFromCut: null,
    journalCommit: null,
    destage: null,
    stallMs: { primary: stall, secondary: { ...stall, atMost: 60 } },
    memory: { primary: memory(500), secondary: memory(700) },
    backlogLimitBytes: 256 * MB,
    journalBytes: 512 * MB,
    stopped: { completion: null, behindBytesMost: 1, throttledSeconds: 0, evenAfterMs: 900 },
    ...given,
  };
}

test('memory is counted over what each host may have, stalls by the worse of both loads', () => {
  const sample = sustained({});
  assert.is(memoryOverBytes(sample, 'primary'), (500 - 100 - 256) * MB);
  assert.is(memoryOverBytes(sample, 'secondary'), (700 - 100 - 512) * MB);
  const targets = sustainedSections([sample, sustained({ recoveryPoint: recent(0.35) })]).flatMap((section) => section.targets);
  assert.equal(
    targets.map(({ id, spread }) => [id, Math.round(spread.median * 100) / 100]),
    [
      ['recovery-point-p99', 0.3],
      ['memory-primary', 144],
      ['stall-primary', 30],
      ['memory-secondary', 88],
      ['stall-secondary', 60],
    ],
  );
});

test.run();
