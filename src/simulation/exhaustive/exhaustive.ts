/** Explore all chosen small worlds on several threads, or one world with its trace, and add up what was judged. */
import { Worker } from 'node:worker_threads';
import { noCounters, type Counters } from './counters.ts';
import type { ExplorationOrder, GroupReport, WorldFailure } from './laboratory.ts';
import { chooseGroups, worldOf } from './worlds.ts';

export interface ExhaustiveOptions {
  readonly threads: number;
  /** How many of the plans of where commands go each history is tried with. */
  readonly plans: number;
  /** Stop after so many violations. */
  readonly failuresMax: number;
  /** Explore only every so-many-th group of histories; 1 for all. */
  readonly oneGroupOf?: number;
  readonly onProgress: (progress: ExhaustiveProgress) => void;
}

export interface ExhaustiveProgress {
  readonly done: number;
  readonly total: number;
  readonly statesJudged: number;
  readonly statesPerSecond: number;
  readonly violations: number;
}

export interface ExhaustiveSummary extends Counters {
  readonly seconds: number;
  readonly statesPerSecond: number;
  readonly violations: readonly (WorldFailure & {
    /** Shows this world again. */
    readonly command: string;
  })[];
}

export async function exploreWorlds(options: ExhaustiveOptions): Promise<ExhaustiveSummary> {
  const startedAt = performance.now();
  const every = options.oneGroupOf ?? 1;
  // Large groups first, so that the threads end together.
  const groups = chooseGroups(options.plans)
    .filter((_, index) => index % every === every - 1)
    .toReversed();
  const reports: GroupReport[] = [];
  let next = 0;
  let failures = 0;
  const order = (): ExplorationOrder | null => {
    const group = failures >= options.failuresMax ? undefined : groups[next++];
    return group === undefined ? null : { explored: group, traced: false, untilFailure: false };
  };
  const answered = (report: GroupReport): void => {
    reports.push(report);
    failures += report.failures.length;
    const { statesJudged, statesPerSecond } = summaryOf(reports, startedAt);
    options.onProgress({ done: reports.length, total: groups.length, statesJudged, statesPerSecond, violations: failures });
  };
  const threads = Math.max(1, Math.min(options.threads, groups.length));
  await Promise.all(Array.from({ length: threads }, () => runThread(order, answered)));
  return summaryOf(reports, startedAt);
}

/** Explore one world alone, and hand over what its lives did: all of its own, or those that led to a violation. @throws UsageError ERR_WORLD_NUMBER */
export async function traceWorld(world: number): Promise<{ summary: ExhaustiveSummary; lines: readonly string[] }> {
  const startedAt = performance.now();
  worldOf(world);
  let order: ExplorationOrder | null = { explored: { worlds: [world] }, traced: true, untilFailure: true };
  const reports: GroupReport[] = [];
  await runThread(
    () => {
      const given = order;
      order = null;
      return given;
    },
    (report) => void reports.push(report),
  );
  return { summary: summaryOf(reports, startedAt), lines: reports.flatMap(({ lines, failures }) => failures[0]?.lines ?? lines) };
}

function summaryOf(reports: readonly GroupReport[], startedAt: number): ExhaustiveSummary {
  const counters = noCounters();
  for (const report of reports) for (const name of Object.keys(counters) as (keyof Counters)[]) counters[name] += report.counters[name];
  const seconds = (performance.now() - startedAt) / 1000;
  const violations = reports
    .flatMap(({ failures }) => failures)
    .map((failure) => ({
      ...failure,
      command: `farshore simulate --exhaustive --world ${failure.world} --trace world-${failure.world}.txt`,
    }))
    .toSorted((a, b) => a.world - b.world);
  return { ...counters, seconds, statesPerSecond: counters.statesJudged / Math.max(seconds, 0.001), violations };
}

function runThread(order: () => ExplorationOrder | null, answered: (report: GroupReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./thread.js', import.meta.url));
    const goOn = (): void => {
      const next = order();
      if (next === null) void worker.terminate().then(() => resolve(), reject);
      else worker.postMessage(next);
    };
    worker.on('error', reject);
    worker.on('message', (report: GroupReport) => {
      answered(report);
      goOn();
    });
    goOn();
  });
}
