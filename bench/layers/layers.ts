/** The part `layers`: each of our layers alone, in turn with what it is compared with. */
import type { BenchScope } from '../support/bench-scope.ts';
import type { Section } from '../support/results.ts';
import { missingTools, type ToolVersions } from '../support/tools.ts';
import { measureFrontEnd } from './front-end.ts';
import { measureCore } from './core.ts';
import { measureDestage } from './destage.ts';
import { measureJournalCommit } from './journal-commit.ts';
import { measureLink } from './link.ts';
import { measureRecovery } from './recovery.ts';

const QUICK_SECONDS = 0.5;

export interface LayerPlan {
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly sizeMiB: number;
  readonly say: (line: string) => void;
}

/** What a layer is measured with. */
export interface LayerHooks {
  readonly tools: ToolVersions;
  found(section: Section): void;
  skipped(name: string, why: string): void;
}

type MeasureLayer = (scope: BenchScope, plan: LayerPlan) => Promise<Section>;

/** Run the part; each section is handed over when it is there. @throws BenchError */
export async function runLayers(scope: BenchScope, plan: LayerPlan, { tools, found, skipped }: LayerHooks): Promise<void> {
  const missing = missingTools(tools, ['nbdkit']);
  if (missing.length > 0) skipped('NBD front end alone', `needs ${missing.join(', ')}`);
  const layers: readonly (readonly [string, MeasureLayer])[] = [
    ...(missing.length > 0 ? [] : [['NBD front end', measureFrontEnd] as const]),
    ['protocol core', measureCore],
    ['link', measureLink],
    ['journal commit', measureJournalCommit],
    ['destage', measureDestage],
    ['recovery', measureRecovery],
  ];
  for (const [name, measure] of layers) {
    plan.say(`layer: ${name}`);
    found(await measure(scope, plan.quick ? shortened(plan, measure) : plan));
  }
}

/** `--quick`: a look at each layer; only the front end, which has a row of issue 6 for a ratio, keeps its rounds. */
function shortened(plan: LayerPlan, measure: MeasureLayer): LayerPlan {
  const seconds = Math.min(plan.seconds, QUICK_SECONDS);
  return { ...plan, seconds, rounds: measure === measureFrontEnd ? plan.rounds : 1 };
}
