/**
 * One cell whose secondary meets the fault: a primary in this process takes the requests; whatever became of the secondary, a promotion
 * of a copy of its files gives exactly one data set that is not older than what was acknowledged complete, and the secondary itself,
 * started again, catches up until the volumes are equal.
 */
import type { Primary } from '../../src/primary/primary.ts';
import type { Secondary } from '../../src/secondary/secondary.ts';
import { sleep } from '../support/host-process.ts';
import { runSteps, type Step } from './history.ts';
import { acknowledgedIn, codeOfThrown, promoteStopped, requestsThrough, startPrimary, startSecondary } from './inner-host.ts';
import { Scene, type Template } from './scene.ts';
import type { Fault } from './traced.ts';
import { TracedHost } from './traced-host.ts';
import { must, reportOf, type CellReport } from './verdict.ts';

const AGREE_MS = 15_000;
export const SETTLE_MS = 20_000;

export async function secondaryCell(
  template: Template,
  steps: readonly Step[],
  fault: Fault,
): Promise<{ report: CellReport; scene: Scene }> {
  const scene = await Scene.open(template);
  const { primary, secondary } = scene.hosts;
  const running: { stop(): Promise<void> }[] = [];
  const log = (): string => [secondary.logTail(), '---- inside', ...scene.lines].join('\n');
  const work = async (): Promise<string> => {
    const inner = await startPrimary(primary, scene.lines);
    running.push(inner);
    const traced = new TracedHost(scene, 'secondary', fault);
    must(await traced.until(() => (inner.links?.openLinks.length ?? 0) > 0, AGREE_MS), 'hang: no link is agreed');
    const { problem } = await runSteps({ host: primary, history: scene.history, steps, alive: () => true });
    must(problem === null, `the primary's application: ${problem}`);
    must(await traced.until(() => drained(inner, scene), SETTLE_MS), 'hang: it neither drains, nor fails, nor ends');
    const well = traced.runs && !traced.failed;
    const end = await traced.end();
    const atLeast = Math.max(acknowledgedIn(inner.status()), template.complete);
    await judgeCopy(scene, atLeast);
    await judgeRestart(scene, inner, running);
    if (well && end === 'stopped well') return traced.mended ? 'mended, went on' : 'went on';
    return `${end}${well && end !== 'killed' ? ' at its stop' : ''}; started again, it catches up`;
  };
  const report = await reportOf({ scene, fault, log, work });
  if (secondary.isRunning) await secondary.kill();
  for (const host of running.toReversed()) await host.stop();
  return { report, scene };
}

/** Everything is in the far volumes, and the primary knows it. */
export function drained(inner: Primary, scene: Scene): boolean {
  const { behind, dataSets } = inner.status();
  return behind.dataSets === 0 && dataSets.destaged === dataSets.acknowledged && acknowledgedIn(inner.status()) === scene.history.issued;
}

/** A promotion of a copy of the secondary's files, as they were left. @throws BadOutcome */
export async function judgeCopy(scene: Scene, atLeast: number): Promise<'promoted' | 'blank'> {
  const copy = scene.copyOfSecondary();
  let kept: number;
  try {
    kept = await promoteStopped(copy, scene.lines);
  } catch (error) {
    const code = codeOfThrown(error);
    must(
      code === 'ERR_PROMOTION_BLANK' && atLeast === 0,
      `a copy of its files cannot be promoted, and ${atLeast} requests were acknowledged complete: ${code}`,
    );
    return 'blank';
  }
  const states = scene.history.statesOf(copy);
  must(
    states.includes(kept),
    `the promoted copy says ${kept} requests; its volumes hold what ${states.join(' or ') || 'no number of'} requests make`,
  );
  must(kept >= atLeast, `lost: the promoted copy holds ${kept} requests, ${atLeast} were acknowledged complete`);
  return 'promoted';
}

async function judgeRestart(scene: Scene, inner: Primary, running: { stop(): Promise<void> }[]): Promise<void> {
  let again: Secondary;
  try {
    again = await startSecondary(scene.hosts.secondary, scene.lines);
  } catch (error) {
    must(false, `started again without the fault, it refuses: ${codeOfThrown(error)}`);
  }
  running.push(again);
  await judgeDrained(scene, inner, again);
}

/** @throws BadOutcome unless both volumes soon hold every request */
export async function judgeDrained(scene: Scene, primary: Primary, secondary: Secondary): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  const { issued } = scene.history;
  const there = (): boolean => drained(primary, scene) && requestsThrough(secondary.replica?.watermarkPoint ?? null) === issued;
  while (!there() && performance.now() < deadline) await sleep(5);
  must(
    there(),
    `started again without the fault, it does not catch up: ${JSON.stringify(primary.status().dataSets)} ${secondary.reason ?? ''}`,
  );
  for (const host of [scene.hosts.primary, scene.hosts.secondary]) {
    const states = scene.history.statesOf(host);
    must(states.includes(issued), `${host.name} holds what ${states.join(' or ') || 'no number of'} requests make, not ${issued}`);
  }
}
