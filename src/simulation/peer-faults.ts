/** What may go wrong with a peer, beside the secondary that it helps: each fault is one entry, chosen with its weight, and ends by itself. */
import type { FaultScope } from './faults.ts';
import { SIDES, type Path } from './network.ts';
import type { PeerHost } from './peer-host.ts';
import type { SimulatedHost } from './host.ts';
import { NVRAM_PATH } from './setting.ts';

export interface PeerFaultScope extends FaultScope {
  readonly peer: PeerHost;
}

const KEPT = ['page cache', 'what is durable'] as const;
const JOURNALS = /\.journal$/;

const PEER_FAULTS: readonly { readonly weight: number; readonly happen: (scope: PeerFaultScope) => void }[] = [
  { weight: 6, happen: ({ peer, random }) => peer.crash(random.pick(KEPT)) },
  { weight: 5, happen: crashPeerSoon },
  { weight: 4, happen: crashSecondaryInWriteBack },
  { weight: 3, happen: crashBoth },
  { weight: 5, happen: losePeerLink },
  { weight: 4, happen: cutPeerPath },
  { weight: 5, happen: clogPeerPath },
  { weight: 10, happen: slowJournals },
  { weight: 3, happen: slowRegion },
  { weight: 2, happen: failRegion },
  { weight: 4, happen: ({ peer, ...scope }) => stopProcess(scope, peer) },
  { weight: 2, happen: (scope) => stopProcess(scope, scope.secondary) },
  { weight: 2, happen: ({ secondary }) => secondary.stop() },
];
const WEIGHTS = PEER_FAULTS.reduce((sum, { weight }) => sum + weight, 0);

/** Let one of them happen. */
export function injectPeerFault(scope: PeerFaultScope): void {
  let choice = scope.random.int(WEIGHTS);
  for (const { weight, happen } of PEER_FAULTS) {
    if (choice < weight) return happen(scope);
    choice -= weight;
  }
}

function after({ world }: FaultScope, delayUs: number, label: string, work: () => void): void {
  world.schedule(delayUs, label, work, null);
}

function crashPeerSoon({ peer, random }: PeerFaultScope): void {
  if (peer.phase === 'down') peer.crashInNextLife(1 + random.int(30), random.pick(KEPT));
  else peer.crashAfterOperations(1 + random.int(20), random.pick(KEPT));
}

/** With journals that are slow: then what was acknowledged is with the peer. */
function crashSecondaryInWriteBack(scope: PeerFaultScope): void {
  const { secondary, random } = scope;
  slowJournals(scope);
  after(scope, 2_000 + random.int(60_000), 'crash in write-back', () => secondary.crash(random.pick(KEPT)));
}

function crashBoth({ secondary, peer, random }: PeerFaultScope): void {
  const [first, second] = random.chance(0.5) ? [secondary, peer] : [peer, secondary];
  first.crash(random.pick(KEPT));
  second.crash(random.pick(KEPT));
}

function peerPath({ network, random }: FaultScope): Path {
  return random.pick(network.paths.filter(({ toPeer }) => toPeer));
}

function losePeerLink(scope: PeerFaultScope): void {
  scope.counters.linkLosses += scope.network.breakLinks(peerPath(scope));
}

function cutPeerPath(scope: PeerFaultScope): void {
  const path = peerPath(scope);
  path.cut = true;
  scope.counters.linkLosses += scope.network.breakLinks(path);
  after(scope, scope.random.int(400_000), 'path to the peer is back', () => {
    path.cut = false;
  });
}

/** For less or more than the peer gets to answer. */
function clogPeerPath(scope: PeerFaultScope): void {
  const { network, random, counters } = scope;
  const path = peerPath(scope);
  const side = random.pick(SIDES);
  counters.partitions += 1;
  network.clog(path, side);
  after(scope, random.chance(0.4) ? 1_000_000 + random.int(3_000_000) : random.int(200_000), 'path to the peer is clear', () =>
    network.unclog(path, side),
  );
}

function slowJournals(scope: PeerFaultScope): void {
  const { secondary, random, counters } = scope;
  counters.slowDisks += 1;
  const { disk } = secondary;
  disk.slowFile = JOURNALS;
  disk.slowness = random.between(1, 8);
  after(scope, 20_000 + random.int(200_000), 'journals are fast', () => {
    disk.slowFile = null;
    disk.slowness = 1;
  });
}

function slowRegion(scope: PeerFaultScope): void {
  const { peer, random, counters } = scope;
  counters.slowDisks += 1;
  const { disk } = peer;
  disk.slowness = random.between(5, 2_000);
  after(scope, random.int(2_000_000), 'the region is fast', () => {
    disk.slowness = 1;
  });
}

/** A store or a flush of the region, or what the peer notes of its secondary. */
function failRegion({ peer, random, counters, mayFailDisk }: PeerFaultScope): void {
  if (!mayFailDisk) return;
  counters.diskFailures += 1;
  if (random.chance(0.2)) return peer.disk.failNext('replaceFile', random.pick(['EIO', 'ENOSPC'] as const));
  peer.disk.failNext(random.pick(['flush', 'flush', 'write'] as const), 'EIO', (path) => path === NVRAM_PATH);
}

/** SIGSTOP, and later SIGCONT. */
function stopProcess(scope: FaultScope, host: SimulatedHost): void {
  if (host.phase !== 'up') return;
  host.suspend();
  after(scope, scope.random.chance(0.5) ? scope.random.int(100_000) : scope.random.int(4_000_000), 'goes on', () => host.resume());
}
