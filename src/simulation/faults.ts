/** Everything that may go wrong, as docs/simulation.md states it: each fault is one entry, chosen with its weight, and ends by itself. */
import type { Counters } from './host.ts';
import { type Network, SIDES } from './network.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { Random } from './random.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { SLOW_FILES } from './setting.ts';
import type { World } from './virtual-time.ts';

export interface FaultScope {
  readonly world: World;
  readonly random: Random;
  readonly network: Network;
  readonly counters: Counters;
  readonly primary: PrimaryHost;
  readonly secondary: SecondaryHost;
  /** Clean stops of the primary happen in this story. */
  readonly mayStopPrimary: boolean;
  readonly mayFailDisk: boolean;
  /** The primary's own volume may fail: the group has failed then, and the secondary is promoted (I10). */
  readonly mayFailPrimary: boolean;
}

interface Fault {
  readonly weight: number;
  readonly happen: (scope: FaultScope) => void;
}

const after = ({ world }: FaultScope, delayUs: number, label: string, work: () => void): void =>
  void world.schedule(delayUs, label, work, null);

const FAULTS: readonly Fault[] = [
  { weight: 12, happen: loseLinks },
  { weight: 5, happen: cutPath },
  { weight: 6, happen: clogPath },
  { weight: 4, happen: duplicate },
  { weight: 2, happen: corrupt },
  { weight: 5, happen: stray },
  { weight: 8, happen: crashSecondary },
  { weight: 10, happen: crashSecondarySoon },
  { weight: 5, happen: slowDisk },
  { weight: 6, happen: failDisk },
  { weight: 3, happen: stopPrimary },
  { weight: 4, happen: crashPrimarySoon },
  { weight: 1, happen: swallowLink },
  { weight: 2, happen: jumpClock },
];

/** Each story has its own mixture, so that some see much of what is rare: one kind of fault after another. */
const mixtures = new WeakMap<Network, readonly number[]>();

function mixtureOf({ network, random }: FaultScope): readonly number[] {
  const known = mixtures.get(network);
  if (known !== undefined) return known;
  const isMixed = random.chance(0.5);
  const mixture = FAULTS.map(({ weight }) => (isMixed ? weight * random.pick([0, 1, 1, 8]) : weight));
  mixtures.set(network, mixture);
  return mixture;
}

/** Let one fault happen. */
export function injectFault(scope: FaultScope): void {
  const mixture = mixtureOf(scope);
  let choice = scope.random.int(mixture.reduce((sum, weight) => sum + weight, 1));
  for (const [index, { happen }] of FAULTS.entries()) {
    const weight = mixture[index] ?? 0;
    if (choice < weight) return happen(scope);
    choice -= weight;
  }
}

function loseLinks(scope: FaultScope): void {
  const { network, random, counters } = scope;
  counters.linkLosses += network.breakLinks(random.chance(0.6) ? random.pick(network.paths) : null);
}

function cutPath(scope: FaultScope): void {
  const { network, random, counters } = scope;
  const path = random.pick(network.paths);
  path.cut = true;
  counters.linkLosses += network.breakLinks(path);
  after(scope, random.int(200_000), 'path is back', () => {
    path.cut = false;
  });
}

/** Clogged, or deaf in one direction; sometimes for so long that the silence ends the links. */
function clogPath(scope: FaultScope): void {
  const { network, random, counters } = scope;
  const path = random.pick(network.paths);
  const side = random.pick(SIDES);
  counters.partitions += 1;
  network.clog(path, side);
  after(scope, random.chance(0.1) ? 14_000_000 : random.int(100_000), 'path is clear', () => network.unclog(path, side));
}

function duplicate(scope: FaultScope): void {
  const { network, random } = scope;
  network.duplicateChance = 0.5;
  after(scope, 5_000 + random.int(60_000), 'no more duplicates', () => {
    network.duplicateChance = 0.05;
  });
}

function corrupt(scope: FaultScope): void {
  const { network, random } = scope;
  network.corruptChance = 0.2;
  after(scope, 5_000 + random.int(30_000), 'no more damage', () => {
    network.corruptChance = 0;
  });
}

/** A record that does not belong where it arrives: of another stream, or a contradiction of one that came before it. */
function stray({ network }: FaultScope): void {
  network.straysDue += 2;
}

const KEPT = ['page cache', 'what is durable'] as const;

function crashSecondary({ secondary, random }: FaultScope): void {
  const kept = random.pick(KEPT);
  secondary.crash(kept);
  // Killed, started from the page cache, and then the power is cut.
  if (kept === 'page cache' && random.chance(0.5)) secondary.crashInNextLife(1 + random.int(40), 'what is durable');
}

/** Between two disk operations; soon enough to meet the recovery of a host that has just been started. */
function crashSecondarySoon({ secondary, random }: FaultScope): void {
  if (secondary.phase !== 'down' && random.chance(0.2))
    return secondary.crashBefore(random.pick(['syncDirectory', 'rename', 'replaceFile', 'flush', 'allocate'] as const), random.pick(KEPT));
  if (secondary.phase === 'down') secondary.crashInNextLife(1 + random.int(60), random.pick(KEPT));
  else secondary.crashAfterOperations(1 + random.int(random.chance(0.5) ? 12 : 80), random.pick(KEPT));
}

function slowDisk(scope: FaultScope): void {
  const { random, counters } = scope;
  const host = random.chance(0.7) ? scope.secondary : scope.primary;
  counters.slowDisks += 1;
  const isWhole = random.chance(0.5);
  if (isWhole) host.disk.slowness = random.between(5, 60);
  else host.disk.slowFile = random.pick(SLOW_FILES);
  after(scope, random.int(80_000), 'disk is fast', () => {
    host.disk.slowness = 1;
    host.disk.slowFile = null;
  });
}

function failDisk(scope: FaultScope): void {
  const { random, primary, secondary, counters, mayFailDisk } = scope;
  if (scope.mayFailPrimary && random.chance(0.6)) {
    counters.diskFailures += 1;
    if (random.chance(0.3)) return primary.disk.failNext('replaceFile', random.pick(['EIO', 'ENOSPC'] as const), () => true);
    const { disk } = primary;
    return disk.failNext(random.pick(['write', 'flush'] as const), 'EIO', (path) => {
      if (!path.startsWith('/volumes/')) return false;
      const isSlow = disk.slowness > 1 || disk.slowFile !== null;
      if (disk === primary.disk) primary.mustFailByUs = scope.world.nowUs + (isSlow ? 4_000_000 : 5_000);
      return true;
    });
  }
  if (!mayFailDisk || secondary.phase !== 'up') return;
  counters.diskFailures += 1;
  const { disk } = secondary;
  const isJournal = (path: string): boolean => path.endsWith('.journal');
  const isVolume = (path: string): boolean => path.startsWith('/volumes/');
  const everything = (): boolean => true;
  switch (random.int(12)) {
    case 0:
    case 1:
      // In the middle of the move that follows, too.
      if (random.chance(0.4)) secondary.crashBefore(random.pick(['syncDirectory', 'rename', 'allocate'] as const), random.pick(KEPT));
      return disk.failNext('write', 'EIO', isJournal);
    case 2:
    case 3:
      // The watermark of what was destaged before is under way meanwhile.
      if (random.chance(0.5)) disk.slowFile = /\/watermark$/;
      return disk.failNext('flush', 'EIO', isVolume);
    case 4:
      return disk.failNext('write', 'EIO', isVolume);
    case 5:
      return disk.failNext('write', 'EIO', (path) => path.endsWith('/watermark'));
    case 6:
      return disk.failNext('replaceFile', random.pick(['EIO', 'ENOSPC'] as const), everything);
    case 10:
      disk.isFull = true;
      return after(scope, random.int(60_000), 'disk has space', () => {
        disk.isFull = false;
      });
    case 7:
      return disk.failNext('read', 'EIO', everything);
    case 8:
    case 9:
      disk.failNext('write', 'EIO', isJournal);
      return disk.failNext(random.pick(['rename', 'syncDirectory', 'open'] as const), 'EIO', everything);
    default:
      disk.failNext('write', 'EIO', isJournal);
      return disk.failNext('allocate', 'ENOSPC', (path) => path.endsWith('.spare'));
  }
}

function stopPrimary(scope: FaultScope): void {
  if (scope.mayStopPrimary) scope.primary.stop();
}

/** Where it is lost in the end anyway: between two disk operations of a start, a clean stop, or its work. */
function crashPrimarySoon({ primary, random, mayFailPrimary }: FaultScope): void {
  if (!mayFailPrimary) return;
  const kept = random.pick(KEPT);
  if (random.chance(0.5)) primary.stop();
  if (primary.phase === 'down') primary.crashInNextLife(1 + random.int(20), kept);
  else primary.crashAfterOperations(1 + random.int(20), kept);
}

function swallowLink({ network, counters }: FaultScope): void {
  counters.partitions += 1;
  network.swallow();
}

function jumpClock({ world, random, counters }: FaultScope): void {
  counters.clockJumps += 1;
  world.wallOffsetMs += random.between(-7_200_000, 7_200_000);
}
