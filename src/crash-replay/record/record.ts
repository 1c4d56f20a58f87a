/**
 * Record a crash-replay fixture from a real run:
 *
 * 1 **start** two small hosts, or three, as real processes; 2 **write** a seeded workload over NBD; 3 **kill** the secondary at a named crash point,
 * or a host at a moment; where the point belongs to a recovery or a promotion, start it again and kill it a second time; 4 **pack** what
 * was left; 5 **ask** production code what recovery will decide; 6 **derive** the expected volumes from the history of what was written.
 *
 * Recovery itself is not run: what the volumes must be afterwards follows from the history alone.
 */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { statusOf } from '../../demo/hosts.ts';
import { DemoProcesses, type HostProcess } from '../../demo/processes.ts';
import { connectVolume } from '../../demo/read-volumes.ts';
import { sleep, until, within } from '../../demo/waits.ts';
import { errnoOf, EXIT, FarshoreError, UsageError } from '../../model/errors.ts';
import type { NbdClient } from '../../nbd/client.ts';
import { crashPointOf, recoverAfter, type CrashPoint } from './crash-points.ts';
import { clearOut, prepareOut } from '../out-folder.ts';
import { RecordedHistory } from './recorded-history.ts';
import { makeRecordingScene, secondaryFolder, startRecordedHosts, type RecordingScene } from './recording-scene.ts';
import { RecordingWorkload } from './recording-workload.ts';
import { writeFixture, type RecordedCrash, type RecordReport } from '../write-fixture.ts';

export interface RecordOptions {
  /** Folder of the fixture; made, or empty. */
  readonly out: string;
  readonly name: string | null;
  /** Exactly one of both. */
  readonly crashPoint: string | null;
  readonly at: { readonly afterMs: number; readonly host: 'primary' | 'secondary' } | null;
  readonly seed: number;
  readonly volumes: number;
  readonly slots: number;
  /** Null: what belongs to the crash. */
  readonly recover: 'start' | 'promote' | null;
  /** How to have it again. */
  readonly recipe: string;
  readonly say: (line: string) => void;
  /** Called with what was recorded, before its files go. */
  readonly recorded?: (crash: RecordedCrash) => void;
}

const CRASH_HOST = fileURLToPath(new URL('./crash-host.js', import.meta.url));
const MEET_MS = 60_000;
const LOG_LINES_SHOWN = 4;
/** The rest of a killed primary's data sets is destaged, or stays partial. */
const SETTLE_MS = 2_000;

/** Record one fixture. @throws FarshoreError ERR_FIXTURE_*, ERR_DEMO_* (a host or command of the recording), UsageError ERR_USAGE */
export async function recordFixture(options: RecordOptions): Promise<RecordReport> {
  prepareOut(options.out);
  const { volumes, slots, crashPoint } = options;
  const peer = crashPoint !== null && crashPointOf(crashPoint)?.peer === true;
  const scene = makeRecordingScene({ volumes, slots, peer });
  const processes = new DemoProcesses({ detached: false });
  const endNow = (): void => {
    processes.killAll();
    rmSync(scene.folder, { recursive: true, force: true, maxRetries: 3 });
  };
  const interrupted = (): void => {
    clearOut(options.out);
    process.exit(EXIT.failed);
  };
  process.once('exit', endNow);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted);
  try {
    return await new Recording(options, scene, processes).run();
  } catch (error) {
    clearOut(options.out);
    throw error;
  } finally {
    await processes.stopAll();
    endNow();
    process.off('exit', endNow);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted);
  }
}

class Recording {
  readonly #options: RecordOptions;
  readonly #scene: RecordingScene;
  readonly #processes: DemoProcesses;
  readonly #history: RecordedHistory;

  constructor(options: RecordOptions, scene: RecordingScene, processes: DemoProcesses) {
    this.#options = options;
    this.#scene = scene;
    this.#processes = processes;
    this.#history = new RecordedHistory(options.seed, scene.volumes);
  }

  async run(): Promise<RecordReport> {
    const { options, point } = { options: this.#options, point: this.#point() };
    const first = point?.prepare === undefined ? point : crashPointOf(point.prepare);
    await this.#replicate(first ?? null);
    if (point !== null && point !== first) await this.#runAgain(point);
    const recover = options.recover ?? (point === null ? (options.at?.host === 'primary' ? 'promote' : 'start') : recoverAfter(point));
    const crash = {
      out: options.out,
      name: options.name ?? point?.name ?? `${options.at?.host ?? 'secondary'}-killed`,
      story: point?.sentence ?? `The ${options.at?.host ?? 'secondary'} was killed ${options.at?.afterMs ?? 0} ms after the first write.`,
      host: secondaryFolder(this.#scene),
      history: this.#history,
      recover,
      crashPoint: point?.name ?? null,
      recipe: options.recipe,
    };
    options.recorded?.(crash);
    return writeFixture(crash);
  }

  #point(): CrashPoint | null {
    const { crashPoint, volumes, slots } = this.#options;
    if (crashPoint === null) return null;
    const point = crashPointOf(crashPoint);
    if (point === undefined) throw wrongPoint(`there is no crash point "${crashPoint}"`);
    const { volumesMin = 1, slotsMin = 1 } = point;
    if (volumes < volumesMin) throw wrongPoint(`the crash point "${crashPoint}" needs ${volumesMin} volumes`);
    if (slots < slotsMin) throw wrongPoint(`the crash point "${crashPoint}" needs ${slotsMin} slots`);
    return point;
  }

  /** Let records flow until the crash; in the end neither host runs. */
  async #replicate(point: CrashPoint | null): Promise<void> {
    const { say } = this.#options;
    const program = point === null ? undefined : [CRASH_HOST, this.#scene.secondary.config, point.name];
    say(`${this.#scene.peer === null ? 'two' : 'three'} hosts in ${this.#scene.folder}`);
    const { primary, secondary, peer } = await startRecordedHosts(this.#scene, this.#processes, program);
    const clients: NbdClient[] = [];
    for (const { name } of this.#scene.volumes) clients.push(await connectVolume(this.#scene.primary.nbdSocket, name));
    try {
      const workload = new RecordingWorkload(this.#history, clients);
      if (point === null) await this.#killAtMoment(workload, { primary, secondary });
      else await this.#writeUntilDead(workload, secondary, point);
    } finally {
      for (const client of clients) client.destroy();
    }
    say(`killed after ${this.#history.writes.length} writes and ${this.#history.flushes} flushes`);
    for (const host of [primary, secondary, peer]) if (host !== null) await kill(host);
  }

  async #writeUntilDead(workload: RecordingWorkload, secondary: HostProcess, point: CrashPoint): Promise<void> {
    const write = async (): Promise<void> => {
      while (!secondary.hasEnded) await workload.transaction();
    };
    // A request that is under way when the secondary dies may wait for ever; nobody does for it.
    const writing = write();
    writing.catch(() => {});
    await meets(secondary, point, writing);
  }

  async #killAtMoment(workload: RecordingWorkload, hosts: { primary: HostProcess; secondary: HostProcess }): Promise<void> {
    const { at } = this.#options;
    const victim = hosts[at?.host ?? 'secondary'];
    const timer = setTimeout(() => victim.child.kill('SIGKILL'), at?.afterMs ?? 0);
    try {
      while (!victim.hasEnded) await workload.transaction();
    } catch (error) {
      // With a killed primary every connection ends.
      await victim.endsWithin(SETTLE_MS);
      if (!victim.hasEnded) throw error;
    } finally {
      clearTimeout(timer);
    }
    if (victim === hosts.primary) await settle(hosts.secondary);
  }

  /** The host comes back, recovers or is promoted, and dies a second time. */
  async #runAgain(point: CrashPoint): Promise<void> {
    this.#options.say(point.stage === 'recovering' ? 'started again, and killed in its recovery' : 'promoted, and killed in the promotion');
    const secondary = this.#processes.host(this.#scene.secondary, [CRASH_HOST, this.#scene.secondary.config, point.name]);
    await meets(secondary, point);
  }
}

function wrongPoint(message: string): UsageError {
  return new UsageError('ERR_FIXTURE_CRASH_POINT', message, { hint: '"farshore fixture record --list" shows the crash points' });
}

/** Wait for the end of a host that is to meet its crash point. @throws FarshoreError ERR_FIXTURE_NOT_MET */
async function meets(host: HostProcess, point: CrashPoint, meanwhile: Promise<unknown> = new Promise(() => {})): Promise<void> {
  const limit = { what: `the crash point ${point.name}`, limitMs: MEET_MS };
  const dead = endOf(host);
  try {
    await within(Promise.race([dead, meanwhile]), limit);
    await within(dead, limit);
  } catch (error) {
    if (errnoOf(error) === 'ERR_DEMO_TIMEOUT')
      throw notMet(host, point, `did not meet the crash point ${point.name} within ${MEET_MS / 1000} s`);
    throw error;
  }
  if (host.child.signalCode === 'SIGKILL') return;
  throw notMet(host, point, `ended (${host.child.signalCode ?? `exit code ${host.child.exitCode}`}) before the crash point ${point.name}`);
}

function notMet(host: HostProcess, point: CrashPoint, what: string): FarshoreError {
  return new FarshoreError('ERR_FIXTURE_NOT_MET', `the ${host.files.role} ${what}`, {
    hint: 'another seed, or more slots, may meet it; the end of its log stands in the details',
    details: { crashPoint: point.name, log: host.logTail(LOG_LINES_SHOWN).split('\n') },
  });
}

function endOf(host: HostProcess): Promise<void> {
  if (host.hasEnded) return Promise.resolve();
  return new Promise((resolve) => void host.child.once('exit', () => resolve()));
}

async function kill(host: HostProcess): Promise<void> {
  host.child.kill('SIGKILL');
  await within(endOf(host), { what: `the ${host.files.role} to end`, limitMs: MEET_MS });
}

/** Everything complete is destaged, or time is over. */
async function settle(secondary: HostProcess): Promise<void> {
  const settled = until(
    async () => {
      const { dataSets } = (await statusOf(secondary)) ?? {};
      return dataSets !== undefined && dataSets.complete === dataSets.destaged ? true : null;
    },
    { what: 'the secondary to settle', limitMs: SETTLE_MS },
  );
  await settled.catch(() => sleep(0));
}
