/** Steps 2 to 6 of `farshore demo --kill secondary`, and its verdict: the secondary is lost for good, and the peer takes its place. */
import { FarshoreError } from '../model/errors.ts';
import { formatSeconds } from '../model/units.ts';
import { CopyCheck } from './check-copy.ts';
import type { Stage } from './demo.ts';
import { startAgain } from './failover.ts';
import { waitForHost } from './hosts.ts';
import { readFromFiles } from './read-volumes.ts';
import { counted, plural, table } from './screen.ts';
import { takeoverReportOf, takeoverRows, type Takeover, type TakeoverDemoReport, type TakeoverEvidence } from './takeover-verdict.ts';
import { sleep } from './waits.ts';
import type { Workload } from './workload.ts';
import { writeForAWhile } from './write-phase.ts';

/** Shorter than where the primary dies: the application writes again afterwards. */
const WRITE_MS = 6_000;
/** The application goes on for so long with the host that took over. */
const WRITE_ON_MS = 3_000;
const STOP_MS = 10_000;

export async function performTakeover(stage: Stage): Promise<TakeoverDemoReport> {
  const { screen, history } = stage;
  const { workload, clients } = await writeForAWhile(stage, { writeMs: WRITE_MS });
  const killed = await killSecondary(stage, workload);
  const application = new Application(workload);
  const { takeover, replicatingAtMs } = await takeOver(stage, application, killed.killedAtMs);
  for (const end = performance.now() + WRITE_ON_MS; performance.now() < end && !application.hasFailed;) await sleep(50);
  const requestsLost = killed.requestsLost + (await application.stop());
  for (const client of clients) await client.close();
  const { judgement, drained } = await compare(stage);
  screen.step('Stop the host that took over, and start the old secondary again: it must refuse, although nobody else uses the copy now');
  await stopPeer(stage);
  const oldSecondary = await startAgain(stage, stage.scene.secondary.config);
  const report = takeoverReportOf({ history, judgement, takeover, ...killed, replicatingAtMs, requestsLost, drained, oldSecondary });
  screen.paragraph('\nResult');
  screen.lines(table(takeoverRows(report)));
  for (const fault of report.faults) screen.lines([fault]);
  // A wrong copy is worth more than a tidy disk.
  const folder = report.volumesEqual ? null : stage.scene.folder;
  if (folder !== null) screen.lines([`the evidence stays in ${folder}`]);
  screen.verdict(report.verdict === 'good', report.summary);
  return { ...report, folder };
}

/** Rounds, one after the other, until it is told to stop or a request fails. */
class Application {
  hasFailed = false;
  #failure: unknown = null;
  #isOver = false;
  readonly #end: Promise<void>;

  constructor(workload: Workload) {
    this.#end = this.#run(workload);
  }

  /** Resolves when the last round is replied to; returns the requests that failed. @throws FarshoreError ERR_DEMO_TIMEOUT when one got no reply */
  async stop(): Promise<number> {
    this.#isOver = true;
    await this.#end;
    if (this.#failure instanceof FarshoreError && this.#failure.code === 'ERR_DEMO_TIMEOUT') throw this.#failure;
    return this.hasFailed ? 1 : 0;
  }

  async #run(workload: Workload): Promise<void> {
    try {
      while (!this.#isOver) await workload.round();
    } catch (error) {
      this.hasFailed = true;
      this.#failure = error;
    }
  }
}

type Killed = Pick<TakeoverEvidence, 'acknowledgedBeforeKill' | 'killedAtMs' | 'requestsLost'>;

async function killSecondary({ screen, hosts, history }: Stage, workload: Workload): Promise<Killed> {
  screen.step('Kill the secondary (kill -9) in the middle of a round of writes, for good; the application goes on');
  let killedAtMs = 0;
  let acknowledgedBeforeKill = 0;
  const requestsLost = await workload.roundWithKill(() => {
    killedAtMs = performance.now();
    acknowledgedBeforeKill = history.acknowledged;
    hosts.secondary.child.kill('SIGKILL');
  });
  screen.say(
    `${counted(acknowledgedBeforeKill)} writes were acknowledged to the application by then. What the secondary had acknowledged to the primary is in its journals or in the peer's memory.`,
  );
  return { acknowledgedBeforeKill, killedAtMs, requestsLost };
}

async function takeOver(
  { screen, scene, hosts, processes }: Stage,
  application: Application,
  killedAtMs: number,
): Promise<{ takeover: Takeover; replicatingAtMs: number }> {
  screen.step('Take over: farshore takeover -c peer.yaml, whose fence makes sure first that the secondary is gone');
  await waitForHost(hosts.peer, 'the peer to notice that its secondary is gone', ({ links }) => links.every(({ up }) => !up));
  const { stdout } = await processes.succeed(['takeover', '-c', scene.peer.config, '--json']);
  const takeover = JSON.parse(stdout) as Takeover;
  for (const line of takeover.lines) screen.say(line);
  const isLinked = ({ state, links }: { state: string; links: readonly { up: boolean }[] }): boolean =>
    ['replicating', 'throttled', 'degraded'].includes(state) && links.some(({ up }) => up);
  await waitForHost(hosts.primary, 'the primary to replicate to the host that took over', isLinked);
  const replicatingAtMs = performance.now();
  screen.say(
    `The primary replicated again ${formatSeconds((replicatingAtMs - killedAtMs) / 1000)} after the kill. ${application.hasFailed ? 'A request of the application failed.' : 'The application writes on.'}`,
  );
  return { takeover, replicatingAtMs };
}

/** Locks are gone with their host, and would not reach over a network anyway: it is the host epoch on the storage that has to refuse. */
async function stopPeer({ hosts }: Stage): Promise<void> {
  hosts.peer.assertRuns();
  hosts.peer.child.kill('SIGTERM');
  await hosts.peer.endsWithin(STOP_MS);
}

async function compare({ scene, screen, hosts, history }: Stage): Promise<Pick<TakeoverEvidence, 'judgement' | 'drained'>> {
  screen.step('Compare: wait until all is destaged by the host that took over, then read both volumes');
  const { behind } = await waitForHost(hosts.primary, 'everything to be destaged', (report) => report.behind.dataSets === 0);
  const check = new CopyCheck(history);
  await readFromFiles(scene.peer.volumePaths, scene.volumes, check);
  const judgement = check.judge();
  screen.say(
    judgement.equal
      ? `Every block of both volumes is what ${counted(judgement.writesKeptMax)} of ${counted(history.writes.length)} writes made of it.`
      : `${plural(judgement.wrongBlocks, 'block')} fit no moment of the history.`,
  );
  return { judgement, drained: behind.dataSets === 0 };
}
