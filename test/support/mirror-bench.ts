/**
 * A production secondary in write-back mode whose primary, peer and disk are the test: journal commits finish when the test says so, and
 * the peer holds what the test says it holds.
 */
import type { Disk, DiskFile, Done } from '../../src/disk/disk.ts';
import type { LinkServerOptions } from '../../src/link/link-server.ts';
import { Link } from '../../src/link/link.ts';
import { PROTOCOL_VERSION, type PrimaryFacts } from '../../src/model/handshake.ts';
import type { SequenceNumber } from '../../src/model/ids.ts';
import type { PeerFacts } from '../../src/model/peer.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { Secondary, type SecondaryOptions } from '../../src/secondary/secondary.ts';
import { decodeMessage, encodeMessage, isRecordsMessage } from '../../src/record/wire.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { NotedSocket } from './noted-socket.ts';
import { GROUP_ID, JOURNALS_DIRECTORY, smallGeometry, STATE_DIRECTORY, STREAM, VOLUMES } from './secondary-host.ts';
import type { ModelPrimary, ModelRecord } from './secondary-host-primary.ts';
import type { TestDisk } from './test-disk.ts';
import { until } from './until.ts';

export const REGION = 'a'.repeat(32);
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Holds the completion of journal writes back until they are let go. */
export class GatedDisk {
  closed = false;
  #held: (() => void)[] = [];

  around(disk: Disk): Disk {
    const open = (path: string, options: Parameters<Disk['open']>[1]): DiskFile => {
      const file = disk.open(path, options);
      return path.endsWith('.journal') ? this.#gate(file) : file;
    };
    return new Proxy(disk, { get: (target, name) => (name === 'open' ? open : bound(target, name)) });
  }

  /** Finish what is held back, and everything from now on. */
  letGo(): void {
    this.closed = false;
    for (const finish of this.#held.splice(0)) finish();
  }

  get waiting(): number {
    return this.#held.length;
  }

  #gate(file: DiskFile): DiskFile {
    const write = (buffers: readonly Uint8Array[], position: number, done: Done): void => {
      const finish = (): void => file.write(buffers, position, done);
      if (this.closed) this.#held.push(finish);
      else finish();
    };
    return new Proxy(file, { get: (target, name) => (name === 'write' ? write : bound(target, name)) });
  }
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}

/** The far end of one link of the peer. */
export class PeerEnd {
  readonly socket = new NotedSocket();
  facts: PeerFacts;
  /** Credit that it gives, in all. */
  limitBytes = 1 << 24;
  held = 0;

  constructor(changes: Partial<PeerFacts> = {}) {
    const isBound = (changes.head ?? 0) > 0;
    this.facts = {
      protocolVersion: PROTOCOL_VERSION,
      role: 'peer',
      groupName: 'g',
      groupId: isBound ? GROUP_ID : null,
      stream: isBound ? STREAM.stream : null,
      generation: isBound ? STREAM.generation : null,
      session: '00000000000000ee',
      regionId: REGION,
      hold: 'memory',
      regionBytes: 1 << 24,
      lostRegions: [],
      tail: 0,
      head: 0,
      hostEpoch: 0,
      ...changes,
    };
    this.held = this.facts.head;
  }

  /** Messages of records that the secondary sent on it. */
  get records(): Buffer[] {
    return this.socket.messages.filter(isRecordsMessage);
  }

  get released(): number {
    return Math.max(-1, ...this.socket.sent('release').map(({ through }) => through));
  }

  hold(count: number): void {
    this.held += count;
    this.socket.receive({ kind: 'held', through: this.held, limitBytes: this.limitBytes });
  }
}

export class MirrorBench {
  readonly gate = new GatedDisk();
  readonly acknowledged = new Set<SequenceNumber>();
  readonly log: string[] = [];
  readonly primaries: NotedSocket[] = [];
  readonly model: ModelPrimary;
  readonly disk: TestDisk;
  secondary: Secondary | null = null;
  #listener: LinkServerOptions | null = null;
  #links = 0;

  constructor(disk: TestDisk, model: ModelPrimary) {
    this.disk = disk;
    this.model = model;
  }

  async start(changes: Partial<SecondaryOptions> = {}): Promise<Secondary> {
    const disk = this.gate.around(this.disk);
    this.secondary = await Secondary.start({
      disk,
      group: 'g',
      stateDirectory: STATE_DIRECTORY,
      volumes: VOLUMES,
      connect: ['ws://primary'],
      links: 1,
      journals: { directory: JOURNALS_DIRECTORY, geometry: smallGeometry(4) },
      nbdListen: [],
      objectiveMs: 1000,
      dial: true,
      peerListen: [{ kind: 'unix', path: '/nowhere' }],
      openPeerLinks: (options) => {
        this.#listener = options;
        return { start: async () => {}, stop: () => {}, addresses: () => [...options.listen] };
      },
      connectSocket: () => {
        const socket = new NotedSocket();
        this.primaries.push(socket);
        setImmediate(() => socket.emit('open'));
        return socket.asWebSocket;
      },
      openCarrier: (buffers) => inlineCarrier(() => openVolumes(this.disk, VOLUMES, { lock: false }), buffers),
      log: (_level, message) => void this.log.push(message),
      ...changes,
    });
    return this.secondary;
  }

  get running(): Secondary {
    if (this.secondary === null) throw new Error('not started');
    return this.secondary;
  }

  get machine(): NonNullable<Secondary['replica']>['machine'] {
    const machine = this.running.replica?.machine;
    if (machine === undefined) throw new Error('no replica');
    return machine;
  }

  /** The newest link to the primary, agreed. */
  async meetPrimary(): Promise<NotedSocket> {
    await until('a hello', () => (this.primaries.at(-1)?.sent('hello').length ?? 0) > 0);
    const socket = this.primaries.at(-1) as NotedSocket;
    socket.receive({ kind: 'welcome', facts: this.primaryFacts() });
    await until('ready', () => socket.sent('ready').length === 1);
    return socket;
  }

  /** A link of the peer: `facts` said, welcomed, ready. */
  async meetPeer(end = new PeerEnd()): Promise<PeerEnd> {
    this.dialAsPeer(end);
    await until('a welcome', () => end.socket.sent('peerWelcome').length === 1);
    end.socket.receive({ kind: 'ready' });
    end.hold(0);
    return end;
  }

  /** The same until somebody answers. */
  dialAsPeer(end: PeerEnd): void {
    const listener = this.#listener;
    if (listener === null) throw new Error('the secondary does not listen for a peer');
    this.#links += 1;
    const link = new Link({ id: this.#links, address: `peer ${this.#links}`, socket: end.socket.asWebSocket, handlers: listener.handlers });
    listener.handlers.opened(link);
    end.socket.receive({ kind: 'peerHello', facts: end.facts });
  }

  send(socket: NotedSocket, records: readonly ModelRecord[]): void {
    socket.receive(Buffer.from(encodeMessage({ kind: 'records', encoded: Buffer.concat(records.map(({ bytes }) => bytes)) })));
  }

  /** Numbers that were acknowledged on this link. */
  acknowledgedOn(socket: NotedSocket): number[] {
    const numbers = new Set<number>();
    for (const bytes of socket.messages) {
      const message = decodeMessage(bytes);
      if (message.kind === 'acknowledge')
        for (const { from, to } of message.ranges) for (let number = from; number <= to; number += 1) numbers.add(number);
      if (message.kind === 'progress' || message.kind === 'hello')
        for (const { firstSequence, durable } of message.kind === 'hello' ? message.facts.held : message.held)
          for (let bit = 0; bit < durable.length * 8; bit += 1)
            if (((durable[bit >> 3] ?? 0) >> (bit & 7)) & 1) numbers.add(firstSequence + bit);
    }
    return [...numbers].sort((a, b) => a - b);
  }

  primaryFacts(): PrimaryFacts {
    const { dataSets } = this.model;
    const last = dataSets.at(-1);
    return {
      protocolVersion: PROTOCOL_VERSION,
      role: 'primary',
      state: 'serving',
      groupName: 'g',
      groupId: GROUP_ID,
      generations: this.running.state.generations,
      stream: STREAM.stream,
      session: '00000000000000cc',
      sessionFirstSequence: 0,
      hostEpoch: 0,
      volumes: this.running.state.volumes,
      dataSetBytesMax: smallGeometry(4).capacityBytes,
      dataSetRecordsMax: 1000,
      chains: dataSets.map(({ point }) => point),
      acknowledged: null,
      unacknowledged: dataSets.map(({ dataSet, firstSequence, point }) => ({
        dataSet,
        firstSequence,
        finalSequence: point.finalSequence,
        acknowledged: new Uint8Array(Math.ceil((point.finalSequence - firstSequence + 1) / 8)),
      })),
      head: { dataSet: dataSets.length, sequence: last?.point.finalSequence ?? -1, bytes: 0, timeMs: 1 },
    };
  }
}
