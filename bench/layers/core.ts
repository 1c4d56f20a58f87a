/** The machines of both hosts alone: steps, events and writes per second. */
import { shownSpread } from '../report/numbers.ts';
import { BenchError } from '../support/bench-error.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Section } from '../support/results.ts';
import { rotated, spreadOf } from '../support/statistics.ts';
import { runAlone } from './alone.ts';
import type { CoreAnswer, CoreTask } from './core-run.ts';
import type { LayerPlan } from './layers.ts';

const BATCHES = [1, 32, 128] as const;
const TAKEN_SHARE_MIN = 0.98;
const MACHINES = ['primary', 'secondary'] as const;

export interface CoreSample extends CoreAnswer {
  readonly round: number;
  readonly batchWrites: number;
}

/** Measure. @throws BenchError */
export async function measureCore(scope: BenchScope, plan: LayerPlan): Promise<Section> {
  const samples: CoreSample[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const batchWrites of rotated(BATCHES, round)) {
      const task: CoreTask = { batchWrites, seconds: plan.seconds };
      const found = await runAlone<CoreAnswer>(scope, 'core-run', task);
      const { writes, taken, destaged } = found;
      // What the primary numbers in the end is still open; all the rest must have come through.
      if (destaged === 0 || taken < writes * TAKEN_SHARE_MIN) {
        throw new BenchError(`of ${writes} writes the secondary took ${taken}, in ${destaged} data sets that it destaged`);
      }
      samples.push({ round, batchWrites, ...found });
    }
  }
  return coreSection(samples);
}

/** Make the section of the samples. Pure. */
export function coreSection(samples: readonly CoreSample[]): Section {
  const rows = BATCHES.flatMap((batchWrites) =>
    MACHINES.map((machine) => {
      const found = samples.filter((one) => one.batchWrites === batchWrites);
      const figure = (of: (sample: CoreSample) => number): string => shownSpread(spreadOf(found.map(of)));
      return [
        String(batchWrites),
        machine,
        figure((one) => one[machine].steps / one[machine].seconds),
        figure((one) => one[machine].events / one[machine].seconds),
        figure((one) => one.writes / one[machine].seconds),
        figure((one) => (one[machine].seconds / one.writes) * 1e6),
      ];
    }),
  );
  return {
    title: 'Protocol core alone',
    notes: [
      'The machine of a primary and that of a secondary in one process, with nothing around them: 4 KiB writes arrive so many in a turn, and every disk and link answers at once. Per second spent inside `step` of that machine; two looks at the clock per step are in it.',
    ],
    columns: ['writes in a turn', 'machine', 'steps/s', 'events/s', 'writes/s', 'us per write'],
    rows,
    samples,
    targets: [],
  };
}
