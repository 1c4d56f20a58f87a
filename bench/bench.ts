/** The whole bench: its parts one after another, and what they found in one result. */
import { COPY_WAYS, runCopies } from './bulk-copy.ts';
import type { BenchPlan } from './options.ts';
import { ratiosOf, targetsOf } from './report/summary.ts';
import { runSideBySide, type BeforeCompare } from './side-by-side.ts';
import type { BenchScope } from './support/bench-scope.ts';
import { describeMachine } from './support/machine.ts';
import type { BenchResults, Comparison, CopySample, Sample, Section, Skipped } from './support/results.ts';
import { missingTools } from './support/tools.ts';

/** Run the parts of the plan. @throws BenchError */
export async function runBench(
  scope: BenchScope,
  plan: BenchPlan,
  hooks: { readonly say: (line: string) => void; readonly beforeCompare?: BeforeCompare },
): Promise<BenchResults> {
  const machine = describeMachine(scope.folder);
  const { quick, rounds, seconds, sizeMiB } = plan;
  const samples: Sample[] = [];
  const comparisons: Comparison[] = [];
  const copies: CopySample[] = [];
  const sections: Section[] = [];
  const skipped: Skipped[] = [...plan.skipped];
  if (plan.parts.includes('side-by-side')) {
    const found = await runSideBySide(scope, plan, hooks);
    samples.push(...found.samples);
    comparisons.push(...found.comparisons);
    skipped.push(...found.skipped);
  }
  if (plan.parts.includes('copies') && isSound(comparisons)) {
    const ways = COPY_WAYS.filter(({ name, tools }) => {
      const missing = missingTools(machine.tools, tools);
      if (missing.length > 0) skipped.push({ name: `copy by ${name}`, why: `needs ${missing.join(', ')}` });
      return missing.length === 0;
    });
    const found = await runCopies(scope, plan, { ways, say: hooks.say });
    copies.push(...found.copies);
    comparisons.push(...found.comparisons);
  }
  const ratios = ratiosOf(samples);
  const targets = [...targetsOf(samples, ratios), ...sections.flatMap((section) => section.targets)];
  return { machine, options: { quick, rounds, seconds, sizeMiB }, samples, comparisons, copies, ratios, sections, targets, skipped };
}

/** Whether every copy was equal. */
export function isSound(comparisons: readonly Comparison[]): boolean {
  return comparisons.every(({ equal }) => equal);
}
