/**
 * One cell whose primary meets the fault: a secondary in this process follows it. The primary's own volumes hold what was replied to;
 * a promotion of a copy of the secondary gives exactly one data set that is not older than what the primary saw acknowledged complete;
 * and the primary, started again, goes on with both volumes equal, or refuses with its reason while a way out is open.
 */
import type { Primary } from '../../src/primary/primary.ts';
import { sleep } from '../support/host-process.ts';
import { runSteps, type Step } from './history.ts';
import { acknowledgedIn, codeOfThrown, requestsThrough, startPrimary, startSecondary } from './inner-host.ts';
import { Scene, type Template } from './scene.ts';
import { judgeCopy, judgeDrained, SETTLE_MS } from './secondary-cell.ts';
import type { Fault } from './traced.ts';
import { TracedHost } from './traced-host.ts';
import { must, reportOf, type CellReport } from './verdict.ts';

const START_MS = 15_000;
/** Why a primary may refuse to go on: its volumes may hold what was never sent. */
const REFUSALS: ReadonlySet<string> = new Set(['ERR_UNCLEAN_STOP', 'ERR_GROUP_FAILED']);

export async function primaryCell(template: Template, steps: readonly Step[], fault: Fault): Promise<{ report: CellReport; scene: Scene }> {
  const scene = await Scene.open(template);
  const { primary, secondary } = scene.hosts;
  const { history } = scene;
  const running: { stop(): Promise<void> }[] = [];
  const log = (): string => [primary.logTail(), '---- inside', ...scene.lines].join('\n');
  const work = async (): Promise<string> => {
    const traced = new TracedHost(scene, 'primary', fault);
    must(await traced.until(() => traced.status !== null, START_MS), 'hang: it does not start');
    // Only now, so that the first dial finds it.
    const inner = traced.runs ? await startSecondary(secondary, scene.lines) : null;
    if (inner !== null) running.push(inner);
    must(await traced.until(() => (inner?.links?.openLinks.length ?? 0) > 0, START_MS), 'hang: no link is agreed');
    const { problem, hang } = await runSteps({ host: primary, history, steps, alive: () => traced.runs });
    must(!hang, `hang: ${problem}`);
    const drained = (): boolean =>
      problem === null &&
      requestsThrough(inner?.replica?.watermarkPoint ?? null) === history.issued &&
      acknowledged(traced) === history.issued;
    must(
      await traced.until(drained, SETTLE_MS),
      `hang: it neither drains, nor fails, nor ends; ${problem ?? 'every request was answered'}`,
    );
    const well = traced.runs && !traced.failed;
    const end = await traced.end();
    const atLeast = Math.max(acknowledged(traced), template.complete);
    await inner?.stop();
    const own = history.statesOf(primary);
    must(
      own.some((count) => count >= history.replied),
      `the primary's volumes hold what ${own.join(' or ') || 'no number of'} requests make; ${history.replied} were replied to`,
    );
    const copy = await judgeCopy(scene, atLeast);
    const after = await goOn(scene, running, copy);
    if (well && end === 'stopped well' && after === 'goes on') return 'went on';
    return `${end}${well && end !== 'killed' ? ' at its stop' : ''}; started again, it ${after}`;
  };
  const report = await reportOf({ scene, fault, log, work });
  if (primary.isRunning) await primary.kill();
  for (const host of running.toReversed()) await host.stop();
  return { report, scene };
}

function acknowledged({ status }: TracedHost): number {
  return status === null ? 0 : acknowledgedIn(status);
}

/** Start both again without the fault. @throws BadOutcome */
async function goOn(scene: Scene, running: { stop(): Promise<void> }[], copy: 'promoted' | 'blank'): Promise<string> {
  const { primary, secondary } = scene.hosts;
  let again: Primary;
  try {
    again = await startPrimary(primary, scene.lines);
  } catch (error) {
    const code = codeOfThrown(error);
    must(REFUSALS.has(code), `started again without the fault, it refuses: ${code}`);
    await standAlone(scene);
    return `refuses with ${code}; ${copy === 'promoted' ? 'the copy is promoted' : 'the copy is blank, it serves alone'}`;
  }
  running.push(again);
  must(scene.history.issued === scene.history.replied, 'a request that was not replied to is forgotten by a primary that goes on');
  const follower = await startSecondary(secondary, scene.lines);
  running.push(follower);
  await judgeDrained(scene, again, follower);
  return 'goes on';
}

/** The way out that is always open: serve these volumes without the copy. */
async function standAlone(scene: Scene): Promise<void> {
  let alone: Primary;
  try {
    alone = await startPrimary(scene.hosts.primary, scene.lines, { standalone: true });
  } catch (error) {
    must(false, `it does not start with --standalone: ${codeOfThrown(error)}`);
  }
  const { state } = alone.status();
  await alone.stop();
  await sleep(0);
  must(state === 'standalone', `started with --standalone it is ${state}`);
}
