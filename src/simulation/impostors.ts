/** Hosts that come back as somebody else: restored, cloned, initialised anew, one too many. The handshake must find out (I8). */
import type { SimulatedDisk } from './disk.ts';
import type { History } from './history.ts';
import { PrimaryHost } from './primary-host.ts';
import { Promises } from './promises.ts';
import { SecondaryHost } from './secondary-host.ts';
import type { Story } from './story.ts';

export const IMPOSTORS = [
  'secondary restored from an older copy',
  'secondary initialised anew',
  'second secondary',
  'cloned secondary',
  'primary restored from an older copy',
  'second primary',
  'primary of another group',
] as const;
export type Impostor = (typeof IMPOSTORS)[number];

interface Copy {
  readonly disk: SimulatedDisk;
  readonly promises: Promises;
  readonly history: History;
  readonly dataSets: number;
}

interface Copying {
  taken: Copy | null;
  used: boolean;
}

const copies = new WeakMap<Story, Copying>();

/** Take a copy when the time has come, and put the impostor in its place later. */
export function replaceHost(story: Story, impostor: Impostor): void {
  const state = copies.get(story) ?? { taken: null, used: false };
  copies.set(story, state);
  if (state.used || !story.random.chance(0.5)) return;
  if (state.taken === null) {
    lookForCopy(story, { impostor, state, looksLeft: COPY_LOOKS_MAX });
    return;
  }
  state.used = useCopy(story, impostor, state.taken);
  if (state.used) story.simulation.counters.restored += 1;
}

/** The impostor has not come yet. */
export function impostorIsDue(story: Story): boolean {
  return story.impostor !== null && copies.get(story)?.used !== true;
}

/** A primary that was told to stop is not down at once. */
const COPY_LOOK_US = 2_000;
const COPY_LOOKS_MAX = 60;

function lookForCopy(story: Story, look: { impostor: Impostor; state: Copying; looksLeft: number }): void {
  const { impostor, state, looksLeft } = look;
  state.taken ??= takeCopy(story, impostor);
  // What comes after the copy is what it lacks.
  if (state.taken !== null) story.addWorkload(story.primary, story.random.between(3, 15));
  else if (looksLeft > 0 && story.primary.phase === 'stopping')
    story.simulation.universe.world.schedule(COPY_LOOK_US, 'copy', () => lookForCopy(story, { ...look, looksLeft: looksLeft - 1 }), null);
}

/** A copy of a host, consistent as a snapshot of its disk is; of a primary only one that had stopped cleanly can be started. */
function takeCopy(story: Story, impostor: Impostor): Copy | null {
  const { primary, secondary } = story;
  const { history } = primary;
  const ofPrimary = impostor === 'primary restored from an older copy' || impostor === 'second primary';
  if (ofPrimary && !(primary.phase === 'down' && primary.stoppedCleanly)) {
    primary.stop();
    return null;
  }
  const disk = (ofPrimary ? primary : secondary).disk.after('what is durable');
  return { disk, promises: secondary.promises.copy(), history, dataSets: history.sets.length };
}

function useCopy(story: Story, impostor: Impostor, copy: Copy): boolean {
  const { simulation, secondary } = story;
  switch (impostor) {
    case 'secondary restored from an older copy':
      secondary.crash('what is durable');
      secondary.disk = copy.disk;
      secondary.promises = copy.promises;
      secondary.isImpostor = true;
      return true;
    case 'secondary initialised anew':
      secondary.crash('what is durable');
      secondary.disk = simulation.makeDisk(simulation.templates.secondary(simulation.setting.geometry));
      secondary.promises = new Promises();
      secondary.isImpostor = true;
      return true;
    case 'second secondary':
    case 'cloned secondary':
      return addSecondary(story, impostor, copy);
    case 'primary restored from an older copy':
      return restorePrimary(story, copy);
    case 'second primary':
      if (simulation.setting.addresses.length < 2) return true;
      return addPrimary(story, copy.disk, copy.history.forkAt(copy.dataSets));
    case 'primary of another group':
      if (simulation.setting.addresses.length < 2) return true;
      return addPrimary(story, simulation.makeDisk(simulation.templates.primary(2)), simulation.newHistory());
  }
}

function restorePrimary(story: Story, copy: Copy): boolean {
  const { primary, secondary } = story;
  if (primary.phase === 'stopping' || primary.phase === 'starting') return false;
  primary.crash('what is durable');
  primary.disk = copy.disk;
  const given = { records: primary.history.nextSequence, dataSets: primary.history.sets.length };
  primary.history = copy.history.forkAt(copy.dataSets);
  primary.stoppedCleanly = true;
  primary.groupFailed = false;
  primary.phase = 'down';
  story.forgetWrites(primary);
  secondary.isImpostor = true;
  writeUnseen(story, given);
  return true;
}

/** Virtual time between two looks at a primary that writes unseen, and how many looks it gets. */
const UNSEEN_LOOK_US = 20_000;
const UNSEEN_LOOKS_MAX = 60;

/**
 * Let the restored primary give as many numbers again as it had given before, often over one more clean stop, and only then meet its
 * secondary: the numbers no longer tell that they are others, nor does the run of the primary; only the chain does.
 */
function writeUnseen(story: Story, given: { readonly records: number; readonly dataSets: number }): void {
  const { simulation, primary, random } = story;
  const { network, universe } = simulation;
  story.writesUnseen = true;
  for (const path of network.paths) path.cut = true;
  network.breakLinks(null);
  primary.start();
  story.addWorkload(primary, random.between(5, 30));
  let stopsDue = random.chance(0.6) ? 1 : 0;
  let looksLeft = UNSEEN_LOOKS_MAX;
  const look = (): void => {
    const { history, phase } = primary;
    const givenUp = primary.groupFailed || phase === 'refused' || looksLeft === 0;
    looksLeft -= 1;
    if (!givenUp && (phase !== 'up' || history.nextSequence <= given.records || history.sets.length <= given.dataSets)) {
      if (phase === 'down') primary.start();
      else story.addWorkload(primary, 2);
    } else if (!givenUp && stopsDue > 0) {
      stopsDue -= 1;
      primary.stop();
    } else {
      for (const path of network.paths) path.cut = false;
      story.writesUnseen = false;
      return;
    }
    universe.world.schedule(UNSEEN_LOOK_US, 'unseen', look, null);
  };
  universe.world.schedule(UNSEEN_LOOK_US, 'unseen', look, null);
}

/** The real pair alone must come to rest again, or the handshake has refused one of them. */
export function removeRivals(story: Story): void {
  const { simulation, primary, secondary } = story;
  for (const host of [...simulation.primaries, ...simulation.secondaries]) {
    if (host === primary || host === secondary) continue;
    // One that was refused says so for good: that is how such a story may end.
    if (host.phase !== 'refused') simulation.remove(host);
  }
}

function addSecondary(story: Story, impostor: Impostor, copy: Copy): boolean {
  const { simulation, secondary } = story;
  secondary.isImpostor = true;
  const add = (disk: SimulatedDisk, promises: Promises): void => {
    const host = new SecondaryHost({ name: 'other', around: simulation, disk, history: copy.history });
    host.promises = promises;
    host.isImpostor = true;
    simulation.secondaries.push(host);
  };
  if (impostor === 'cloned secondary') add(copy.disk, copy.promises);
  else add(simulation.makeDisk(simulation.templates.secondary(simulation.setting.geometry)), new Promises());
  return true;
}

/** Another primary answers on the second address. */
function addPrimary(story: Story, disk: SimulatedDisk, history: History): boolean {
  const { simulation, secondary } = story;
  const { addresses } = simulation.setting;
  const host = new PrimaryHost({ name: 'rival', around: simulation, disk, history, addresses: addresses.slice(1) });
  simulation.primaries.push(host);
  secondary.isImpostor = true;
  story.addWorkload(host, 6);
  return true;
}
