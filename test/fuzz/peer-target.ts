/**
 * A live peer, and a secondary that sends anything: whole conversations, mutated. What it says it holds must stand in its region, flushed
 * if the region is durable; the region holds whole records of one stream, and what a takeover needs is durable before `ready`.
 */
import fc from 'fast-check';
import type { HostEnd } from '../../src/model/host-end.ts';
import { LIMITS } from '../../src/model/limits.ts';
import type { PeeredFacts } from '../../src/model/peer.ts';
import { initPeer } from '../../src/peer/init.ts';
import { Peer, type PeerOptions } from '../../src/peer/peer.ts';
import { decodeRecords, encodeMessage, type WireMessage } from '../../src/record/wire.ts';
import { decodeChecked, hostStatePath, type HostState } from '../../src/state/host-state.ts';
import { renderStatus } from '../../src/status/render.ts';
import { RECORD_BYTES, recordsMessage } from '../support/fake-secondary.ts';
import { MemoryRegions, type MemoryRegion } from '../support/memory-regions.ts';
import { peeredAt, secondGeneration } from '../support/peer-facts.ts';
import { diskOf, type FuzzDisk } from './disk.ts';
import { fixStep, JudgedSocket, LINKS, readStep, stepOf, turns } from './link-inputs.ts';
import { must, type Input, type Target } from './target.ts';

const STATE_DIRECTORY = '/state';
const REGION_PATH = '/region';
/** Room for some records, so that it is full now and then. */
const REGION_BYTES = 30 * (RECORD_BYTES + LIMITS.regionOverheadBytes);
const HOLDS = ['memory', 'durable'] as const;

const NEXT = { generation: 2, stream: '00000000000000a2' };
const welcomeOf = (changes: Partial<PeeredFacts> = {}): WireMessage => ({ kind: 'peerWelcome', facts: peeredAt(changes) });
const welcome = welcomeOf();
const nextStream = welcomeOf({ generations: secondGeneration(), stream: NEXT.stream });

const conversation = (hold: number): Input => [
  Uint8Array.of(hold),
  stepOf('message', 0, welcome),
  stepOf('message', 1, welcome),
  stepOf('message', 0, recordsMessage(0, 4)),
  stepOf('message', 0, recordsMessage(4, 2)),
  stepOf('work', 0),
  stepOf('message', 0, { kind: 'release', through: 4 }),
  stepOf('message', 0, recordsMessage(6)),
  stepOf('wait', 0),
  stepOf('end', 0),
  stepOf('wait', 0),
  stepOf('message', 2, welcome),
  stepOf('message', 2, { kind: 'fetch' }),
  stepOf('work', 0),
];

/** What was held is released, and the secondary goes on after a promotion. */
const followed: Input = [
  Uint8Array.of(0),
  stepOf('message', 0, welcome),
  stepOf('message', 0, recordsMessage(0, 4)),
  stepOf('message', 0, { kind: 'release', through: 4 }),
  stepOf('message', 1, nextStream),
  stepOf('message', 0, recordsMessage(4)),
  stepOf('message', 1, recordsMessage(50, 1, NEXT)),
];
const otherGroup = welcomeOf({ groupId: 'f'.repeat(32) });
const refused: Input = [
  Uint8Array.of(0),
  stepOf('message', 0, welcome),
  stepOf('end', 0),
  stepOf('wait', 0),
  stepOf('message', 1, otherGroup),
];

const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.nat(LINKS - 1), fc.nat(40), fc.integer({ min: 1, max: 12 }))
      .map(([link, sequence, count]) => stepOf('message', link, recordsMessage(sequence, count))),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(LINKS - 1), fc.nat(40)).map(([link, through]) => stepOf('message', link, { kind: 'release', through })),
  },
  { weight: 2, arbitrary: fc.nat(LINKS - 1).map((link) => stepOf('message', link, welcome)) },
  fc.nat(LINKS - 1).map((link) => stepOf('message', link, { kind: 'fetch' })),
  fc.constantFrom(
    stepOf('wait', 0),
    stepOf('work', 0),
    stepOf('end', 0),
    stepOf('end', 1),
    stepOf('text', 1),
    stepOf('message', 1, nextStream),
    stepOf('message', 1, recordsMessage(50, 1, NEXT)),
    stepOf('message', 2, otherGroup),
    stepOf('message', 2, welcomeOf({ session: '00000000000000d2' })),
    stepOf('message', 2, welcomeOf({ hostEpoch: 9 })),
    stepOf('message', 2, { kind: 'refuse', outcome: 'wait', label: 'later', sentence: 'not now' }),
    stepOf('message', 2, { kind: 'refuse', outcome: 'refuse', label: 'never', sentence: 'not this one' }),
    stepOf('message', 2, { kind: 'held', through: 3, limitBytes: 4 }),
    stepOf('message', 2, { kind: 'ready' }),
  ),
);

export const peerTarget: Target = {
  name: 'peer',
  property: 'whatever a secondary sends, only whole records of one stream are held, and only what is held is told to be (I2, I8, I9, I11)',
  golden: [conversation(0), conversation(1), followed, refused],
  generator: fc
    .tuple(fc.nat(1), fc.array(anyStep, { maxLength: 14 }))
    .map(([hold, steps]) => [Uint8Array.of(hold), stepOf('message', 0, welcome), ...steps]),
  fix: fixStep,
  testInputs: 600,
  mustReach: ['holding', 'empty', 'fetched', 'refused', 'new stream'],
  run: async ([begin, ...steps]: Input): Promise<string> => {
    const host = await LivePeer.start(HOLDS[(begin?.[0] ?? 0) % HOLDS.length] ?? 'memory');
    try {
      for (const part of steps) await host.step(part);
      return await host.rest();
    } finally {
      await host.peer.stop();
    }
  },
};

class LivePeer {
  readonly sockets: JudgedSocket[] = [];
  readonly #disk: FuzzDisk = diskOf(new Map());
  readonly #regions = new MemoryRegions();
  #peer: Peer | null = null;
  #ended: HostEnd | null = null;
  #before: HostState | null = null;
  #hasFetched = false;

  static async start(hold: (typeof HOLDS)[number]): Promise<LivePeer> {
    const host = new LivePeer();
    const options: PeerOptions = {
      disk: host.#disk,
      group: 'g',
      stateDirectory: STATE_DIRECTORY,
      nvram: { path: REGION_PATH, sizeBytes: REGION_BYTES, hold },
      connect: Array.from({ length: LINKS }, (_, link) => `ws://secondary:${link + 1}`),
      objectiveMs: 1000,
      regions: host.#regions,
      connectSocket: () => host.#connect().asWebSocket,
      log: () => {},
    };
    await initPeer({ ...options, zeroExisting: false, onProgress: () => {} });
    host.region.isSlow = true;
    host.#peer = await Peer.start(options);
    void host.#note(host.#peer.ended);
    await turns(2);
    return host;
  }

  get peer(): Peer {
    if (this.#peer === null) throw new Error('the peer has started');
    return this.#peer;
  }

  get region(): MemoryRegion {
    const region = this.#regions.byPath.get(REGION_PATH);
    if (region === undefined) throw new Error('the region is made');
    return region;
  }

  async step(part: Uint8Array): Promise<void> {
    const step = readStep(part);
    const socket = this.sockets[step.link];
    if (step.deed === 'wait') await turns(20);
    else if (step.deed === 'work') this.region.endFlush();
    else socket?.arrive(step);
    await turns(2);
    this.#judgeState();
  }

  /** Let everything end that is under way, and judge what is there then. */
  async rest(): Promise<string> {
    const { peer, region } = this;
    for (let count = 0; region.isFlushing; count += 1) {
      must(count < 100, 'flushes come to an end');
      region.endFlush();
      await turns(3);
    }
    must(peer.phase === 'holding', `the peer is ${peer.phase}: ${peer.reason}`);
    const text = renderStatus(peer.status(), false);
    must(!/NaN|undefined|Infinity/.test(text), `the status says ${text}`);
    this.#judgeRegion();
    const end = this.#ended;
    if (end !== null) {
      must(end.exitCode === 5 && end.code.startsWith('ERR_'), `it ended with ${end.exitCode} ${end.code}`);
      return 'refused';
    }
    if (this.#hasFetched) return 'fetched';
    if (peer.state.stream === NEXT.stream) return 'new stream';
    return region.head > 0 ? 'holding' : 'empty';
  }

  async #note(ended: Promise<HostEnd>): Promise<void> {
    this.#ended = await ended;
  }

  #connect(): JudgedSocket {
    let base = 0;
    const socket: JudgedSocket = new JudgedSocket((message) => {
      if (message.kind === 'peerHello') base = message.facts.head;
      this.#judgeSent(message, base);
    });
    this.sockets.push(socket);
    setImmediate(() => {
      socket.opened = true;
      socket.emit('open');
    });
    return socket;
  }

  #judgeSent(message: WireMessage, base: number): void {
    const { region } = this;
    if (message.kind === 'held') {
      const held = region.hold === 'durable' ? region.flushedHead : region.head;
      must(
        message.through === base || (message.through > base && message.through <= held),
        `held through ${message.through} of ${base}..${held}`,
      );
    } else if (message.kind === 'ready') {
      const state = this.#durableState();
      must(state.groupId !== null && state.geometry !== undefined, 'what a takeover needs is durable before ready');
      must(region.groupId === state.groupId, 'the region is bound before ready');
    } else if (message.kind === 'fetched') {
      this.#hasFetched = true;
      must(message.records <= region.head - region.tail, `${message.records} records were fetched`);
    }
  }

  #durableState(): HostState {
    const path = hostStatePath(STATE_DIRECTORY);
    return decodeChecked(this.#disk.durableBytes(path) ?? new Uint8Array(0), path) as HostState;
  }

  /** A group is kept for ever, and a host epoch never goes down. */
  #judgeState(): void {
    const state = this.#durableState();
    const before = this.#before ?? state;
    must(state.role === 'peer' && state.condition === 'active', `the state is ${state.role} ${state.condition}`);
    must(before.groupId === null || state.groupId === before.groupId, 'the group is another');
    must(state.hostEpoch >= before.hostEpoch, `host epoch ${state.hostEpoch} after ${before.hostEpoch}`);
    this.#before = state;
  }

  /** Every record in the region is whole, and of the stream that the durable state names. */
  #judgeRegion(): void {
    const { region } = this;
    const { stream, generations } = this.#durableState();
    let next = region.tail;
    for (const { encoded, firstOrdinal, records } of region.segments()) {
      must(firstOrdinal === next && stream !== null, `a segment begins at ${firstOrdinal}, not at ${next}`);
      const message = encodeMessage({ kind: 'records', encoded });
      const found = decodeRecords(message, { stream, generation: generations.at(-1)?.number ?? 0 });
      must(found.violation === null && found.damaged.length === 0, `the region holds ${found.violation?.violation ?? 'a damaged record'}`);
      must(found.records.length === records, `${records} records are ${found.records.length}`);
      next += records;
    }
    must(next === region.head, `the region ends at ${next}, not at ${region.head}`);
  }
}
