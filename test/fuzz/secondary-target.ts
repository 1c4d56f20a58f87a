/**
 * A live secondary, and a primary that sends anything: whole conversations, mutated. What it acknowledges must be durable while it says
 * so, its volumes must be at one data set of the history, now and after a crash, and it may end only as documented.
 */
import fc from 'fast-check';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { scanJournal } from '../../journals/scan.ts';
import { judgeWatermark } from '../../journals/watermark.ts';
import type { PrimaryFacts } from '../../src/model/handshake.ts';
import { RefusedError } from '../../src/model/errors.ts';
import type { HostEnd } from '../../src/model/host-end.ts';
import type { WireMessage } from '../../src/record/wire.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { Secondary } from '../../src/secondary/secondary.ts';
import { hostStatePath } from '../../src/state/host-state.ts';
import { volumeTableOf } from '../../src/state/volume-table.ts';
import { renderStatus } from '../../src/status/render.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { blankPrimaryFacts } from '../support/handshake-facts.ts';
import { encodeSync } from '../record/samples.ts';
import { GROUP_ID, JOURNALS_DIRECTORY, smallGeometry, STATE_DIRECTORY, STREAM, VOLUMES } from '../support/secondary-host.ts';
import { fixRecords } from './checksums.ts';
import { diskOf, type FuzzDisk } from './disk.ts';
import { model, setOf, SLOTS } from './journal-inputs.ts';
import { fixStep, JudgedSocket, LINKS, readStep, stepOf, turns } from './link-inputs.ts';
import { judgeVolumes, recoverToRest } from './recovered-secondary.ts';
import { BLANK, GENERATIONS, PRIMARY_SESSION, TEMPLATES } from './secondary-template.ts';
import { must, type Input, type Target } from './target.ts';

const FAILURES: ReadonlySet<string> = new Set(['ERR_CHAIN_MISMATCH', 'ERR_SYNC_CONTRADICTION']);
const TURNS_MAX = 4_000;
const LAST_DATA_SET = model.dataSets.length - 1;

/** A host with data sets that are destaged, complete and partial, and one that was never bound. */
const STARTS: readonly ReadonlyMap<string, Uint8Array>[] = [(TEMPLATES[2] as (typeof TEMPLATES)[number]).files, BLANK];

const factsOf = (changes: Partial<PrimaryFacts>): PrimaryFacts =>
  blankPrimaryFacts({
    groupId: GROUP_ID,
    generations: GENERATIONS,
    stream: STREAM.stream,
    session: PRIMARY_SESSION,
    volumes: volumeTableOf(VOLUMES),
    dataSetBytesMax: 32_768,
    dataSetRecordsMax: 100,
    head: { dataSet: LAST_DATA_SET + 1, sequence: setOf(LAST_DATA_SET).point.finalSequence, bytes: 1e6, timeMs: 1_700_000_000_000 },
    ...changes,
  });
const unacknowledgedFrom = (dataSet: number): PrimaryFacts['unacknowledged'] =>
  model.dataSets.slice(dataSet).map((set) => ({
    dataSet: set.dataSet,
    firstSequence: set.firstSequence,
    finalSequence: set.point.finalSequence,
    acknowledged: new Uint8Array(8),
  }));
const points = model.dataSets.map(({ point }) => point);
const welcome: WireMessage = {
  kind: 'welcome',
  facts: factsOf({ chains: points, acknowledged: setOf(3).point, unacknowledged: unacknowledgedFrom(4) }),
};
const firstWelcome: WireMessage = {
  kind: 'welcome',
  facts: factsOf({ chains: points, acknowledged: null, unacknowledged: unacknowledgedFrom(0) }),
};

const allRecords = model.dataSets.flatMap((set) => set.records);
const recordsFrom = (dataSet: number, count = Infinity): Uint8Array[] =>
  allRecords
    .filter((record) => record.dataSet >= dataSet)
    .slice(0, count)
    .map(({ bytes }) => bytes);
const recordsMessage = (records: readonly Uint8Array[]): WireMessage => ({ kind: 'records', encoded: Buffer.concat(records) });
const head: WireMessage = { kind: 'head', head: { dataSet: 8, sequence: 99, bytes: 12_345, timeMs: 1_700_000_000_123 } };

const conversation = (start: number, first: WireMessage, from: number): Input => [
  Uint8Array.of(start),
  stepOf('message', 0, first),
  stepOf('message', 1, first),
  stepOf('message', 0, recordsMessage(recordsFrom(from, 12))),
  stepOf('message', 1, head),
  stepOf('wait', 0),
  stepOf('message', 1, recordsMessage(recordsFrom(from).slice(12))),
  stepOf('message', 0, { kind: 'requestProgress', closedLinks: [2] }),
  stepOf('message', 1, recordsMessage(recordsFrom(from, 20).toReversed())),
];

/** Data set 6 ends at its first number, says this primary; the copy has more of it. */
const contradiction = ((): Uint8Array => {
  const { firstSequence, point } = setOf(6);
  const sync = {
    dataSet: 6,
    firstSequence,
    finalSequence: firstSequence,
    reason: 'flush' as const,
    chain: point.chain,
    incarnation: PRIMARY_SESSION,
    headBytes: 0,
    timeUs: 1,
  };
  return encodeSync(sync, STREAM);
})();

const syncRecords = model.dataSets.map(({ records }) => records.at(-1)).filter((record) => record !== undefined);
const FIELDS = [6, 12, 24, 32, 40, 48, 56, 80, 112] as const;
/** A record of the history with a number somewhat other than it was, under right checksums: a primary that contradicts itself. */
const editedRecord = fc
  .tuple(
    fc.oneof(fc.constantFrom(...allRecords), fc.constantFrom(...syncRecords)),
    fc.constantFrom(...FIELDS),
    fc.integer({ min: -3, max: 3 }),
  )
  .map(([{ bytes }, at, change]) => {
    const copy = Uint8Array.from(bytes);
    if (at < copy.length) copy[at] = ((copy[at] ?? 0) + change) & 0xff;
    fixRecords(copy);
    return copy;
  });

/** Records of the history in any order, with other messages between them. */
const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(fc.constantFrom(...allRecords), { minLength: 1, maxLength: 12 })
      .map((records) => stepOf('message', 0, recordsMessage(records.map(({ bytes }) => bytes)))),
  },
  fc.tuple(fc.nat(LAST_DATA_SET), fc.nat(30)).map(([from, count]) => stepOf('message', 1, recordsMessage(recordsFrom(from, count)))),
  { weight: 3, arbitrary: editedRecord.map((record) => stepOf('message', 1, recordsMessage([record, ...recordsFrom(4, 3)]))) },
  fc.constantFrom(
    stepOf('wait', 0),
    stepOf('end', 1),
    stepOf('text', 0),
    stepOf('message', 1, head),
    stepOf('message', 2, welcome),
    stepOf('message', 1, { kind: 'requestProgress', closedLinks: [1, 2, 7] }),
    stepOf('message', 2, { kind: 'ready' }),
    stepOf('message', 2, { kind: 'refuse', outcome: 'wait', label: 'later', sentence: 'not now' }),
    stepOf('message', 2, { kind: 'supersededAcknowledged', groupId: GROUP_ID }),
    stepOf('message', 2, {
      kind: 'acknowledge',
      windowHigh: 9,
      positions: { received: 1, durable: 1, complete: 1, destaged: 1, destagedSequence: 9 },
      ranges: [{ from: 0, to: 99 }],
    }),
  ),
);
const generator = fc
  .tuple(fc.nat(1), fc.array(anyStep, { maxLength: 10 }))
  .map(([start, steps]) => [
    Uint8Array.of(start),
    stepOf('message', 0, start === 0 ? welcome : firstWelcome),
    stepOf('message', 1, start === 0 ? welcome : firstWelcome),
    ...steps,
  ]);

export const secondaryTarget: Target = {
  name: 'secondary',
  property:
    'whatever a primary sends, only what is durable is acknowledged, the volumes stay at one data set, and at most the link ends (I1, I2, I7)',
  golden: [
    conversation(0, welcome, 4),
    conversation(1, firstWelcome, 0),
    [
      Uint8Array.of(0),
      ...[0, 1, 2].flatMap((link) => [stepOf('message', link, welcome), stepOf('message', link, recordsMessage([contradiction]))]),
    ],
  ],
  generator,
  fix: fixStep,
  testInputs: 210,
  mustReach: ['replicating', 'closed', 'refused', 'all destaged', 'ERR_SYNC_CONTRADICTION'],
  run: async ([begin, ...steps]: Input): Promise<string> => {
    const disk = diskOf(STARTS[(begin?.[0] ?? 0) % STARTS.length] as ReadonlyMap<string, Uint8Array>);
    const host = await LiveSecondary.start(disk);
    try {
      for (const part of steps) await host.step(part);
      const outcome = await host.rest();
      if (steps.length % 4 === 0) await judgeAfterCrash(disk, host.secondary.state.groupId !== null);
      return outcome;
    } finally {
      await host.secondary.stop();
    }
  },
};

/** What a kill leaves is recovered to one data set of the history, or refused because a right checksum stands over a wrong history. */
async function judgeAfterCrash(disk: FuzzDisk, isBound: boolean): Promise<void> {
  if (!isBound) return;
  const names = [hostStatePath(STATE_DIRECTORY), watermarkPath(JOURNALS_DIRECTORY), ...VOLUMES.map(({ path }) => path)];
  for (let slot = 0; slot < SLOTS; slot += 1) names.push(journalPath(JOURNALS_DIRECTORY, slot));
  const copy = diskOf(new Map(names.map((name) => [name, disk.durableBytes(name) ?? new Uint8Array(0)])));
  try {
    const { destaged } = await recoverToRest(copy, 'start');
    judgeVolumes(copy, destaged);
  } catch (error) {
    if (!(error instanceof RefusedError) || error.code !== 'ERR_RECOVERY_CONTRADICTION') throw error;
  }
}

class LiveSecondary {
  readonly sockets: JudgedSocket[] = [];
  readonly #disk: FuzzDisk;
  #secondary: Secondary | null = null;
  #ended: HostEnd | null = null;

  static async start(disk: FuzzDisk): Promise<LiveSecondary> {
    const host = new LiveSecondary(disk);
    const secondary = await Secondary.start({
      commitGapMs: 0,
      disk,
      group: 'g',
      stateDirectory: STATE_DIRECTORY,
      volumes: VOLUMES,
      connect: Array.from({ length: LINKS }, (_, link) => `ws://primary:${link + 1}`),
      links: LINKS,
      journals: { directory: JOURNALS_DIRECTORY, geometry: smallGeometry(SLOTS) },
      nbdListen: [],
      objectiveMs: 1000,
      dial: true,
      openCarrier: (buffers) => inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), buffers),
      connectSocket: () => host.#connect().asWebSocket,
      log: () => {},
    });
    host.#secondary = secondary;
    void host.#note(secondary.ended);
    await turns(2);
    return host;
  }

  private constructor(disk: FuzzDisk) {
    this.#disk = disk;
  }

  async #note(ended: Promise<HostEnd>): Promise<void> {
    this.#ended = await ended;
  }

  get secondary(): Secondary {
    if (this.#secondary === null) throw new Error('the secondary has started');
    return this.#secondary;
  }

  async step(part: Uint8Array): Promise<void> {
    const step = readStep(part);
    const socket = this.sockets[step.link];
    if (step.deed === 'wait') await turns(20);
    else if (socket !== undefined && step.deed !== 'work') socket.arrive(step);
    await turns(2);
  }

  /** Wait until nothing is under way, and judge what is there then. */
  async rest(): Promise<string> {
    const { secondary } = this;
    for (let count = 0; secondary.replica !== null && !secondary.replica.isSettled && secondary.phase === 'replicating'; count += 1) {
      must(count < TURNS_MAX, 'a secondary comes to rest');
      await turns(1);
    }
    must(/^(replicating|failed)$/.test(secondary.phase), `the secondary is ${secondary.phase}`);
    const text = renderStatus(secondary.status(), false);
    must(!/NaN|undefined|Infinity/.test(text), `the status says ${text}`);
    if (secondary.phase === 'failed') {
      const code = secondary.reason?.split(':')[0] ?? '';
      must(FAILURES.has(code), `the secondary failed: ${secondary.reason}`);
      return code;
    }
    if (secondary.replica !== null) judgeVolumes(this.#disk, secondary.replica.watermarkPoint?.dataSet ?? -1);
    const end = this.#ended;
    if (end !== null) {
      must(end.exitCode === 5 && end.code.startsWith('ERR_'), `it ended with ${end.exitCode} ${end.code}`);
      return 'refused';
    }
    if (secondary.replica?.watermarkPoint?.dataSet === LAST_DATA_SET) return 'all destaged';
    return this.sockets.some(({ closedWith }) => closedWith !== null) ? 'closed' : 'replicating';
  }

  #connect(): JudgedSocket {
    const socket = new JudgedSocket((message) => this.#judgeSent(message));
    this.sockets.push(socket);
    setImmediate(() => {
      socket.opened = true;
      socket.emit('open');
    });
    return socket;
  }

  /** I2, while it is said: each number stands in a durable journal, or is covered by a durable watermark. */
  #judgeSent(message: WireMessage): void {
    if (message.kind !== 'acknowledge' || message.ranges.length === 0) return;
    const watermark = judgeWatermark(this.#disk.durableBytes(watermarkPath(JOURNALS_DIRECTORY)) ?? new Uint8Array(0), 'watermark');
    const covered = watermark.newest.point?.finalSequence ?? -1;
    const durable = new Set<number>();
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const path = journalPath(JOURNALS_DIRECTORY, slot);
      for (const record of scanJournal(this.#disk.durableBytes(path) ?? new Uint8Array(0), { slot, path }).records)
        durable.add(record.sequence);
    }
    for (const { from, to } of message.ranges) {
      must(to - from < 10_000, `a range ${from}..${to} is acknowledged`);
      for (let number = from; number <= to; number += 1)
        must(number <= covered || durable.has(number), `number ${number} is acknowledged, and is not durable`);
    }
  }
}
