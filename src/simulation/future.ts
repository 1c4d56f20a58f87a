/**
 * Ask a disk for one of its futures: the power is cut now, the host starts again from what is left, and goes on until it rests. Then all
 * volumes are the history's at exactly one data set, and nothing that was promised is missing. The host itself notices nothing.
 */
import { messageOf } from '../model/errors.ts';
import { Secondary } from '../secondary/secondary.ts';
import type { SimulatedDisk } from './disk.ts';
import { JOURNALS_DIRECTORY } from './setting.ts';
import { judgeRebuilt } from './held-oracle.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { secondaryOptions } from './secondary-options.ts';
import { judgeVolumesAt } from './storage-oracle.ts';
import { settlePromises } from './virtual-globals.ts';
import { violated } from './violation.ts';
import { World } from './virtual-time.ts';

const STEPS_MAX = 5_000;

export async function judgeFuture(host: SecondaryHost): Promise<void> {
  const { universe, setting } = host.around;
  const { promises, history } = host;
  const present = universe.world;
  const world = new World();
  world.nowUs = present.nowUs;
  world.life = { name: `${host.name} in a future`, dead: false };
  const disk = host.disk.after('what is durable', { world });
  disk.heal();
  universe.world = world;
  try {
    let failure: Error | null = null;
    let secondary: Secondary | null = null;
    const options = {
      ...secondaryOptions(disk),
      connect: [],
      links: 1,
      journals: { directory: JOURNALS_DIRECTORY, geometry: setting.geometry },
      dial: false,
    };
    const start = async (): Promise<void> => {
      try {
        secondary = await Secondary.start({
          ...options,
          log: (level, message) => (level === 'error' ? (failure ??= new Error(message)) : undefined),
        });
      } catch (error) {
        failure = error instanceof Error ? error : new Error(messageOf(error));
      }
    };
    void start();
    await runUntil(world, () => secondary !== null || failure !== null);
    const refusal = failure as Error | null;
    if (refusal !== null) violated('recovery', `after a power cut now, recovery refuses: ${refusal.message}`);
    const started = secondary as unknown as Secondary;
    if (judgeStarted(host, started, disk) || started.replica === null) return;
    const { replica } = started;
    await runUntil(world, () => replica.isSettled || failure !== null);
    const failed = failure as Error | null;
    if (failed !== null) violated('recovery', `after a power cut now, the recovered host fails: ${failed.message}`);
    const found = replica.watermarkPoint?.dataSet ?? -1;
    if (found < promises.completeThrough(history))
      violated(
        'I1 prefix',
        `after a power cut now, the copy is at data set ${found}; ${promises.completeThrough(history)} was acknowledged complete`,
      );
    if (found < promises.storage.watermark) violated('I1 prefix', `after a power cut now, the copy goes back to ${found}`);
    if (found >= 0 && history.sets[found]?.chain !== replica.watermarkPoint?.chain)
      violated('I1 prefix', `the recovered copy has a chain that never was`);
    for (const what of ['cached', 'durable'] as const) judgeVolumesAt(disk, history, found, what);
  } finally {
    disk.dead = true;
    universe.world = present;
  }
}

/** Judge what the start found; true if it is a promoted host, whose volumes must be whole already. */
function judgeStarted(host: SecondaryHost, started: Secondary, disk: SimulatedDisk): boolean {
  const { history, promises } = host;
  if (started.state.condition !== 'promoted') {
    judgeRebuilt({ promises, secondary: started }, history);
    return false;
  }
  if (!host.mayBePromoting) violated('I8 generation', 'a host that nobody promoted finds itself promoted');
  const kept = started.state.divergedFrom?.dataSet ?? -1;
  if (kept < promises.completeThrough(history))
    violated(
      'I1 prefix',
      `after a power cut now, the promotion keeps data set ${kept}; ${promises.completeThrough(history)} was acknowledged complete`,
    );
  // What a promoted host's own application wrote since is not judged.
  if (host.promotion !== 'done') judgeVolumesAt(disk, history, kept, 'cached');
  return true;
}

async function runUntil(world: World, condition: () => boolean): Promise<void> {
  for (let steps = 0; ; steps += 1) {
    await settlePromises();
    if (condition()) return;
    if (steps > STEPS_MAX || !world.step()) violated('liveness', 'a recovered host never comes to rest');
  }
}
