/**
 * A live secondary in write-back mode with a primary that is right, and a peer that sends anything. What it acknowledges must be durable,
 * or held by a link that is still open, and nothing is mirrored to a region for which its durable state is not marked; its volumes are
 * at one data set.
 */
import fc from 'fast-check';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { scanJournal } from '../../journals/scan.ts';
import { judgeWatermark } from '../../journals/watermark.ts';
import { Link } from '../../src/link/link.ts';
import type { LinkServerOptions } from '../../src/link/link-server.ts';
import type { HostEnd } from '../../src/model/host-end.ts';
import type { PeerFacts } from '../../src/model/peer.ts';
import { decodeMessage, decodeRecords, encodeMessage, isRecordsMessage, type WireMessage } from '../../src/record/wire.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { Secondary } from '../../src/secondary/secondary.ts';
import { decodeChecked, encodeChecked, hostStatePath, type HostState } from '../../src/state/host-state.ts';
import { renderStatus } from '../../src/status/render.ts';
import { volumeTableOf } from '../../src/state/volume-table.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { blankPrimaryFacts } from '../support/handshake-facts.ts';
import { peerNew, REGIONS } from '../support/peer-facts.ts';
import { GatedDisk } from '../support/mirror-bench.ts';
import { GROUP_ID, JOURNALS_DIRECTORY, smallGeometry, STATE_DIRECTORY, STREAM, VOLUMES } from '../support/secondary-host.ts';
import { diskOf, type FuzzDisk } from './disk.ts';
import { model, SLOTS } from './journal-inputs.ts';
import { fixStep, JudgedSocket, LINKS, readStep, stepOf, turns } from './link-inputs.ts';
import { judgeVolumes } from './recovered-secondary.ts';
import { GENERATIONS, hostState, PRIMARY_SESSION, TEMPLATES } from './secondary-template.ts';
import { must, type Input, type Target } from './target.ts';

/** Without and with a region that the secondary needs after its restart. */
const MARKS = [null, REGIONS.own] as const;
const FAILURES: ReadonlySet<string> = new Set(['ERR_PEER_CONTRADICTION', 'ERR_CHAIN_MISMATCH', 'ERR_SYNC_CONTRADICTION']);
const TURNS_MAX = 6_000;
/** Records of the primary in one message. */
const WORK_RECORDS = 3;
const LAST_DATA_SET = model.dataSets.length - 1;
/** The primary still keeps from this one on; the journals have all of it, of the one after it, and two records of the third. */
const FIRST_KEPT = 4;
const FIRST_SENT = 6;
const allRecords = model.dataSets.filter(({ dataSet }) => dataSet >= FIRST_SENT).flatMap(({ records }) => records);

const factsOf = (changes: Partial<PeerFacts> = {}): PeerFacts =>
  peerNew({ groupId: GROUP_ID, stream: STREAM.stream, generation: STREAM.generation, ...changes });
const hello = (changes: Partial<PeerFacts> = {}): WireMessage => ({ kind: 'peerHello', facts: factsOf(changes) });
const held = (through: number, limitBytes = 1 << 20): WireMessage => ({ kind: 'held', through, limitBytes });
const ready: WireMessage = { kind: 'ready' };
const records = (from: number, count: number): WireMessage => ({
  kind: 'records',
  encoded: Buffer.concat(allRecords.slice(from, from + count).map(({ bytes }) => bytes)),
});

const mirroring: Input = [
  Uint8Array.of(0),
  stepOf('message', 0, hello()),
  stepOf('message', 0, ready),
  stepOf('message', 0, held(0)),
  stepOf('work', 0),
  stepOf('message', 0, held(3)),
  stepOf('work', 0),
  stepOf('message', 0, held(8)),
  stepOf('message', 1, hello()),
  stepOf('message', 1, ready),
  stepOf('end', 0),
  stepOf('work', 0),
  stepOf('wait', 0),
];
const fetching: Input = [
  Uint8Array.of(1),
  stepOf('work', 0),
  stepOf('message', 0, hello({ tail: 4, head: 12 })),
  stepOf('message', 0, ready),
  stepOf('message', 0, held(12)),
  stepOf('message', 0, records(0, 5)),
  stepOf('message', 0, records(5, 3)),
  stepOf('message', 0, { kind: 'fetched', records: 8, unreadable: null }),
  stepOf('wait', 0),
  stepOf('work', 0),
  stepOf('message', 0, held(17)),
];
const lost: Input = [
  Uint8Array.of(1),
  stepOf('message', 0, hello({ regionId: 'e'.repeat(32) })),
  stepOf('message', 1, hello({ regionId: 'e'.repeat(32), lostRegions: [REGIONS.own] })),
  stepOf('message', 1, ready),
  stepOf('work', 0),
];
const superseded: Input = [Uint8Array.of(0), stepOf('message', 0, hello({ hostEpoch: 3 }))];

const link = fc.nat(LINKS - 1);
const anyStep = fc.oneof(
  { weight: 5, arbitrary: fc.constant(stepOf('work', 0)) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(link, fc.nat(40), fc.constantFrom(0, 700, 5000, 1 << 20))
      .map(([on, through, limit]) => stepOf('message', on, held(through, limit))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(link, fc.nat(30), fc.integer({ min: 1, max: 9 }))
      .map(([on, from, count]) => stepOf('message', on, records(from, count))),
  },
  { weight: 2, arbitrary: link.map((on) => stepOf('message', on, hello())) },
  { weight: 2, arbitrary: link.map((on) => stepOf('message', on, ready)) },
  link.map((on) => stepOf('message', on, { kind: 'fetched', records: 3, unreadable: 'from byte 8 on' })),
  fc.constantFrom(
    stepOf('wait', 0),
    stepOf('end', 0),
    stepOf('text', 1),
    stepOf('message', 1, hello({ groupId: 'f'.repeat(32) })),
    stepOf('message', 1, hello({ tail: 2, head: 9 })),
    stepOf('message', 2, hello({ session: '00000000000000e9' })),
    stepOf('message', 2, { kind: 'release', through: 2 }),
    stepOf('message', 2, { kind: 'refuse', outcome: 'refuse', label: 'never', sentence: 'not this one' }),
  ),
);

export const writeBackTarget: Target = {
  name: 'write-back',
  property:
    'whatever a peer sends, what is acknowledged is durable or held, under a durable mark; the volumes stay at one data set (I1, I2, I3)',
  golden: [mirroring, fetching, lost, superseded],
  generator: fc
    .tuple(fc.nat(1), fc.array(anyStep, { maxLength: 12 }))
    .map(([mark, steps]) => [
      Uint8Array.of(mark),
      stepOf('message', 0, hello()),
      stepOf('message', 0, ready),
      stepOf('message', 0, held(0)),
      ...steps,
    ]),
  fix: fixStep,
  testInputs: 210,
  mustReach: ['write-back', 'write-through', 'waiting'],
  run: async ([begin, ...steps]: Input): Promise<string> => {
    const host = await LiveWriteBack.start(MARKS[(begin?.[0] ?? 0) % MARKS.length] ?? null);
    try {
      for (const part of steps) await host.step(part);
      return await host.rest();
    } finally {
      await host.stop();
    }
  },
};

/** One link of the peer: what was mirrored on it, in order, and how far it said that it holds that. */
interface PeerLink {
  readonly socket: JudgedSocket;
  regionId: string | null;
  base: number;
  held: number;
  readonly mirrored: number[];
}

class LiveWriteBack {
  readonly #disk: FuzzDisk;
  readonly #gate = new GatedDisk();
  /** The region that is needed after the restart, until a peer has given it back or says that it is gone. */
  #mark: string | null;
  readonly #peers: PeerLink[] = [];
  #primary: JudgedSocket | null = null;
  #listener: LinkServerOptions | null = null;
  #secondary: Secondary | null = null;
  #ended: HostEnd | null = null;
  #sent = 0;
  #wasWriteBack = false;
  #dialledEarly = false;

  static async start(mark: string | null): Promise<LiveWriteBack> {
    const host = new LiveWriteBack(mark);
    await host.#start();
    return host;
  }

  private constructor(mark: string | null) {
    this.#mark = mark;
    const files = new Map((TEMPLATES[2] as (typeof TEMPLATES)[number]).files);
    files.set(hostStatePath(STATE_DIRECTORY), encodeChecked({ ...hostState, peerMayHoldMore: mark }));
    this.#disk = diskOf(files);
  }

  async #start(): Promise<void> {
    this.#secondary = await Secondary.start({
      disk: this.#gate.around(this.#disk),
      group: 'g',
      stateDirectory: STATE_DIRECTORY,
      volumes: VOLUMES,
      connect: ['ws://primary'],
      links: 1,
      journals: { directory: JOURNALS_DIRECTORY, geometry: smallGeometry(SLOTS) },
      nbdListen: [],
      objectiveMs: 1000,
      dial: true,
      peerListen: [{ kind: 'unix', path: '/nowhere' }],
      openPeerLinks: (options) => {
        this.#listener = options;
        return { start: async () => {}, stop: () => {}, addresses: () => [...options.listen] };
      },
      openCarrier: (buffers) => inlineCarrier(() => openVolumes(this.#disk, VOLUMES, { lock: false }), buffers),
      connectSocket: () => this.#connectPrimary().asWebSocket,
      log: () => {},
    });
    void this.#note(this.secondary.ended);
    // Journals are slow from now on: what is acknowledged before they go on is so on the peer's word.
    this.#gate.closed = true;
    await turns(4);
  }

  get secondary(): Secondary {
    if (this.#secondary === null) throw new Error('the secondary has started');
    return this.#secondary;
  }

  async step(part: Uint8Array): Promise<void> {
    const step = readStep(part);
    if (step.deed === 'wait') await this.#letJournalsGo();
    else if (step.deed === 'work') this.#work();
    else this.#peer(step.link).socket.arrive(step);
    await turns(2);
    this.#wasWriteBack ||= this.secondary.status().mode === 'write-back';
  }

  async #letJournalsGo(): Promise<void> {
    this.#gate.letGo();
    await turns(20);
    this.#gate.closed = true;
  }

  async stop(): Promise<void> {
    this.#gate.letGo();
    await this.secondary.stop();
  }

  /** Wait until nothing is under way, and judge what is there then. */
  async rest(): Promise<string> {
    const { secondary } = this;
    this.#gate.letGo();
    for (let count = 0; secondary.replica !== null && !secondary.replica.isSettled && secondary.phase !== 'failed'; count += 1) {
      must(count < TURNS_MAX, 'a secondary comes to rest');
      await turns(1);
    }
    must(!this.#dialledEarly, 'no primary is dialled while the peer is needed');
    const text = renderStatus(secondary.status(), false);
    must(!/NaN|undefined|Infinity/.test(text), `the status says ${text}`);
    must(/^(replicating|waiting-for-peer|failed)$/.test(secondary.phase), `the secondary is ${secondary.phase}`);
    if (secondary.phase === 'failed') {
      const code = secondary.reason?.split(':')[0] ?? '';
      must(FAILURES.has(code), `the secondary failed: ${secondary.reason}`);
      return 'failed';
    }
    judgeVolumes(this.#disk, secondary.replica?.watermarkPoint?.dataSet ?? -1);
    // Only the storage and the primary say that another host took this one's place; a peer's word ends nobody.
    const ended = this.#ended;
    must(ended === null, () => `it ended with ${ended?.code}`);
    if (secondary.phase === 'waiting-for-peer') {
      return 'waiting';
    }
    return this.#wasWriteBack ? 'write-back' : 'write-through';
  }

  async #note(ended: Promise<HostEnd>): Promise<void> {
    this.#ended = await ended;
  }

  /** The primary sends its next records, when it was met. */
  #work(): void {
    const socket = this.#primary;
    if (socket === null || socket.closedWith !== null || socket.sent('ready').length === 0) return;
    const next = allRecords.slice(this.#sent, this.#sent + WORK_RECORDS);
    this.#sent += next.length;
    if (next.length > 0)
      socket.receive(Buffer.from(encodeMessage({ kind: 'records', encoded: Buffer.concat(next.map(({ bytes }) => bytes)) })));
  }

  #connectPrimary(): JudgedSocket {
    if (this.#mark !== null) this.#dialledEarly = true;
    const socket: JudgedSocket = new JudgedSocket((message) => {
      if (message.kind === 'hello') setImmediate(() => socket.receive({ kind: 'welcome', facts: primaryFacts() }));
      this.#judgeAcknowledged(message);
    });
    this.#primary = socket;
    setImmediate(() => socket.emit('open'));
    return socket;
  }

  /** The peer's link of this number, dialled when it is first used, and again when it was closed. */
  #peer(index: number): PeerLink {
    const known = this.#peers[index];
    if (known !== undefined && known.socket.closedWith === null) return known;
    const listener = this.#listener;
    if (listener === null) throw new Error('the secondary listens for its peer');
    const socket = new JudgedSocket((message, bytes) => {
      if (!isRecordsMessage(bytes)) return;
      must(this.#marked() === peer.regionId, `records are mirrored to region ${peer.regionId} under the mark ${this.#marked()}`);
      const found = decodeRecords(bytes, STREAM);
      must(message.kind === 'records' && found.violation === null && found.damaged.length === 0, 'whole records are mirrored');
      peer.mirrored.push(...found.records.map(({ sequence }) => sequence));
    });
    const peer: PeerLink = { socket, regionId: null, base: 0, held: 0, mirrored: [] };
    this.#peers[index] = peer;
    const opened = new Link({
      id: 100 + this.#peers.length * 10 + index,
      address: `peer ${index}`,
      socket: socket.asWebSocket,
      handlers: listener.handlers,
    });
    socket.prependListener('message', (bytes: Buffer) => {
      const message = decodeMessage(bytes);
      if (message.kind === 'fetched' || (message.kind === 'peerHello' && message.facts.lostRegions.includes(this.#mark ?? '')))
        this.#mark = null;
      if (message.kind === 'held') peer.held = Math.max(peer.held, message.through);
      if (message.kind !== 'peerHello' || peer.regionId !== null) return;
      peer.regionId = message.facts.regionId;
      peer.base = message.facts.head;
    });
    listener.handlers.opened(opened);
    return peer;
  }

  #marked(): string | null {
    const path = hostStatePath(STATE_DIRECTORY);
    return (decodeChecked(this.#disk.durableBytes(path) ?? new Uint8Array(0), path) as HostState).peerMayHoldMore ?? null;
  }

  /** I2, while it is said: each number is durable, or a link of the peer that is still open says that it holds it. */
  #judgeAcknowledged(message: WireMessage): void {
    if (message.kind !== 'acknowledge' || message.ranges.length === 0) return;
    const watermark = judgeWatermark(this.#disk.durableBytes(watermarkPath(JOURNALS_DIRECTORY)) ?? new Uint8Array(0), 'watermark');
    const covered = watermark.newest.point?.finalSequence ?? -1;
    const open = this.#peers.filter(({ socket }) => socket.closedWith === null);
    const safe = new Set(open.flatMap(({ mirrored, held: through, base }) => mirrored.slice(0, Math.max(0, through - base))));
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const path = journalPath(JOURNALS_DIRECTORY, slot);
      for (const record of scanJournal(this.#disk.durableBytes(path) ?? new Uint8Array(0), { slot, path }).records)
        safe.add(record.sequence);
    }
    for (const { from, to } of message.ranges) {
      must(to - from < 10_000, `a range ${from}..${to} is acknowledged`);
      for (let number = from; number <= to; number += 1)
        must(number <= covered || safe.has(number), `number ${number} is acknowledged, and is neither durable nor held`);
    }
  }
}

function primaryFacts(): ReturnType<typeof blankPrimaryFacts> {
  return blankPrimaryFacts({
    groupId: GROUP_ID,
    generations: GENERATIONS,
    stream: STREAM.stream,
    session: PRIMARY_SESSION,
    volumes: volumeTableOf(VOLUMES),
    dataSetBytesMax: 32_768,
    dataSetRecordsMax: 100,
    chains: model.dataSets.map(({ point }) => point),
    acknowledged: model.dataSets[3]?.point ?? null,
    unacknowledged: model.dataSets.slice(FIRST_KEPT).map((set) => ({
      dataSet: set.dataSet,
      firstSequence: set.firstSequence,
      finalSequence: set.point.finalSequence,
      acknowledged: new Uint8Array(8),
    })),
    head: { dataSet: LAST_DATA_SET + 1, sequence: model.dataSets[LAST_DATA_SET]?.point.finalSequence ?? -1, bytes: 1e6, timeMs: 1 },
  });
}
