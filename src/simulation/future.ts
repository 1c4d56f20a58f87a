/**
 * Ask a disk for one of its futures: the power is cut now, the host starts again from what is left, and goes on until it rests. Then all
 * volumes are the history's at exactly one data set, and nothing that was promised is missing. The host itself notices nothing.
 *
 * With a peer there are two: the host is alone, and what only the peer has is missing; or it is gone for good, and the peer takes its
 * place: then nothing is missing that both did not lose.
 */
import { messageOf } from '../model/errors.ts';
import { openRegion } from '../peer/nvram/region.ts';
import type { AdoptedRegion } from '../secondary/mirror/adopt-region.ts';
import { Secondary } from '../secondary/secondary.ts';
import type { SimulatedDisk } from './disk.ts';
import { JOURNALS_DIRECTORY } from './setting.ts';
import { judgeRebuilt } from './held-oracle.ts';
import type { PeerHost } from './peer-host.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { secondaryOptions } from './secondary-options.ts';
import { judgeVolumesAt } from './storage-oracle.ts';
import { settlePromises } from './virtual-globals.ts';
import { violated } from './violation.ts';
import { World } from './virtual-time.ts';

const STEPS_MAX = 5_000;

/** @param peer takes the host's place; null: the host starts alone */
export async function judgeFuture(host: SecondaryHost, peer: PeerHost | null = null): Promise<void> {
  const { universe, setting } = host.around;
  const { promises, history } = host;
  const without = peer === null ? 'peer' : 'nobody';
  const least = peer === null ? promises.completeWithoutPeer(history) : promises.completeThrough(history);
  const present = universe.world;
  const world = new World();
  world.nowUs = present.nowUs;
  world.life = { name: `${host.name} in a future`, dead: false };
  const disk = host.disk.after('what is durable', { world, locksOfOthers: new Set() });
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
      ...(peer === null ? {} : { adopt: regionOf(peer, world) }),
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
    if (judgeStarted(host, { started, disk, without, least }) || started.replica === null) return;
    const { replica } = started;
    await runUntil(world, () => replica.isSettled || failure !== null);
    const failed = failure as Error | null;
    if (failed !== null) violated('recovery', `after a power cut now, the recovered host fails: ${failed.message}`);
    const found = replica.watermarkPoint?.dataSet ?? -1;
    if (found < least) violated('I1 prefix', `after a power cut now, the copy is at data set ${found}; ${least} was acknowledged complete`);
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
function judgeStarted(
  host: SecondaryHost,
  { started, disk, without, least }: { started: Secondary; disk: SimulatedDisk; without: 'nobody' | 'peer'; least: number },
): boolean {
  const { history, promises } = host;
  if (started.state.condition !== 'promoted') {
    judgeRebuilt({ promises, secondary: started }, history, without);
    return false;
  }
  if (!host.mayBePromoting) violated('I8 generation', 'a host that nobody promoted finds itself promoted');
  const kept = started.state.divergedFrom?.dataSet ?? -1;
  if (kept < least)
    violated('I1 prefix', `after a power cut now, the promotion keeps data set ${kept}; ${least} was acknowledged complete`);
  // What a promoted host's own application wrote since is not judged.
  if (host.promotion !== 'done') judgeVolumesAt(disk, history, kept, 'cached');
  return true;
}

/** What the peer's disk holds, read as a takeover reads it. */
function regionOf(peer: PeerHost, world: World): AdoptedRegion {
  const disk = peer.disk.after('page cache', { world });
  disk.heal();
  const opened = openRegion({ disk, ...peer.nvram });
  if (opened.kind !== 'open') return violated('I2 held', `a region that was not lost is ${opened.kind}`);
  return { source: 'the region', segments: () => opened.region.segments(), adopted: () => opened.region.close() };
}

async function runUntil(world: World, condition: () => boolean): Promise<void> {
  for (let steps = 0; ; steps += 1) {
    await settlePromises();
    if (condition()) return;
    if (steps > STEPS_MAX || !world.step()) violated('liveness', 'a recovered host never comes to rest');
  }
}
