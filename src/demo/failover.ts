/** Steps 2 to 6 of the demo, and its verdict. */
import { waitForHost } from './hosts.ts';
import type { Stage } from './demo.ts';
import { CopyCheck } from './check-copy.ts';
import { connectVolume, readOverNbd } from './read-volumes.ts';
import { counted, plural, table } from './screen.ts';
import { formatBytes, formatSeconds } from '../model/units.ts';
import { keptWrites, reportOf, reportRows, type DemoReport, type Evidence, type Promotion } from './verdict.ts';
import { within } from './waits.ts';
import { writeForAWhile } from './write-phase.ts';

const READ_BYTES = 4096;
const REQUEST_MS = 60_000;

/** What the last moments of the primary were. */
type KillEvidence = Pick<Evidence, 'acknowledgedDataSet' | 'inFlightAtKill' | 'killedAtMs'>;

export async function performFailover(stage: Stage): Promise<DemoReport> {
  const { screen, history } = stage;
  const killed = await writeAndKill(stage);
  const { promotion, firstReadAtMs } = await promoteSecondary(stage, killed);
  const judgement = await compare(stage, promotion);
  const servesAgain = await writeAgain(stage);
  screen.step('Start the old primary again: it must refuse, or two hosts would take writes');
  const oldPrimary = await startAgain(stage, stage.scene.primary.config);
  const report = reportOf({ history, judgement, promotion, ...killed, firstReadAtMs, servesAgain, oldPrimary });
  screen.paragraph('\nResult');
  screen.lines(table(reportRows(report)));
  for (const fault of report.faults) screen.lines([fault]);
  // A wrong copy is worth more than a tidy disk.
  const folder = report.volumesEqual ? null : stage.scene.folder;
  if (folder !== null) screen.lines([`the evidence stays in ${folder}`]);
  screen.verdict(report.verdict === 'good', report.summary);
  return { ...report, folder };
}

async function writeAndKill(stage: Stage): Promise<KillEvidence> {
  const { screen, hosts } = stage;
  const { workload, acknowledgedDataSet } = await writeForAWhile(stage);
  screen.step('Kill the primary (kill -9) in the middle of a round of writes');
  let killedAtMs = 0;
  const inFlightAtKill = await workload.roundWithKill(() => {
    killedAtMs = performance.now();
    hosts.primary.child.kill('SIGKILL');
  });
  screen.say(
    `${plural(inFlightAtKill, 'request')} had no reply yet. The primary knew that everything through data set ${acknowledgedDataSet ?? 'none'} was safe on the secondary: the copy must not be older.`,
  );
  return { acknowledgedDataSet, inFlightAtKill, killedAtMs };
}

async function promoteSecondary(stage: Stage, { killedAtMs }: KillEvidence): Promise<{ promotion: Promotion; firstReadAtMs: number }> {
  const { scene, screen, hosts, processes } = stage;
  screen.step('Promote the secondary: farshore promote -c secondary.yaml');
  await waitForHost(hosts.secondary, 'the secondary to notice that its primary is gone', ({ links }) => links.every(({ up }) => !up));
  const { stdout } = await processes.succeed(['promote', '-c', scene.secondary.config, '--json']);
  const promotion = JSON.parse(stdout) as Promotion;
  const client = await connectVolume(scene.secondary.nbdSocket, scene.volumes[0]?.name ?? '');
  await within(client.read(0, READ_BYTES), { what: 'the first read from the promoted host', limitMs: REQUEST_MS });
  const firstReadAtMs = performance.now();
  client.destroy();
  for (const line of promotion.lines) screen.say(line);
  screen.say(`The first read from the promoted host was answered ${formatSeconds((firstReadAtMs - killedAtMs) / 1000)} after the kill.`);
  return { promotion, firstReadAtMs };
}

async function compare({ scene, screen, history }: Stage, promotion: Promotion): Promise<Evidence['judgement']> {
  const bytes = scene.volumes.reduce((sum, { blocks }) => sum + blocks * 512, 0);
  screen.step(`Compare: read all ${formatBytes(bytes)} from the promoted host, and find the moment of the history that they are`);
  const check = new CopyCheck(history);
  await readOverNbd(scene.secondary.nbdSocket, scene.volumes, check);
  const judgement = check.judge();
  if (judgement.equal) {
    screen.say(
      `Every block of both volumes is what the first ${counted(keptWrites(judgement, promotion))} of ${counted(history.writes.length)} writes made of it: none of them is missing, and nothing of a later one is there.`,
    );
  } else screen.say(`${plural(judgement.wrongBlocks, 'block')} fit no moment of the history.`);
  return judgement;
}

/** The application goes on with the promoted host. */
async function writeAgain({ scene }: Stage): Promise<boolean> {
  const volume = scene.volumes.at(-1);
  const client = await connectVolume(scene.secondary.nbdSocket, volume?.name ?? '');
  const data = Buffer.alloc(READ_BYTES, 'on we go ');
  const goOn = async (): Promise<boolean> => {
    await client.write(0, data, { fua: true });
    return data.equals(await client.read(0, READ_BYTES));
  };
  try {
    return await within(goOn(), { what: 'a write to the promoted host', limitMs: REQUEST_MS });
  } finally {
    client.destroy();
  }
}

/** Start a host whose place another one has taken. */
export async function startAgain({ screen, processes }: Stage, config: string): Promise<Evidence['oldPrimary']> {
  const end = await processes.command(['start', '-c', config, '--json']);
  const failure = (parsed(end.stdout) as { error?: { code?: string; message?: string } }).error;
  const refusal = { exitCode: end.exitCode, code: failure?.code ?? '', message: failure?.message ?? end.stderr.trim() };
  screen.say(`exit code ${refusal.exitCode ?? 'none'}, ${refusal.code}: ${refusal.message}`);
  return refusal;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return {};
  }
}
