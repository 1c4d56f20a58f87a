/** Step 2 of the demo: write through NBD for a while, and show how the copy follows. */
import type { StatusReport } from '../model/status.ts';
import { formatBytes, formatSeconds } from '../model/units.ts';
import type { NbdClient } from '../nbd/client.ts';
import type { Stage } from './demo.ts';
import { statusOf } from './hosts.ts';
import { connectVolume } from './read-volumes.ts';
import { counted, plural } from './screen.ts';
import { sleep } from './waits.ts';
import { REQUESTS_MAX, Workload } from './workload.ts';

const WRITE_MS = 10_000;
/** On a machine on which nothing was replicated meanwhile, the application goes on for so long. */
const WRITE_LONGEST_MS = 60_000;
const POLL_MS = 200;

export interface WritePhase {
  readonly workload: Workload;
  readonly clients: readonly NbdClient[];
  /** The primary's newest status. */
  readonly newest: () => StatusReport | null;
}

/** Write until the time is over and at least one data set is acknowledged; the connections stay open. */
export async function writeForAWhile(stage: Stage): Promise<WritePhase> {
  const { scene, screen, hosts, history } = stage;
  screen.step('Write: an application writes to both volumes, and the copy follows');
  screen.say(`${REQUESTS_MAX} requests at once, 512 B to 256 KiB, often to the same blocks, with zeroes, trims, flushes and FUA in between.`);
  const clients: NbdClient[] = [];
  for (const { name } of scene.volumes) clients.push(await connectVolume(scene.primary.nbdSocket, name));
  const workload = new Workload(history, clients);
  const startedAtMs = performance.now();
  let newest: StatusReport | null = null;
  let ended = false;
  const watch = async (): Promise<void> => {
    while (!ended) {
      newest = (await statusOf(hosts.primary)) ?? newest;
      if (newest !== null && !ended) screen.progress(progressLine(newest, stage, (performance.now() - startedAtMs) / 1000));
      await sleep(POLL_MS);
    }
  };
  const watching = watch();
  const goOn = (): boolean => {
    const elapsedMs = performance.now() - startedAtMs;
    return elapsedMs < WRITE_MS || (elapsedMs < WRITE_LONGEST_MS && (newest?.dataSets.acknowledged ?? null) === null);
  };
  try {
    while (goOn()) {
      hosts.primary.assertRuns();
      hosts.secondary.assertRuns();
      await workload.round();
    }
  } finally {
    ended = true;
    await watching;
  }
  return { workload, clients, newest: () => newest };
}

function progressLine({ dataSets, behind }: StatusReport, { history }: Stage, seconds: number): string {
  const columns = [
    `${seconds.toFixed(0).padStart(2)} s`,
    `${counted(history.acknowledged).padStart(6)} writes acknowledged (${formatBytes(history.acknowledgedBytes)})`,
    `data sets: ${Number(dataSets.complete ?? -1) + 1} complete, ${Number(dataSets.destaged ?? -1) + 1} destaged`,
    `behind: ${plural(behind.dataSets, 'set')}, ${formatSeconds(behind.seconds)}`,
  ];
  return columns.join('   ');
}
