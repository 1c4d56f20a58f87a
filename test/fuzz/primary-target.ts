/**
 * A live primary with an application that writes, and a secondary that sends anything: whole conversations, mutated. Whatever it is told,
 * it goes on serving, releases nothing that it has not given, sends what was written, and can be started again after a clean stop.
 */
import fc from 'fast-check';
import { CHAIN_START } from '../../src/model/ids.ts';
import { Link } from '../../src/link/link.ts';
import type { LinkServerOptions } from '../../src/link/link-server.ts';
import { initPrimary } from '../../src/primary/init.ts';
import { Primary } from '../../src/primary/primary.ts';
import { newStreamState, writeCleanMarker, writeStreamState } from '../../src/primary/stream-state.ts';
import { appendGeneration, firstGenerations } from '../../src/protocol/generations.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { decodeMessage, decodeRecords, type WireMessage } from '../../src/record/wire.ts';
import { readHostState, writeHostState } from '../../src/state/host-state.ts';
import { renderStatus } from '../../src/status/render.ts';
import { blankSecondaryFacts } from '../support/handshake-facts.ts';
import { PRIMARY_DIRECTORY, PRIMARY_VOLUME } from '../support/primary-host.ts';
import { NotedRequest } from '../support/primary-volume.ts';
import { diskOf, type FuzzDisk } from './disk.ts';
import { fixStep, JudgedSocket, readStep, stepOf, turns, type Step } from './link-inputs.ts';
import { must, type Input, type Target } from './target.ts';

const KiB = 1024;
const REQUESTS_MAX = 40;
/** Every byte that the application writes. */
const WRITTEN = 7;
const GROUP_ID = '0123456789abcdef0123456789abcdef';
const STREAM = '00000000000000aa';
const FILES = ['host-state.json', 'stream-state.json', 'clean-stop', 'backlog.bin'].map((name) => `${PRIMARY_DIRECTORY}/${name}`);
const files = await initialised();
const { generations } = readHostState(diskOf(files), PRIMARY_DIRECTORY);
const bound = { groupId: GROUP_ID, generations, stream: STREAM };

/** The folders of a primary that was never started. */
async function initialised(): Promise<ReadonlyMap<string, Uint8Array>> {
  const disk = diskOf(new Map());
  disk.makeDirectory('/volumes');
  await initPrimary({
    disk,
    group: 'g',
    stateDirectory: PRIMARY_DIRECTORY,
    volumes: [PRIMARY_VOLUME],
    zeroExisting: false,
    onProgress: () => {},
  });
  // The identities are always the same, or an input would mean something else in every process.
  const state = {
    ...readHostState(disk, PRIMARY_DIRECTORY),
    groupId: GROUP_ID,
    generations: firstGenerations('00000000000000bb'),
    stream: STREAM,
  };
  writeHostState(disk, PRIMARY_DIRECTORY, state);
  const [generation] = state.generations;
  if (generation === undefined) throw new Error('a new group has a first generation');
  await writeStreamState(disk, PRIMARY_DIRECTORY, newStreamState({ groupId: GROUP_ID, stream: STREAM, generation }), []);
  writeCleanMarker(disk, PRIMARY_DIRECTORY);
  const made = new Map<string, Uint8Array>();
  for (const path of [...FILES, PRIMARY_VOLUME.path]) made.set(path, disk.readFile(path) ?? new Uint8Array(0));
  return made;
}

const facts = blankSecondaryFacts({
  volumes: [{ vlun: PRIMARY_VOLUME.vlun, name: PRIMARY_VOLUME.name, sizeBytes: PRIMARY_VOLUME.sizeBytes }],
});
const hello = (linkKey: number): WireMessage => ({ kind: 'hello', linkKey, facts });
const ready: WireMessage = { kind: 'ready' };
const acknowledge = (from: number, to: number, destaged: number | null = null): WireMessage => ({
  kind: 'acknowledge',
  windowHigh: 9,
  positions: { received: destaged, durable: destaged, complete: destaged, destaged, destagedSequence: destaged },
  ranges: [{ from, to }],
});
const reject = (reason: 'window' | 'checksum', sequence: number): WireMessage => ({
  kind: 'reject',
  reason,
  dataSet: 0,
  sequence,
  windowHigh: 9,
});
const progress = (closedLinks: readonly number[]): WireMessage => ({
  kind: 'progress',
  closedLinks,
  destaged: null,
  windowHigh: 9,
  held: [],
});
const promotedOf = (promotedAtMs: number): WireMessage => ({
  kind: 'superseded',
  groupId: GROUP_ID,
  generations: appendGeneration(generations, {
    id: '00000000000000ee',
    kept: null,
    seen: { dataSet: 5, sequence: 50 },
  }),
  hostEpoch: 0,
  promotedAtMs,
});

const work = (kind: number, blocks: number): Uint8Array => new Uint8Array([...stepOf('work', 0), kind, blocks]);
const link = (number: number): Uint8Array[] => [stepOf('message', number, hello(number + 1)), stepOf('message', number, ready)];

/** What a secondary may say that it holds: true, a lie, or nonsense. */
const anyHeld = fc.uniqueArray(fc.nat(4), { maxLength: 3 }).chain((sets) =>
  fc.tuple(
    ...sets
      .sort((a, b) => a - b)
      .map((dataSet) =>
        fc.tuple(fc.nat(12), fc.option(fc.nat(15)), fc.nat(255), fc.nat(255)).map(([firstSequence, final, received, durable]) => ({
          dataSet,
          firstSequence,
          finalSequence: final === null ? null : firstSequence + 8 + final,
          received: Uint8Array.of(received),
          durable: Uint8Array.of(received & durable),
        })),
      ),
  ),
);
const anyProgress = fc
  .tuple(fc.array(fc.nat(4), { maxLength: 3 }), fc.option(fc.nat(3)), anyHeld)
  .map(([closedLinks, destaged, held]): WireMessage => ({ kind: 'progress', closedLinks, destaged, windowHigh: 9, held }));
/** A secondary that says it knows this group already. */
const anyBoundHello = fc.tuple(anyHeld, fc.option(fc.nat(3))).map(([held, watermark]): WireMessage => ({
  kind: 'hello',
  linkKey: 3,
  facts: {
    ...facts,
    ...bound,
    watermark: watermark === null ? null : { dataSet: watermark, finalSequence: 2 * watermark + 1, chain: CHAIN_START },
    held: held.map((set) => ({ ...set, digest: CHAIN_START })),
  },
}));

const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.nat(3), fc.nat(12)).map(([kind, blocks]) => work(kind, blocks)) },
  fc.tuple(fc.nat(2), fc.nat(20), fc.nat(5)).map(([number, from, more]) => stepOf('message', number, acknowledge(from, from + more))),
  fc
    .tuple(fc.nat(2), fc.nat(20), fc.constantFrom('window' as const, 'checksum' as const))
    .map(([number, sequence, reason]) => stepOf('message', number, reject(reason, sequence))),
  fc.tuple(fc.nat(2), anyProgress).map(([number, message]) => stepOf('message', number, message)),
  fc
    .nat(2)
    .chain((number) =>
      fc.constantFrom(
        stepOf('message', number, { kind: 'hello', linkKey: 9, facts: { ...facts, session: '0000000000000abc' } }),
        stepOf('message', number, { kind: 'refuse', outcome: 'refuse', label: 'other', sentence: 'not with you' }),
        stepOf('message', number, { kind: 'refuse', outcome: 'wait', label: 'later', sentence: 'not now' }),
        stepOf('message', number, { kind: 'head', head: { dataSet: 1, sequence: 1, bytes: 1, timeMs: 1 } }),
      ),
    ),
  fc.tuple(fc.nat(2), anyBoundHello).map(([number, message]) => stepOf('message', number, message)),
  fc.nat(2).chain((number) => fc.constantFrom(...link(number), stepOf('end', number), stepOf('text', number), stepOf('wait', number))),
);

export const primaryTarget: Target = {
  name: 'primary',
  property: 'whatever a secondary sends, the primary serves on, sends what was written, releases only what it gave, and stops cleanly',
  golden: [
    [
      ...link(0),
      work(0, 4),
      work(1, 0),
      stepOf('message', 0, acknowledge(0, 0)),
      work(0, 9),
      work(2, 0),
      stepOf('message', 0, acknowledge(1, 3)),
      work(0, 1),
    ],
    [
      ...link(0),
      ...link(1),
      work(0, 8),
      stepOf('end', 0),
      stepOf('message', 1, progress([1])),
      work(2, 0),
      stepOf('message', 1, acknowledge(0, 1, 0)),
    ],
    [
      work(0, 8),
      ...link(0),
      stepOf('message', 0, reject('checksum', 0)),
      stepOf('message', 0, reject('checksum', 0)),
      stepOf('message', 0, reject('checksum', 0)),
      work(0, 1),
    ],
    [...link(0), work(0, 8), work(2, 0), stepOf('message', 0, reject('window', 0)), stepOf('message', 0, acknowledge(0, 1))],
    [work(0, 1), stepOf('message', 2, promotedOf(1_700_000_000_000)), work(0, 1)],
    // More data sets than the window admits: the last ones were never sent.
    [...link(0), ...Array.from({ length: 10 }, () => [work(0, 1), work(2, 0)]).flat(), stepOf('message', 0, acknowledge(18, 19))],
    [...link(0), work(0, 1), stepOf('message', 0, acknowledge(0, 7))],
    // Found: a time that no date can be made of.
    [work(0, 1), stepOf('message', 2, promotedOf(Number.MAX_SAFE_INTEGER)), work(0, 1)],
  ],
  generator: fc.array(anyStep, { maxLength: 14 }).map((steps) => [...link(0), ...steps]),
  fix: fixStep,
  testInputs: 300,
  mustReach: ['serving', 'closed', 'superseded'],
  run: async (steps: Input): Promise<string> => {
    const disk = diskOf(files);
    const host = await LivePrimary.start(disk);
    for (const part of steps) await host.step(part);
    const outcome = await host.judge();
    await host.end();
    if (outcome !== 'superseded') {
      // What it wrote at its stop is read by the next start, which goes on with the stream.
      const again = await LivePrimary.start(disk);
      must(again.primary.phase === 'serving', `after a clean stop the primary is ${again.primary.phase}`);
      await again.end();
    }
    return outcome;
  },
};

class LivePrimary {
  readonly sockets: (JudgedSocket | undefined)[] = [];
  readonly requests: NotedRequest[] = [];
  #primary: Primary | null = null;
  #handlers: LinkServerOptions['handlers'] | null = null;
  #links = 0;
  readonly #sent = new Set<number>();
  /** The secondary has said that it holds something: what it says is believed, sent or not. */
  #mayHold = false;

  static async start(disk: FuzzDisk): Promise<LivePrimary> {
    const host = new LivePrimary();
    host.#primary = await Primary.start({
      disk,
      group: 'g',
      stateDirectory: PRIMARY_DIRECTORY,
      volumes: [PRIMARY_VOLUME],
      nbdListen: [],
      replicationListen: [],
      flushReply: 'local',
      cutPolicy: { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes: 512 * KiB, recordsMax: 1000 },
      backlogLimitBytes: 4096 * KiB,
      objectiveMs: 1000,
      standalone: false,
      linkGatherMs: 0,
      openNbd: () => ({ start: () => Promise.resolve(), stop: () => Promise.resolve(), addresses: () => [] }),
      openLinks: ({ handlers }) => {
        host.#handlers = handlers;
        return { start: () => Promise.resolve(), stop: () => {}, addresses: () => [] };
      },
      log: () => {},
    });
    return host;
  }

  get primary(): Primary {
    if (this.#primary === null) throw new Error('the primary has started');
    return this.#primary;
  }

  async step(part: Uint8Array): Promise<void> {
    const step = readStep(part);
    if (step.deed === 'work') this.#work(step.bytes);
    else if (step.deed === 'wait') await turns(10);
    else this.#arrive(step);
    if (step.deed === 'end') this.sockets[step.link] = undefined;
    await turns(2);
  }

  /** A message arrives; an acknowledgement of a number that was not given, or not sent, costs the link. */
  #arrive(step: Step): void {
    const socket = this.#socket(step.link);
    const message = step.deed === 'message' ? decodeMessage(step.bytes) : null;
    if (message?.kind === 'progress') this.#mayHold ||= message.held.length > 0 || message.destaged !== null;
    if (message?.kind === 'hello') this.#mayHold ||= message.facts.held.length > 0 || message.facts.watermark !== null;
    // What is destaged is believed too.
    if (message?.kind === 'acknowledge') this.#mayHold ||= message.positions.destaged !== null;
    const isOpen = socket.closedWith === null && socket.sent('head').length > 0;
    const { order } = this.primary;
    const newest = order?.machine.head(0).sequence ?? -1;
    socket.arrive(step);
    if (message?.kind !== 'acknowledge' || !isOpen || order === null || this.primary.phase !== 'serving') return;
    for (const { from, to } of message.ranges) {
      must(
        to <= newest || socket.closedWith?.code === CLOSE_CODE.protocolViolation,
        `number ${to} is taken as acknowledged, and ${newest} is the newest`,
      );
      for (let number = from; number <= to && number <= newest && !this.#mayHold; number += 1)
        must(this.#sent.has(number) || socket.closedWith !== null, `number ${number} is taken as acknowledged, and was never sent`);
    }
  }

  async judge(): Promise<string> {
    await turns(10);
    const { primary, requests } = this;
    must(/^(serving|superseded)$/.test(primary.phase), () => `the primary is ${primary.phase}: ${primary.state.reason}`);
    const text = renderStatus(primary.status(), false);
    must(!/NaN|undefined|Infinity/.test(text), `the status says ${text}`);
    if (primary.phase === 'superseded') return 'superseded';
    must(
      requests.every(({ answer }) => answer === 0),
      () => `requests were answered with ${requests.map(({ answer }) => answer).join(', ')}`,
    );
    const { order } = primary;
    must(order !== null, 'a primary that serves has its order');
    const head = order.machine.head(0);
    must(
      (order.acknowledged?.dataSet ?? -1) < head.dataSet,
      `data set ${order.acknowledged?.dataSet} is acknowledged, the head is at ${head.dataSet}`,
    );
    must((order.acknowledged?.finalSequence ?? -1) <= head.sequence, 'no number is acknowledged that was not given');
    must(
      order.machine.unacknowledgedBytes >= 0 && order.machine.unacknowledgedBytes <= head.bytes + 120,
      'what is unacknowledged was written',
    );
    return this.sockets.some((socket) => socket?.closedWith != null) ? 'closed' : 'serving';
  }

  async end(): Promise<void> {
    for (const socket of this.sockets) socket?.end(1006, '');
    await this.primary.stop();
  }

  /** The application writes, flushes, or a person asks for a cut. */
  #work(bytes: Buffer): void {
    const [kind = 0, blocks = 1] = bytes;
    if (this.requests.length >= REQUESTS_MAX) return;
    if (kind % 4 === 2) {
      this.primary.order?.step({ event: 'cutRequested', reason: 'bookmark' });
      return;
    }
    const lengthBytes = 512 * (1 + (blocks % 16));
    const request =
      kind % 4 === 1
        ? new NotedRequest({ command: 'flush' })
        : new NotedRequest({ offset: 512 * (blocks % 32), lengthBytes, value: WRITTEN });
    this.requests.push(request);
    this.primary.application?.submit([request]);
  }

  #socket(number: number): JudgedSocket {
    const known = this.sockets[number];
    if (known !== undefined) return known;
    const socket = new JudgedSocket((message, bytes) => this.#judgeSent(message, bytes));
    this.sockets[number] = socket;
    this.#links += 1;
    const handlers = this.#handlers;
    if (handlers === null) throw new Error('the primary listens');
    handlers.opened(new Link({ id: this.#links, address: `far:${this.#links}`, socket: socket.asWebSocket, handlers }));
    return socket;
  }

  /** Records that leave are whole, of this stream, and hold what the application wrote. */
  #judgeSent(message: WireMessage, bytes: Buffer | Uint8Array): void {
    if (message.kind !== 'records') return;
    const { state } = this.primary;
    const { records, damaged, violation } = decodeRecords(bytes, {
      generation: state.generations.at(-1)?.number ?? 0,
      stream: state.stream ?? '',
    });
    must(
      violation === null && damaged.length === 0 && records.length > 0,
      () => `records are sent with ${JSON.stringify(violation ?? damaged)}`,
    );
    for (const { sequence } of records) this.#sent.add(sequence);
    for (const { type, bytes: encoded } of records)
      must(type !== 'write' || encoded.subarray(80).every((byte) => byte === WRITTEN), 'what is sent is what was written');
  }
}
