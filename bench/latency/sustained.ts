/**
 * What the application and the copy see under load. In each round, on the same volumes: the most that goes (depth 32); then both hosts
 * start anew, and 70 % of it is written; then the same while the secondary is stopped for 5 s and catches up.
 */
import type { LayerPlan } from '../layers/layers.ts';
import type { RecentLatency, StatusReport } from '../../src/model/status.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import { FarshoreHosts } from '../support/farshore-hosts.ts';
import { runFio, type FioReport, type Latency } from '../support/fio.ts';
import { sleep, until } from '../support/waits.ts';
import { fillVolume, longestStallMs, randomWrites, readMemory, restart, type HostMemory } from './load.ts';

const DEPTH = 32;
const LOAD_SHARE = 0.7;
const WARM_UP_SECONDS = 1;
const SUSTAINED_SECONDS_MIN = 10;
const STOPPED_SECONDS = 5;
/** Before the secondary is stopped, and after it goes on. */
const BEFORE_SECONDS = 2;
const AFTER_SECONDS = 12;
const QUICK_AFTER_SECONDS = 3;
/** Even again: what is written is in the copy no later than usual at this load. */
const EVEN_SECONDS = 0.5;
const EVEN_LIMIT_MS = 60_000;
const CATCH_UP_POLL_MS = 20;
/** What must be flushed, as a database does: one flush in so many milliseconds, by a client of its own. */
const FLUSH_SECONDS = 2;

export interface SustainedSample {
  readonly round: number;
  readonly maximumPerSecond: number;
  readonly ratePerSecond: number;
  readonly completion: Latency | null;
  readonly flush: Latency | null;
  readonly recordAcknowledged: RecentLatency | null;
  readonly recoveryPoint: RecentLatency | null;
  readonly recoveryPointFromCut: RecentLatency | null;
  readonly journalCommit: RecentLatency | null;
  readonly destage: RecentLatency | null;
  /** At the most and at 70 %, in milliseconds; before the load: from the start of the host. */
  readonly stallMs: Readonly<Record<'primary' | 'secondary', { atMost: number; sustained: number; started: number }>>;
  readonly memory: Readonly<Record<'primary' | 'secondary', HostMemory>>;
  readonly backlogLimitBytes: number;
  readonly journalBytes: number;
  readonly stopped: StoppedSample;
}

export interface StoppedSample {
  readonly completion: Latency | null;
  readonly behindBytesMost: number;
  readonly throttledSeconds: number;
  /** From SIGCONT until the copy was no further behind than `EVEN_SECONDS`, while the load went on. */
  readonly evenAfterMs: number;
}

/** Slots and size of the journals that a host has unless its config says otherwise. */
const JOURNAL_SLOTS = 16;
const JOURNAL_SLOT_BYTES = 32 * 1024 * 1024;

/** Measure all rounds on one pair of hosts. @throws BenchError */
export async function measureSustained(scope: BenchScope, plan: LayerPlan): Promise<SustainedSample[]> {
  const hosts = new FarshoreHosts(scope, { sizeMiB: plan.sizeMiB });
  const samples: SustainedSample[] = [];
  try {
    await hosts.start();
    await fillVolume(scope, hosts, plan.sizeMiB);
    for (let round = 0; round < plan.rounds; round += 1) {
      const sample = await measureRound(scope, hosts, plan, round);
      samples.push(sample);
      const p99 = sample.recoveryPoint?.p99Seconds ?? Number.NaN;
      plan.say(
        `sustained, round ${round + 1}: most ${Math.round(sample.maximumPerSecond)}/s; at ${Math.round(sample.ratePerSecond)}/s recovery point p99 ${Math.round(p99 * 1000)} ms; stopped for 5 s: even after ${Math.round(sample.stopped.evenAfterMs)} ms`,
      );
    }
  } finally {
    await hosts.stop();
    scope.removeFolder(hosts.folder);
  }
  return samples;
}

async function measureRound(scope: BenchScope, hosts: FarshoreHosts, plan: LayerPlan, round: number): Promise<SustainedSample> {
  const load = async (seconds: number, more: readonly string[] = []): Promise<FioReport> =>
    runFio(scope, { uri: hosts.uri, options: [...randomWrites(plan.sizeMiB, DEPTH, round), ...more], seconds });
  await restart(hosts);
  // Node compiles what it runs often: the rate of the first second is not the most that goes.
  await load(WARM_UP_SECONDS);
  const most = await load(Math.max(plan.seconds, 2));
  await hosts.settle();
  const atMost = await stalls(hosts);
  const memory = { primary: readMemory(hosts, 'primary'), secondary: readMemory(hosts, 'secondary') };
  await restart(hosts);
  const started = await stalls(hosts);
  const rate = [`--rate_iops=${Math.floor(most.operationsPerSecond * LOAD_SHARE)}`];
  const sustained = await load(plan.quick ? Math.max(plan.seconds, 4) : Math.max(plan.seconds, SUSTAINED_SECONDS_MIN), rate);
  const [primary, secondary] = [await hosts.status('primary'), await hosts.status('secondary')];
  const after = await stalls(hosts);
  const flushed = await runFio(scope, {
    uri: hosts.uri,
    options: [...randomWrites(plan.sizeMiB, 1, round), '--fsync=1'],
    seconds: Math.min(plan.seconds, FLUSH_SECONDS),
  });
  await hosts.settle();
  const stopped = await whileStopped(hosts, () =>
    load(BEFORE_SECONDS + STOPPED_SECONDS + (plan.quick ? QUICK_AFTER_SECONDS : AFTER_SECONDS), rate),
  );
  await hosts.settle();
  const stallMs = (role: 'primary' | 'secondary') => ({ atMost: atMost[role], sustained: after[role], started: started[role] });
  return {
    round,
    maximumPerSecond: most.operationsPerSecond,
    ratePerSecond: sustained.operationsPerSecond,
    completion: sustained.completion,
    flush: flushed.sync,
    ...latenciesOf(primary, secondary),
    stallMs: { primary: stallMs('primary'), secondary: stallMs('secondary') },
    memory,
    backlogLimitBytes: primary.backlog?.limitBytes ?? 0,
    journalBytes: JOURNAL_SLOTS * JOURNAL_SLOT_BYTES,
    stopped,
  };
}

function latenciesOf(primary: StatusReport, secondary: StatusReport) {
  const recent = (report: { lastMinute: RecentLatency | null } | null): RecentLatency | null => report?.lastMinute ?? null;
  return {
    recordAcknowledged: recent(primary.latencies.recordAcknowledged),
    recoveryPoint: recent(primary.latencies.recoveryPoint),
    recoveryPointFromCut: recent(primary.latencies.recoveryPointFromCut),
    journalCommit: recent(secondary.latencies.journalCommit),
    destage: recent(secondary.latencies.destage),
  };
}

async function stalls(hosts: FarshoreHosts): Promise<Record<'primary' | 'secondary', number>> {
  return { primary: await longestStallMs(hosts, 'primary'), secondary: await longestStallMs(hosts, 'secondary') };
}

/** Stop the secondary's process while the load runs, let it go on, and see how long it takes until the copy is even. */
async function whileStopped(hosts: FarshoreHosts, load: () => Promise<FioReport>): Promise<StoppedSample> {
  const secondary = hosts.process('secondary').child;
  const throttledBefore = (await hosts.status('primary')).backlog?.throttledSeconds ?? 0;
  const loading = load();
  // It is awaited below; a failure before that must not end the process.
  loading.catch(() => undefined);
  let behindBytesMost = 0;
  let evenAfterMs = Number.NaN;
  try {
    await sleep(BEFORE_SECONDS * 1000);
    secondary.kill('SIGSTOP');
    await sleep(STOPPED_SECONDS * 1000);
    behindBytesMost = (await hosts.status('primary')).behind.bytes;
  } finally {
    secondary.kill('SIGCONT');
  }
  const continuedAt = performance.now();
  await until(
    'the copy to catch up',
    EVEN_LIMIT_MS,
    async () => {
      const { behind } = await hosts.status('primary');
      behindBytesMost = Math.max(behindBytesMost, behind.bytes);
      evenAfterMs = performance.now() - continuedAt;
      return behind.seconds < EVEN_SECONDS;
    },
    CATCH_UP_POLL_MS,
  );
  const { completion } = await loading;
  const throttledSeconds = ((await hosts.status('primary')).backlog?.throttledSeconds ?? 0) - throttledBefore;
  return { completion, behindBytesMost, throttledSeconds, evenAfterMs };
}
