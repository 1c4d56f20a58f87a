/**
 * The simulated network between hosts. A primary listens on addresses that a secondary dials, and a secondary on those that its peer
 * dials. Each address is a path with its own delay, which can be cut (nothing connects, links break), clogged (everything waits) or deaf
 * in one direction.
 *
 * A message that carries records from a primary may be delivered again, later, on any open link of the same two hosts (I7). What goes to
 * or from a peer is never sent again on another link, so no network can deliver it twice.
 */
import type { DecodedRecord } from '../record/contract.ts';
import { isRecordsMessage } from '../record/wire.ts';
import type { Random } from './random.ts';
import { SimulatedSocket } from './socket.ts';
import { type Strayed, withStray } from './stray.ts';
import type { Life, World } from './virtual-time.ts';

/** In one story. Two syncs that contradict a data set may come; the third would tell of another history, and rightly fail the copy. */
const STRAYS_MAX = 6;
const STRAY_SYNCS_MAX = 2;

/** The end of a link that listened, and the one that dialled. */
export type Side = 'server' | 'client';
export const SIDES: readonly Side[] = ['server', 'client'];

export interface Path {
  readonly address: string;
  /** Between a secondary and its peer. */
  readonly toPeer: boolean;
  delayUs: number;
  cut: boolean;
  /** Directions in which nothing arrives now, named by who sends. */
  readonly clogged: Set<Side>;
}

export interface Listener {
  readonly life: Life;
  readonly accept: (socket: SimulatedSocket) => void;
}

/** Looks at every message in the moment in which a host decides to send it. */
export type Tap = (from: SimulatedSocket, parts: readonly Uint8Array[]) => void;

/** Looks at every message that arrives, and hands it over. */
export type Arrival = (to: SimulatedSocket, stray: DecodedRecord | null, handOver: () => void) => void;

/** Hears of every link that a host closes, with its reason. */
export type Closing = (socket: SimulatedSocket, code: number, reason: string) => void;

export class Network {
  readonly paths: readonly Path[];
  duplicateChance = 0;
  /** How often a records message arrives with another byte than it was sent with. */
  corruptChance = 0;
  /** Messages that shall soon carry a stray record behind their own. */
  straysDue = 0;
  tap: Tap = () => {};
  arrival: Arrival = (_to, _stray, handOver) => handOver();
  /** Told of every message to or from a peer in the moment in which it arrives, before it is handed over. */
  arriving: (to: SimulatedSocket, bytes: Uint8Array) => void = () => {};
  onClosing: Closing = () => {};
  /** Puts other bytes in the place of a records message that arrives. */
  forge: (to: SimulatedSocket, bytes: Uint8Array) => Uint8Array | null = () => null;
  readonly counters = { messages: 0, duplicates: 0, corrupted: 0, strays: 0, linksOpened: 0, linksBroken: 0 };
  #straySyncs = 0;
  readonly #world: World;
  readonly #random: Random;
  readonly #listeners = new Map<string, Listener>();
  readonly #open = new Set<SimulatedSocket>();

  constructor(options: { world: World; random: Random; addresses: readonly string[]; peerAddresses: readonly string[] }) {
    this.#world = options.world;
    this.#random = options.random;
    const path = (address: string, toPeer: boolean): Path => ({
      address,
      toPeer,
      delayUs: toPeer ? 50 + options.random.int(1000) : 200 + options.random.int(3000),
      cut: false,
      clogged: new Set<Side>(),
    });
    this.paths = [
      ...options.addresses.map((address) => path(address, false)),
      ...options.peerAddresses.map((address) => path(address, true)),
    ];
  }

  listen(address: string, listener: Listener): void {
    this.#listeners.set(address, listener);
  }

  /** Whether this address is one between a secondary and its peer. */
  isToPeer(address: string): boolean {
    return this.#path(address).toPeer;
  }

  unlisten(address: string, life: Life): void {
    if (this.#listeners.get(address)?.life === life) this.#listeners.delete(address);
  }

  /** Dial; the socket opens or closes later. */
  connect(address: string): SimulatedSocket {
    const life = this.#lifeNow();
    const socket = new SimulatedSocket({ network: this, life, address, side: 'client' });
    this.#world.schedule(this.#path(address).delayUs, 'dialled', () => {
      if (socket.state !== 'connecting') return socket.ended(1006, '');
      const listener = this.#listeners.get(address);
      // The kernel of a stopped process takes the connection, and nobody answers: the dialler gives up.
      if (listener === undefined || listener.life.dead || listener.life.stopped || this.#path(address).cut) {
        socket.emit('error', new Error(`cannot connect to ${address}`));
        socket.ended(1006, '');
        return;
      }
      const peer = new SimulatedSocket({ network: this, life: listener.life, address, side: 'server' });
      [socket.peer, peer.peer] = [peer, socket];
      socket.state = 'open';
      peer.state = 'open';
      this.#open.add(socket).add(peer);
      this.counters.linksOpened += 1;
      this.#world.as(listener.life, () => listener.accept(peer));
      socket.emit('open');
    });
    return socket;
  }

  /** Run something on behalf of a socket's owner, soon, and in the order of the calls. */
  later(socket: SimulatedSocket, label: string, work: () => void): void {
    const timeUs = Math.max(socket.tookLastUs, this.#world.nowUs + this.#random.int(100));
    socket.tookLastUs = timeUs;
    this.#world.schedule(timeUs - this.#world.nowUs, label, work, socket.life);
  }

  /** A host sends a message: what it promises must be so now. */
  sending(from: SimulatedSocket, parts: readonly Uint8Array[]): void {
    if (!from.life.dead) this.tap(from, parts);
  }

  /** Take a message over from a socket. */
  carry(from: SimulatedSocket, bytes: Uint8Array): void {
    if (from.life.dead) return;
    this.counters.messages += 1;
    const corrupt = this.corruptChance > 0 && this.#random.chance(this.corruptChance) && isRecordsMessage(bytes);
    if (corrupt) this.#deliver(from, this.#corrupted(bytes), null, true);
    else this.#deliverSound(from, bytes);
    if (this.#random.next() < this.duplicateChance && !this.isToPeer(from.address) && isRecordsMessage(bytes))
      this.#repeatLater(from, bytes);
  }

  /** A close handshake: what was sent before still arrives. */
  closing(socket: SimulatedSocket, code: number, reason: string, wasOpen: boolean): void {
    const { peer } = socket;
    if (wasOpen && !socket.life.dead) this.onClosing(socket, code, reason);
    this.#open.delete(socket);
    if (!wasOpen || peer === null) {
      this.later(socket, 'closed', () => socket.ended(1006, ''));
      return;
    }
    // The socket takes the close frame in its turn, behind what was sent before.
    this.later(socket, 'socket took', () =>
      this.#arrive(socket, 'close', () => {
        this.#open.delete(peer);
        peer.ended(code, reason);
      }),
    );
    this.#world.schedule(2 * this.#path(socket.address).delayUs, 'closed', () => socket.ended(code, reason), socket.life);
    // Whether the other end ever hears of it or not.
    this.#world.schedule(30_000_000, 'closed at last', () => peer.ended(1006, ''), peer.life);
  }

  /** Break a link: each end hears of it in its own time, and what was under way is lost from some message on. */
  breakLink(socket: SimulatedSocket): void {
    const { peer } = socket;
    const ends = peer === null ? [socket] : [socket, peer];
    this.counters.linksBroken += 1;
    for (const end of ends) {
      this.#open.delete(end);
      this.#world.schedule(this.#random.int(4000), 'link broke', () => end.ended(1006, ''), end.life);
    }
  }

  /** The process of a life is gone: its kernel ends the links, or, if the host lost its power, nobody does and the other end finds out. */
  lifeEnded(life: Life, silent: boolean): void {
    for (const socket of Array.from(this.#open)) {
      if (socket.life !== life) continue;
      this.#open.delete(socket);
      const { peer } = socket;
      if (peer === null) continue;
      const delayUs = silent ? 1_000_000 + this.#random.int(9_000_000) : this.#path(socket.address).delayUs;
      this.#world.schedule(
        delayUs,
        'peer is gone',
        () => {
          this.#open.delete(peer);
          peer.ended(1006, '');
        },
        peer.life,
      );
    }
    for (const [address, listener] of this.#listeners) if (listener.life === life) this.#listeners.delete(address);
  }

  /** Break links of this path, or of all. */
  breakLinks(path: Path | null): number {
    let count = 0;
    for (const socket of Array.from(this.#open)) {
      if (socket.side === 'server' || (path !== null && socket.address !== path.address)) continue;
      this.breakLink(socket);
      count += 1;
    }
    return count;
  }

  /** A link goes on as if nothing were wrong, and nothing arrives on it any more: only its silence tells. */
  swallow(): void {
    const open = [...this.#open];
    if (open.length === 0) return;
    const end = this.#random.pick(open);
    end.swallowed = true;
    if (end.peer !== null) end.peer.swallowed = true;
  }

  clog(path: Path, side: Side): void {
    path.clogged.add(side);
  }

  unclog(path: Path, side: Side): void {
    if (!path.clogged.delete(side)) return;
    for (const socket of this.#open) {
      if (socket.address !== path.address || socket.side !== side) continue;
      for (const arrive of socket.held.splice(0)) arrive();
    }
  }

  heal(): void {
    this.duplicateChance = 0;
    this.corruptChance = 0;
    this.straysDue = 0;
    for (const path of this.paths) {
      path.cut = false;
      for (const side of SIDES) this.unclog(path, side);
    }
  }

  /** A good message; now and then it has a record that may not be taken. */
  #deliverSound(from: SimulatedSocket, bytes: Uint8Array): void {
    const mayStray = this.straysDue > 0 && !this.isToPeer(from.address);
    const strayed = mayStray && this.#random.chance(0.7) ? this.#strayed(bytes, false) : null;
    if (strayed === null) this.#deliver(from, bytes, null, false);
    else this.#deliver(from, strayed.message, strayed.stray, true);
  }

  #strayed(bytes: Uint8Array, isLate: boolean): Strayed | null {
    if (this.counters.strays >= STRAYS_MAX || !isRecordsMessage(bytes)) return null;
    const strayed = withStray(bytes, this.#random, isLate);
    const isSync = strayed?.stray.type === 'sync';
    if (strayed === null || (isSync && this.#straySyncs >= STRAY_SYNCS_MAX)) return null;
    this.straysDue = Math.max(0, this.straysDue - 1);
    this.counters.strays += 1;
    if (isSync) this.#straySyncs += 1;
    return strayed;
  }

  get openLinks(): number {
    return this.#open.size / 2;
  }

  #deliver(from: SimulatedSocket, bytes: Uint8Array, stray: DecodedRecord | null, provokes: boolean): void {
    this.#arrive(from, 'message', () => {
      const { peer } = from;
      if (peer === null || peer.state === 'closed') return;
      if (provokes) peer.provoked = true;
      if (isRecordsMessage(bytes)) peer.carriesRecords = true;
      if (stray !== null) this.#world.note(`a stray record ${stray.sequence} of data set ${stray.dataSet}`);
      if (this.isToPeer(peer.address)) this.arriving(peer, bytes);
      const forged = !provokes && isRecordsMessage(bytes) ? this.forge(peer, bytes) : null;
      if (forged !== null) peer.provoked = true;
      this.arrival(peer, stray, () => receive(peer, forged ?? bytes));
    });
  }

  /** Let something arrive at the other end, after what was sent before it. */
  #arrive(from: SimulatedSocket, label: string, work: () => void): void {
    const { peer } = from;
    if (peer === null) return;
    const path = this.#path(from.address);
    const start = (): void => {
      const arrivalUs = Math.max(from.arrivesLastUs, this.#world.nowUs + path.delayUs / 2 + this.#random.int(path.delayUs));
      from.arrivesLastUs = arrivalUs;
      this.#world.schedule(
        arrivalUs - this.#world.nowUs,
        label,
        () => {
          if (!from.swallowed && (this.#open.has(peer) || label === 'close')) work();
        },
        peer.life,
      );
    };
    if (path.clogged.has(from.side) || from.held.length > 0) from.held.push(start);
    else start();
  }

  /** Wrong bytes that the network's own checksums did not see (I9). */
  #corrupted(bytes: Uint8Array): Uint8Array {
    this.counters.corrupted += 1;
    this.#world.note('a message is damaged');
    const wrong = Uint8Array.from(bytes);
    const at = 16 + this.#random.int(wrong.length - 16);
    wrong[at] = (wrong[at] ?? 0) ^ (1 << this.#random.int(8));
    return wrong;
  }

  /** Only to the session pair for which it was meant: between others no network delivers anything again. */
  #repeatLater(from: SimulatedSocket, bytes: Uint8Array): void {
    const receiver = from.peer?.life;
    const delayUs = this.#random.int(this.#random.chance(0.5) ? 5_000 : 400_000);
    const repeat = (): void => {
      const open = [...this.#open].filter(({ life, peer }) => life === receiver && peer?.life === from.life && !life.dead && !life.stopped);
      if (open.length === 0) return;
      const socket = this.#random.pick(open);
      this.counters.duplicates += 1;
      // Its data set may be below the window by now.
      const strayed = socket.carriesRecords && this.#random.chance(0.3) ? this.#strayed(bytes, true) : null;
      // Nobody takes records before its handshake.
      if (!socket.carriesRecords || strayed !== null) socket.provoked = true;
      this.#world.as(socket.life, () => this.arrival(socket, strayed?.stray ?? null, () => receive(socket, strayed?.message ?? bytes)));
    };
    this.#world.schedule(delayUs, 'duplicate', repeat, null);
  }

  #path(address: string): Path {
    const path = this.paths.find((candidate) => candidate.address === address);
    if (path === undefined) throw new Error(`no path ${address}`);
    return path;
  }

  #lifeNow(): Life {
    const { life } = this.#world;
    if (life === null) throw new Error('only a host dials');
    return life;
  }
}

/** Hand a message over. As on a real link the memory of records is used again as soon as they are handled. */
function receive(socket: SimulatedSocket, bytes: Uint8Array): void {
  const message = Buffer.from(bytes);
  socket.emit('message', message, true);
  if (isRecordsMessage(message)) message.fill(0xdb);
}
