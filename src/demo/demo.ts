/**
 * The demo: replication, a killed primary and a promotion, with real processes, judged by what the application itself wrote.
 *
 * 1 **make** two hosts; 2 **write** through NBD and remember everything; 3 **kill** the primary in mid-write; 4 **promote** the
 * secondary; 5 **compare** its volumes with the history; 6 **start** the old primary again, which must refuse. With `keep` it writes,
 * **drains**, **compares** and leaves both hosts running.
 *
 * It does not show a power failure: what a killed process has written stays in the page cache.
 */
import { randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { FarshoreError, messageOf } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import { performFailover } from './failover.ts';
import { History } from './history.ts';
import { startHosts, type Hosts } from './hosts.ts';
import { performKeep, type KeepReport } from './keep.ts';
import { DemoProcesses } from './processes.ts';
import { makeScene, SLOT_BYTES, SLOTS, type Scene } from './scene.ts';
import { Screen, table } from './screen.ts';
import type { DemoReport } from './verdict.ts';

export interface DemoOptions {
  readonly keep: boolean;
  /** Null: one of the demo's choice, which it shows. */
  readonly seed: number | null;
  readonly stream: NodeJS.WriteStream;
}

/** What every part of the demo works with. */
export interface Stage {
  readonly scene: Scene;
  readonly screen: Screen;
  readonly processes: DemoProcesses;
  readonly hosts: Hosts;
  readonly history: History;
}

const SEED_MAX = 2 ** 31 - 1;

/** Run the demo. @throws FarshoreError ERR_DEMO_*, and what the hosts and their clients fail with */
export async function runDemo(options: DemoOptions): Promise<DemoReport | KeepReport> {
  const { keep } = options;
  const seed = options.seed ?? randomInt(SEED_MAX);
  const screen = new Screen(options.stream, { steps: keep ? 4 : 6 });
  const scene = makeScene();
  const processes = new DemoProcesses({ detached: keep });
  let leaveFolder = false;
  const removeFolder = (): void => {
    if (!leaveFolder) rmSync(scene.folder, { recursive: true, force: true, maxRetries: 3 });
  };
  const endNow = (): void => {
    processes.killAll();
    removeFolder();
  };
  process.once('exit', endNow);
  const interrupt = listenForSignals();
  try {
    introduce(screen, { keep, seed, folder: scene.folder });
    const report = await Promise.race([interrupt.interrupted, perform({ scene, screen, processes, seed, keep })]);
    leaveFolder = report.folder !== null;
    if (keep && report.verdict === 'good') processes.release();
    return report;
  } catch (error) {
    if (!isInterrupt(error))
      for (const host of processes.hosts) screen.lines([`the end of ${host.files.log}:`, ...host.logTail().split('\n')]);
    throw error;
  } finally {
    await processes.stopAll();
    interrupt.end();
    removeFolder();
    process.off('exit', endNow);
  }
}

async function perform(demo: {
  scene: Scene;
  screen: Screen;
  processes: DemoProcesses;
  seed: number;
  keep: boolean;
}): Promise<DemoReport | KeepReport> {
  const { scene, screen, processes } = demo;
  screen.step('Make two hosts: farshore init and farshore start, for each of them');
  const hosts = await startHosts(scene, processes);
  const volumes = scene.volumes.map(({ name, blocks }) => `${name} (${formatBytes(blocks * 512)})`).join(' and ');
  screen.lines(
    table([
      ['primary', `pid ${hosts.primary.pid}, serves ${volumes} over NBD; status http://${hosts.primaryPage}/`],
      [
        'secondary',
        `pid ${hosts.secondary.pid}, ${SLOTS} journals of ${formatBytes(SLOT_BYTES)}, 2 links; status http://${hosts.secondaryPage}/`,
      ],
    ]),
  );
  const stage: Stage = { scene, screen, processes, hosts, history: new History(demo.seed, scene.volumes) };
  return demo.keep ? performKeep(stage) : performFailover(stage);
}

function introduce(screen: Screen, { keep, seed, folder }: { keep: boolean; seed: number; folder: string }): void {
  screen.title(`Farshore demo, seed ${seed}`);
  screen.paragraph(
    'Two hosts run on this machine, as real processes. An application writes to two volumes of the primary, and the secondary keeps a copy of them. ' +
      (keep
        ? 'The copy is compared, byte for byte, with what the application wrote; then both hosts are left running for you.'
        : 'Then the primary is killed in mid-write, the secondary takes over, and its copy is compared, byte for byte, with what the application wrote.'),
  );
  screen.paragraph(
    `Everything is in ${folder}${keep ? '.' : ', which is removed at the end; "--keep" kills nobody and leaves both hosts running instead.'}`,
  );
}

function isInterrupt(error: unknown): boolean {
  return error instanceof FarshoreError && error.code === 'ERR_DEMO_INTERRUPTED';
}

/** SIGINT, SIGTERM and SIGHUP end the demo in order; more of them change nothing, because its end is bounded. */
function listenForSignals(): { interrupted: Promise<never>; end: () => void } {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let interrupt: (signal: NodeJS.Signals) => void = () => {};
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = (signal) => reject(new FarshoreError('ERR_DEMO_INTERRUPTED', `${signal}: the demo was ended before its verdict`));
  });
  // Nobody waits for it once the demo has come to its end.
  interrupted.catch(messageOf);
  for (const signal of signals) process.on(signal, interrupt);
  return {
    interrupted,
    end: () => {
      for (const signal of signals) process.off(signal, interrupt);
    },
  };
}
