/** The part `latency`: what is waited for under load, over a long line, and with a secondary that was stopped. */
import type { LayerPlan } from '../layers/layers.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Section } from '../support/results.ts';
import { measureLongLine } from './long-line.ts';
import { measureSustained } from './sustained.ts';
import { sustainedSections } from './sustained-section.ts';

/** Run the part; each section is handed over when it is there. @throws BenchError */
export async function runLatency(scope: BenchScope, plan: LayerPlan, found: (section: Section) => void): Promise<void> {
  // `--quick`: each once.
  const rounds = plan.quick ? 1 : plan.rounds;
  for (const section of sustainedSections(await measureSustained(scope, { ...plan, rounds }))) found(section);
  found(await measureLongLine(scope, { ...plan, rounds }));
}
