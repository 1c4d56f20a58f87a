/**
 * The interleaved run. In each round every server has its turn, in an order that rotates: it is **started** with a blank volume, which
 * is **filled**; the workloads **run**; the server **drains**; volume and copy are **compared**; it is **stopped** and its files are
 * removed. It does not look for the best of several runs, and leaves no sample out.
 */
import { measureCell } from './measure-cell.ts';
import { findMemoryLimit, makeLimitedGroup, type MemoryLimit } from './memory-limit.ts';
import type { BenchHooks, Findings } from './bench.ts';
import type { BenchPlan } from './options.ts';
import type { Server, ServerKind } from './servers/server.ts';
import type { BenchScope } from './support/bench-scope.ts';
import { rotated } from './support/statistics.ts';
import { dropFromPageCache, prepareVolume } from './volume-state.ts';
import type { VolumeState } from './workloads.ts';

/** What is called when a replicating server has drained, before its files are compared: a test breaks the copy there. */
export type BeforeCompare = (server: Server) => Promise<void>;

interface Turn {
  readonly kind: ServerKind;
  readonly round: number;
  readonly state: VolumeState;
}

/** Run all rounds; stops after the round in which a comparison failed. @throws BenchError */
export async function runSideBySide(scope: BenchScope, plan: BenchPlan, findings: Findings, hooks: BenchHooks): Promise<void> {
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const kind of rotated(plan.servers, round)) {
      for (const state of plan.states) await runTurn(scope, plan, { kind, round, state }, findings, hooks);
    }
    if (findings.comparisons.some(({ equal }) => !equal)) break;
  }
}

async function runTurn(scope: BenchScope, plan: BenchPlan, turn: Turn, found: Findings, { say, beforeCompare }: BenchHooks): Promise<void> {
  const { kind, round, state } = turn;
  const workloads = plan.workloads.filter(({ states }) => states.includes(state));
  if (workloads.length === 0) return;
  const { sizeMiB, seconds } = plan;
  const limit = state === 'beyond' ? findMemoryLimit() : null;
  const why = whyNot(kind, state, limit);
  if (why !== null) {
    if (round === 0) found.skipped.push({ name: `${kind.name}, volume ${state}`, why });
    return;
  }
  const cgroup = limit?.kind === 'possible' ? makeLimitedGroup(scope, limit.root, sizeMiB) : null;
  const server = await kind.start(scope, { sizeMiB, cgroup });
  try {
    await prepareVolume(scope, server, { state, sizeMiB });
    for (const workload of workloads) {
      const resident = state === 'cold' ? await dropFromPageCache(scope, server) : null;
      const figures = await measureCell(scope, server, { workload, seconds, sizeMiB, seed: round + 1 });
      found.samples.push({ round, server: kind.name, state, workload: workload.name, ...figures });
      const cold = resident === null ? '' : `, ${(resident * 100).toFixed(1)} % of its files were still cached`;
      say(
        `round ${round + 1}/${plan.rounds} ${kind.name} ${state} ${workload.name}: ${Math.round(figures.operationsPerSecond)}/s, ${figures.megabytesPerSecond.toFixed(0)} MB/s${cold}`,
      );
    }
    await server.drain();
    if (server.volumePath !== null && server.copyPath !== null) {
      await beforeCompare?.(server);
      const comparison = await compare(scope, server.volumePath, server.copyPath);
      found.comparisons.push({ round, server: kind.name, state, ...comparison });
      say(`round ${round + 1}/${plan.rounds} ${kind.name} ${state}: ${comparison.equal ? 'the copy is equal' : 'THE COPY DIFFERS'}`);
    }
  } finally {
    await server.stop();
  }
}

/** Why a server cannot be measured with its volume in this state; null: it can. */
function whyNot(kind: ServerKind, state: VolumeState, limit: MemoryLimit | null): string | null {
  if (!kind.onFile && (state === 'cold' || state === 'beyond')) return 'its volume is memory';
  return limit?.kind === 'impossible' ? limit.why : null;
}

/** Compare two files byte by byte. @throws BenchError when one cannot be read */
export async function compare(scope: BenchScope, volume: string, copy: string): Promise<{ equal: boolean; difference: string | null }> {
  const { exitCode, stdout, stderr } = await scope.run('cmp', [volume, copy]);
  if (exitCode === 0) return { equal: true, difference: null };
  return { equal: false, difference: (stdout || stderr).trim() };
}
