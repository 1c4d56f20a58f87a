/**
 * The demo: replication in write-back mode, a killed host and another in its place, with real processes, judged by what the
 * application itself wrote.
 *
 * 1 **make** three hosts; 2 **write** through NBD and remember everything; 3 **kill** the primary in mid-write; 4 **promote** the
 * secondary; 5 **compare** its volumes with the history; 6 **start** the old primary again, which must refuse. Or 3 **kill** the
 * secondary; 4 **take over** with the peer while the application goes on; 5 **compare** when all is drained; 6 **start** the old
 * secondary again, which must refuse. With `keep` it writes, **drains**, **compares** and leaves all hosts running.
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
import { performTakeover } from './takeover.ts';
import type { TakeoverDemoReport } from './takeover-verdict.ts';
import { DemoProcesses } from './processes.ts';
import { makeScene, REGION_BYTES, SLOT_BYTES, SLOTS, type Scene } from './scene.ts';
import { Screen, table } from './screen.ts';
import type { DemoReport } from './verdict.ts';

export interface DemoOptions {
  readonly keep: boolean;
  /** Which host dies, unless all are kept. */
  readonly kill: 'primary' | 'secondary';
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

export type AnyReport = DemoReport | TakeoverDemoReport | KeepReport;

const SEED_MAX = 2 ** 31 - 1;

/** Run the demo. @throws FarshoreError ERR_DEMO_*, and what the hosts and their clients fail with */
export async function runDemo(options: DemoOptions): Promise<AnyReport> {
  const { keep, kill } = options;
  const seed = options.seed ?? randomInt(SEED_MAX);
  const screen = new Screen(options.stream, { steps: keep ? 4 : 6 });
  const scene = makeScene();
  const processes = new DemoProcesses({ detached: keep });
  let leaveFolder = false;
  const removeFolder = (): void => {
    if (leaveFolder) return;
    rmSync(scene.folder, { recursive: true, force: true, maxRetries: 3 });
    rmSync(scene.regionPath, { force: true });
  };
  const endNow = (): void => {
    processes.killAll();
    removeFolder();
  };
  process.once('exit', endNow);
  const interrupt = listenForSignals();
  try {
    introduce(screen, { keep, kill, seed, folder: scene.folder });
    const report = await Promise.race([interrupt.interrupted, perform({ scene, screen, processes, seed, keep, kill })]);
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
  kill: DemoOptions['kill'];
}): Promise<AnyReport> {
  const { scene, screen, processes } = demo;
  screen.step('Make three hosts: farshore init and farshore start, for each of them');
  const hosts = await startHosts(scene, processes);
  const volumes = scene.volumes.map(({ name, blocks }) => `${name} (${formatBytes(blocks * 512)})`).join(' and ');
  screen.lines(
    table([
      ['primary', `pid ${hosts.primary.pid}, serves ${volumes} over NBD; status http://${hosts.primaryPage}/`],
      [
        'secondary',
        `pid ${hosts.secondary.pid}, ${SLOTS} journals of ${formatBytes(SLOT_BYTES)}, 2 links, mode write-back; status http://${hosts.secondaryPage}/`,
      ],
      ['peer', `pid ${hosts.peer.pid}, ${formatBytes(REGION_BYTES)} of NVRAM: ${scene.regionPath}; status http://${hosts.peerPage}/`],
    ]),
  );
  const stage: Stage = { scene, screen, processes, hosts, history: new History(demo.seed, scene.volumes) };
  if (demo.keep) return performKeep(stage);
  return demo.kill === 'primary' ? performFailover(stage) : performTakeover(stage);
}

type Introduced = Pick<DemoOptions, 'keep' | 'kill'> & { readonly seed: number; readonly folder: string };

function introduce(screen: Screen, { keep, kill, seed, folder }: Introduced): void {
  screen.title(`Farshore demo, seed ${seed}`);
  const story = keep
    ? 'The copy is compared, byte for byte, with what the application wrote; then all hosts are left running for you.'
    : kill === 'primary'
      ? 'Then the primary is killed in mid-write, the secondary takes over, and its copy is compared, byte for byte, with what the application wrote.'
      : 'Then the secondary is killed in mid-write, for good; the peer takes its place while the application goes on, and the copy is compared, byte for byte, with what the application wrote.';
  screen.paragraph(
    'Three hosts run on this machine, as real processes. An application writes to two volumes of the primary, the secondary keeps a copy of them, ' +
      `and the peer holds in its memory what the secondary has acknowledged and not journaled yet (write-back). ${story}`,
  );
  screen.paragraph(
    `Everything is in ${folder}${keep ? '.' : ', which is removed at the end; "--keep" kills nobody and leaves all hosts running instead.'}`,
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
