/** The states from which cells begin; made once, with real processes, and copied for each cell. */
import { askStatus } from '../../src/cli/control-client.ts';
import { initHost } from '../../src/cli/init-host.ts';
import { loadConfig } from '../../src/cli/config/load-config.ts';
import { sleep, type Host } from '../support/host-process.ts';
import { FIRST_STEPS, runSteps, type Step } from './history.ts';
import { acknowledgedIn, startPrimary } from './inner-host.ts';
import { Scene, SLOTS, type Template } from './scene.ts';
import { pathsOf, TRACED_ENVIRONMENT } from './traced.ts';
import { join } from 'node:path';

const REACHED_MS = 20_000;

/** Initialise without a process. */
export async function initInside(host: Host): Promise<void> {
  host.writeConfig();
  await initHost(await loadConfig(host.configPath), { zeroExisting: false, onProgress: () => {} });
}

/** Two hosts after `init`, which never met. */
export async function freshTemplate(): Promise<Scene> {
  const scene = await Scene.open(null);
  await initInside(scene.hosts.primary);
  await initInside(scene.hosts.secondary);
  return scene;
}

/** Parts of the history of `killedTemplate`, each after the one before has come so far as it is to come. */
const DESTAGED: readonly Step[] = [...FIRST_STEPS.slice(0, 2), { pauseMs: 5 }, 'flush'];
const STUCK: readonly Step[] = [...FIRST_STEPS.slice(4, 6), { pauseMs: 5 }, 'flush'];
const COMPLETE: readonly Step[] = [{ volume: 'log', kind: 'write', offset: 8192, lengthBytes: 4096 }, { pauseMs: 5 }, 'flush'];
const PARTIAL: readonly Step[] = [
  { volume: 'db1', kind: 'trim', offset: 12_288, lengthBytes: 4096 },
  { volume: 'db1', kind: 'write', offset: 32_768, lengthBytes: 8192 },
];
const UNSENT: readonly Step[] = [
  { volume: 'log', kind: 'write', offset: 98_304, lengthBytes: 4096 },
  { pauseMs: 5 },
  'flush',
  { volume: 'db1', kind: 'write', offset: 65_536, lengthBytes: 4096 },
];

/**
 * A secondary that was killed with one data set destaged but not under its watermark, one complete, and one partial; and its primary,
 * stopped cleanly, which holds what was never sent.
 */
export async function killedTemplate(): Promise<{ scene: Scene; complete: number }> {
  const scene = await freshTemplate();
  const { primary, secondary } = scene.hosts;
  // Only a flush closes a data set, so that the last one stays open.
  primary.config.dataSets = { ...primary.config.dataSets, maxAge: '60s' };
  const inner = await startPrimary(primary, scene.lines);
  const volumes = pathsOf('volumes', 'secondary', SLOTS).flatMap((path) => ['-P', join(scene.folder, path)]);
  // From the third flush of its volumes on, the secondary waits for its disk, long enough for what follows.
  const stuck = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:delay_enter=4000000:when=3+'];
  secondary.launch([], { env: TRACED_ENVIRONMENT, wrapper: ['strace', '-D', '-f', '-o', scene.tracePath, ...volumes, ...stuck] });
  const run = async (steps: readonly Step[]): Promise<void> => {
    const { problem } = await runSteps({ host: primary, history: scene.history, steps, alive: () => true });
    if (problem !== null) throw new Error(`a template's request: ${problem}`);
  };
  await reached(() => inner.links?.openLinks.length === 2, 'two links');
  await run(DESTAGED);
  await reached(() => acknowledgedIn(inner.status()) === 2 && inner.status().behind.dataSets === 0, 'one data set destaged');
  await run(STUCK);
  await run(COMPLETE);
  await reached(() => acknowledgedIn(inner.status()) === 5, 'three data sets complete');
  await run(PARTIAL);
  await reached(async () => {
    const { sequence } = await askStatus({ kind: 'socket', path: secondary.controlSocket });
    return sequence.durable === inner.status().sequence.open;
  }, 'a partial data set durable');
  await secondary.kill();
  await reached(() => inner.links?.openLinks.length === 0, 'the links lost');
  await run(UNSENT);
  await inner.stop();
  primary.config.dataSets = { ...primary.config.dataSets, maxAge: '20ms' };
  return { scene, complete: 5 };
}

async function reached(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + REACHED_MS;
  for (;;) {
    if (await Promise.resolve(condition()).catch(() => false)) return;
    if (performance.now() > deadline) throw new Error(`a template does not reach: ${what}`);
    await sleep(10);
  }
}

/** All templates; `remove` them when every cell is done. */
export async function makeTemplates(): Promise<{ fresh: Template; killed: Template; remove: () => void }> {
  const fresh = await freshTemplate();
  const { scene, complete } = await killedTemplate();
  const templateOf = ({ folder, history }: Scene, known: number): Template => ({ folder, requests: history.requests, complete: known });
  return {
    fresh: templateOf(fresh, 0),
    killed: templateOf(scene, complete),
    remove: () => {
      fresh.remove();
      scene.remove();
    },
  };
}
