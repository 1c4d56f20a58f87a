/** Step 2 of the demo: write through NBD for a while, and show how the copy follows. */
import { messageOf } from '../model/errors.ts';
import type { StatusReport } from '../model/status.ts';
import { formatBytes, formatSeconds } from '../model/units.ts';
import type { NbdClient } from '../nbd/client.ts';
import type { Stage } from './demo.ts';
import { statusOf } from './hosts.ts';
import { connectVolume } from './read-volumes.ts';
import { counted } from './screen.ts';
import { sleep } from './waits.ts';
import { REQUESTS_MAX, Workload } from './workload.ts';

const WRITE_MS = 10_000;
/** On a machine on which nothing was replicated meanwhile, the application goes on for so long. */
const WRITE_LONGEST_MS = 60_000;
const POLL_MS = 200;
/** A killed host's connections may end a little before it does. */
const HOST_END_MS = 1_000;

export interface WritePhase {
  readonly workload: Workload;
  readonly clients: readonly NbdClient[];
  /** Data set that the primary says is acknowledged with all before it: asked at the very end, while the application wrote on. */
  readonly acknowledgedDataSet: string | null;
}

/** Write until the time is over and at least one data set is acknowledged. The connections stay open, and nothing is drained. */
export async function writeForAWhile(stage: Stage, { writeMs }: { readonly writeMs: number } = { writeMs: WRITE_MS }): Promise<WritePhase> {
  const { scene, screen, hosts, history } = stage;
  screen.step('Write: an application writes to both volumes, and the copy follows');
  screen.say(
    `${REQUESTS_MAX} requests at once, 512 B to 256 KiB, often to the same blocks, with zeroes, trims, flushes and FUA in between.`,
  );
  screen.lines(['time   acknowledged writes   data sets complete   destaged    behind']);
  const clients: NbdClient[] = [];
  for (const { name } of scene.volumes) clients.push(await connectVolume(scene.primary.nbdSocket, name));
  const workload = new Workload(history, clients);
  const startedAtMs = performance.now();
  let newest: StatusReport | null = null;
  const over = new AbortController();
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      newest = (await statusOf(hosts.primary)) ?? newest;
      if (newest !== null && !over.signal.aborted) screen.progress(progressLine(newest, stage, performance.now() - startedAtMs));
      await sleep(POLL_MS);
    }
  };
  void watch();
  // Only a picture: nothing depends on it.
  const shown = showHalfWay(stage, { over: over.signal, afterMs: writeMs / 2 }).catch(messageOf);
  const goOn = (): boolean => {
    const elapsedMs = performance.now() - startedAtMs;
    return elapsedMs < writeMs || (elapsedMs < WRITE_LONGEST_MS && (newest?.dataSets.acknowledged ?? null) === null);
  };
  try {
    while (goOn()) {
      hosts.primary.assertRuns();
      hosts.secondary.assertRuns();
      hosts.peer.assertRuns();
      await workload.round();
    }
    await shown;
    const lastLook = statusOf(hosts.primary).finally(() => over.abort());
    while (!over.signal.aborted) await workload.round();
    return { workload, clients, acknowledgedDataSet: (await lastLook)?.dataSets.acknowledged ?? null };
  } catch (error) {
    // A lost connection says less than a lost host.
    await hosts.primary.endsWithin(HOST_END_MS);
    hosts.primary.assertRuns();
    throw error;
  } finally {
    over.abort();
  }
}

/** What an operator sees meanwhile. */
async function showHalfWay({ scene, screen, processes }: Stage, { over, afterMs }: { over: AbortSignal; afterMs: number }): Promise<void> {
  await sleep(afterMs);
  if (over.aborted) return;
  const { stdout } = await processes.command(['status', '-c', scene.secondary.config]);
  if (!over.aborted) screen.lines(['', '$ farshore status -c secondary.yaml', ...stdout.trimEnd().split('\n'), '']);
}

function progressLine({ dataSets, behind }: StatusReport, { history }: Stage, elapsedMs: number): string {
  return [
    `${(elapsedMs / 1000).toFixed(0).padStart(2)} s`,
    counted(history.acknowledged).padStart(9),
    formatBytes(history.acknowledgedBytes).padStart(9),
    String(Number(dataSets.complete ?? -1) + 1).padStart(19),
    String(Number(dataSets.destaged ?? -1) + 1).padStart(10),
    formatSeconds(behind.seconds).padStart(9),
  ].join(' ');
}
