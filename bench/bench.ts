/** The whole bench: its parts one after another, and what they found in one result. A part that fails ends it; what was found is kept. */
import { statfsSync } from 'node:fs';
import { messageOf } from '../src/model/errors.ts';
import { COPY_WAYS, runCopies } from './bulk-copy.ts';
import { runLatency } from './latency/latency.ts';
import { runLayers, type LayerPlan } from './layers/layers.ts';
import type { BenchPart, BenchPlan } from './options.ts';
import { ratiosOf, targetsOf } from './report/summary.ts';
import { runSideBySide, type BeforeCompare } from './side-by-side.ts';
import { BenchError } from './support/bench-error.ts';
import type { BenchScope } from './support/bench-scope.ts';
import { describeMachine } from './support/machine.ts';
import type { BenchResults, Comparison, CopySample, Sample, Section, Skipped } from './support/results.ts';
import { findTools, missingTools, type ToolVersions } from './support/tools.ts';

export interface BenchHooks {
  readonly say: (line: string) => void;
  readonly beforeCompare?: BeforeCompare;
}

/** What the parts add to while they run. */
export interface Findings {
  readonly samples: Sample[];
  readonly comparisons: Comparison[];
  readonly copies: CopySample[];
  readonly sections: Section[];
  readonly skipped: Skipped[];
}

const MIB = 1024 * 1024;
/** Those of a secondary, with some room. */
const JOURNALS_MIB = 1024;

type RunPart = (scope: BenchScope, plan: BenchPlan, findings: Findings, hooks: BenchHooks) => Promise<void>;

const RUN: Readonly<Record<BenchPart, RunPart>> = {
  'side-by-side': runSideBySide,
  copies: async (scope, plan, findings, { say }) =>
    runCopies(scope, plan, { ways: possibleWays(findTools(), findings.skipped), say }, findings),
  layers: async (scope, plan, { sections, skipped }, { say }) =>
    runLayers(scope, layerPlan(plan, say), {
      tools: findTools(),
      found: (section) => sections.push(section),
      skipped: (name, why) => skipped.push({ name, why }),
    }),
  latency: async (scope, plan, { sections }, { say }) => runLatency(scope, layerPlan(plan, say), (section) => sections.push(section)),
};

function layerPlan({ quick, rounds, seconds, sizeMiB }: BenchPlan, say: BenchHooks['say']): LayerPlan {
  return { quick, rounds, seconds, sizeMiB, say };
}

/** Run the parts of the plan. */
export async function runBench(scope: BenchScope, plan: BenchPlan, hooks: BenchHooks): Promise<BenchResults> {
  const machine = describeMachine(scope.folder);
  if (machine.fileSystem.startsWith('tmpfs')) hooks.say(`volumes are on tmpfs: set FARSHORE_BENCH_TMP to a folder on the disk to measure`);
  checkSpace(scope.folder, plan.sizeMiB);
  const findings: Findings = { samples: [], comparisons: [], copies: [], sections: [], skipped: [...plan.skipped] };
  let failure: string | null = null;
  for (const part of plan.parts) {
    if (!isSound(findings.comparisons) || failure !== null) break;
    hooks.say(`part ${part}`);
    const began = performance.now();
    await RUN[part](scope, plan, findings, hooks).catch((error: unknown) => {
      failure = `${part}: ${messageOf(error)}`;
    });
    hooks.say(`part ${part} took ${Math.round((performance.now() - began) / 1000)} s`);
  }
  const { quick, rounds, seconds, sizeMiB } = plan;
  const ratios = ratiosOf(findings.samples);
  const targets = [...targetsOf(findings.samples, ratios), ...findings.sections.flatMap((section) => section.targets)];
  return { failure, machine, options: { quick, rounds, seconds, sizeMiB }, ...findings, ratios, targets };
}

/** @throws BenchError when the volumes, a source to copy and the journals would not fit */
function checkSpace(folder: string, sizeMiB: number): void {
  const neededMiB = 3 * sizeMiB + JOURNALS_MIB;
  const { bavail, bsize } = statfsSync(folder);
  const freeMiB = Math.floor((bavail * bsize) / MIB);
  if (freeMiB < neededMiB) throw new BenchError(`${folder} has ${freeMiB} MiB free; volumes and journals need ${neededMiB} MiB`);
}

/** Whether every copy was equal. */
export function isSound(comparisons: readonly Comparison[]): boolean {
  return comparisons.every(({ equal }) => equal);
}

/** Return the exit code: 1 when a copy differs or a part failed. */
export function exitCodeOf(results: BenchResults): 0 | 1 {
  return isSound(results.comparisons) && results.failure === null ? 0 : 1;
}

function possibleWays(tools: ToolVersions, skipped: Skipped[]): typeof COPY_WAYS {
  return COPY_WAYS.filter((way) => {
    const missing = missingTools(tools, way.tools);
    if (missing.length > 0) skipped.push({ name: `copy by ${way.name}`, why: `needs ${missing.join(', ')}` });
    return missing.length === 0;
  });
}
