/** 4 KiB writes over a link of 50 ms round trip against the same without delay: the same hosts and the same proxy, in turn. */
import { join } from 'node:path';
import { shownSpread } from '../report/numbers.ts';
import { startAlone } from '../layers/alone.ts';
import type { LayerPlan } from '../layers/layers.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import { FarshoreHosts } from '../support/farshore-hosts.ts';
import { runFio } from '../support/fio.ts';
import type { Section } from '../support/results.ts';
import { pairRatios, rotated, spreadOf } from '../support/statistics.ts';
import { sleep } from '../support/waits.ts';
import type { DelayProxyTask } from './delay-proxy.ts';
import { fillVolume, randomWrites } from './load.ts';

const ONE_WAY_MS = 25;
const SWITCH_MS = 300;
/** Long enough that the backlog of the primary cannot hide a slow line. */
const SECONDS_MIN = 6;
const QUICK_SECONDS_MIN = 3;

export interface LongLineSample {
  readonly round: number;
  readonly roundTripMs: number;
  readonly operationsPerSecond: number;
  /** The same from the first write until the copy was even. */
  readonly replicatedPerSecond: number;
  readonly settleMs: number;
}

/** Measure. @throws BenchError */
export async function measureLongLine(scope: BenchScope, plan: LayerPlan): Promise<Section> {
  const folder = scope.newFolder('line');
  const listen = join(folder, 'proxy.sock');
  const hosts = new FarshoreHosts(scope, { sizeMiB: plan.sizeMiB, dial: `ws+unix:${listen}` });
  const task: DelayProxyTask = { listen, target: hosts.linkSocket, delayMs: ONE_WAY_MS };
  const [proxy] = await startAlone(scope, '../latency/delay-proxy', task);
  const seconds = Math.max(plan.seconds, plan.quick ? QUICK_SECONDS_MIN : SECONDS_MIN);
  const samples: LongLineSample[] = [];
  let isDelayed = false;
  try {
    await hosts.start();
    await fillVolume(scope, hosts, plan.sizeMiB);
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const wanted of rotated([false, true], round)) {
        if (wanted !== isDelayed) proxy.child.kill('SIGUSR2');
        isDelayed = wanted;
        await sleep(SWITCH_MS);
        const { operations, operationsPerSecond, runSeconds } = await runFio(scope, {
          uri: hosts.uri,
          options: randomWrites(plan.sizeMiB, 32, round),
          seconds,
        });
        const answeredAt = performance.now();
        const settleMs = (await hosts.settle()) - answeredAt;
        const replicatedPerSecond = operations / (runSeconds + settleMs / 1000);
        samples.push({ round, roundTripMs: wanted ? 2 * ONE_WAY_MS : 0, operationsPerSecond, replicatedPerSecond, settleMs });
        plan.say(
          `long line, round ${round + 1}: ${wanted ? 50 : 0} ms: ${Math.round(operationsPerSecond)}/s, even after ${Math.round(settleMs)} ms`,
        );
      }
    }
  } finally {
    await hosts.stop();
    await proxy.stop();
    scope.removeFolder(hosts.folder);
  }
  return longLineSection(samples, seconds);
}

/** Make the section of the samples. Pure. */
export function longLineSection(samples: readonly LongLineSample[], seconds: number): Section {
  const at = (roundTripMs: number): LongLineSample[] => samples.filter((one) => one.roundTripMs === roundTripMs);
  const ratio = (of: (sample: LongLineSample) => number) => {
    const values = (roundTripMs: number) => at(roundTripMs).map((one) => ({ round: one.round, value: of(one) }));
    return pairRatios(values(2 * ONE_WAY_MS), values(0));
  };
  const rows = [0, 2 * ONE_WAY_MS].map((roundTripMs) => {
    const figure = (of: (sample: LongLineSample) => number): string => shownSpread(spreadOf(at(roundTripMs).map(of)));
    return [
      `${roundTripMs} ms`,
      figure((one) => one.operationsPerSecond),
      figure((one) => one.replicatedPerSecond),
      figure((one) => one.settleMs),
    ];
  });
  const written = ratio((one) => one.operationsPerSecond);
  const replicated = ratio((one) => one.replicatedPerSecond);
  rows.push(['ratio', shownSpread(written), shownSpread(replicated), '']);
  const targets =
    written === null ? [] : [{ id: 'round-trip-50ms' as const, spread: written, note: `until even ${shownSpread(replicated)}` }];
  return {
    title: 'A link of 50 ms round trip',
    notes: [
      `4k random writes at depth 32 for ${seconds} s through a proxy process that delays 25 ms each way, and the same through the same proxy without delay. It shares the processors with the hosts.`,
    ],
    columns: ['round trip', 'writes/s of the application', 'writes/s until the copy was even', 'even after, ms'],
    rows,
    samples,
    targets,
  };
}
