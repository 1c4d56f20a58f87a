/**
 * One life of the production secondary on a simulated disk, in virtual time: it recovers, takes what is delivered to it, comes to rest, or
 * is promoted, and is judged at each of these. Every moment at which a crash could find something new can be kept.
 */
import { watermarkPath } from '../../../journals/files.ts';
import { messageOf } from '../../model/errors.ts';
import type { LinkId } from '../../protocol/secondary-contract.ts';
import { inlineCarrier } from '../../secondary/destager.ts';
import { promote } from '../../secondary/promotion.ts';
import type { Replica } from '../../secondary/replica.ts';
import { Secondary } from '../../secondary/secondary.ts';
import { openVolumes } from '../../volume/open-volumes.ts';
import type { Operation, SimulatedDisk } from '../disk.ts';
import type { Random } from '../random.ts';
import { settlePromises, type Universe } from '../virtual-globals.ts';
import { violated } from '../violation.ts';
import { World } from '../virtual-time.ts';
import { CrashPoint } from './crash-point.ts';
import { judgeRebuilt, judgeRest, judgePromoted } from './judges.ts';
import { keyOf } from './sector-hash.ts';
import type { SmallHistory, SmallRecord } from './small-history.ts';
import { GEOMETRY, GROUP, JOURNALS_DIRECTORY, STATE_DIRECTORY, VOLUMES } from './small-setting.ts';
import type { Told } from './told.ts';
import { durableWatermark } from '../storage-oracle.ts';

const STEPS_MAX = 5_000;
const ROUNDS_MAX = 50;
const ONLY_READS: ReadonlySet<Operation> = new Set(['open', 'read', 'readFile', 'close']);

/** A moment of a life, with what was told until then. */
export interface Moment {
  readonly point: CrashPoint;
  readonly told: Told;
}

/** One message on a link. */
export interface Message {
  readonly link: LinkId;
  readonly records: readonly SmallRecord[];
  /** Virtual time since the message before. */
  readonly gapUs: number;
}

export interface LifeOptions {
  readonly universe: Universe;
  readonly disk: SimulatedDisk;
  readonly history: SmallHistory;
  /** Grows with the life. */
  readonly told: Told;
  readonly random: Random;
  /** Keep the moments. */
  readonly keep: boolean;
  readonly trace: ((line: string) => void) | null;
}

export class Life {
  readonly moments: Moment[] = [];
  readonly disk: SimulatedDisk;
  readonly told: Told;
  readonly #options: LifeOptions;
  readonly #world = new World();
  readonly #history: SmallHistory;
  #secondary: Secondary | null = null;
  #failure: Error | null = null;
  #newestKey = NaN;
  #keeps: boolean;
  /** Whether something was asked since the last look that changes what a crash leaves. */
  #changed = true;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.told = options.told;
    this.#keeps = options.keep;
    this.#history = options.history;
    this.#world.life = { name: 'secondary', dead: false };
    this.#world.trace = options.trace;
    this.disk = options.disk.after('page cache', { world: this.#world, random: options.random });
    if (options.keep || options.trace !== null) this.disk.watcher = this.#watcher();
  }

  /** Recover; what was rebuilt is judged, and from now on told. */
  async start(): Promise<void> {
    const { universe } = this.#options;
    universe.world = this.#world;
    this.#look('the start');
    void this.#start();
    await this.#until(() => this.#secondary !== null, 'a start never ends');
    const { told } = this;
    const secondary = this.#secondary ?? violated('simulation', 'a host has started');
    if (secondary.state.condition === 'promoted') {
      judgePromoted({ secondary, told, history: this.#history, disk: this.disk });
      return;
    }
    judgeRebuilt({ secondary, told, history: this.#history, disk: this.disk });
    if (secondary.replica !== null) secondary.replica.outlet = this.#outlet();
  }

  /** Keep no more moments from now on. */
  stopKeeping(): void {
    this.#keeps = false;
  }

  get isPromoted(): boolean {
    return this.#secondary?.state.condition === 'promoted';
  }

  /** Let everything complete be destaged; then both volumes are the history's at the watermark. */
  async rest(): Promise<void> {
    const replica = this.#replica();
    await this.#until(() => replica.isSettled, 'a host never comes to rest');
    judgeRest({ replica, told: this.told, history: this.#history, disk: this.disk });
  }

  /** Take these messages, while the host works on. */
  async take(messages: readonly Message[]): Promise<void> {
    for (const { link, records, gapUs } of messages) {
      await this.#for(gapUs);
      this.#deliver(link, records);
    }
  }

  /** Send what is not acknowledged, as the primary does, until everything is; then the copy is level with the final image. */
  async finish(): Promise<void> {
    const replica = this.#replica();
    for (let round = 0; ; round += 1) {
      await this.#until(() => replica.isSettled, 'a host never comes to rest');
      const waiting = this.#history.records.filter(({ sequence }) => !this.told.has(sequence));
      if (waiting.length === 0) break;
      if (round > ROUNDS_MAX) violated('liveness', `number ${waiting[0]?.sequence} is never acknowledged`);
      for (const record of waiting) {
        if (record.dataSet > replica.machine.windowHigh) break;
        this.#deliver(1, [record]);
        await this.#for(30);
      }
    }
    await this.rest();
    const reached = replica.watermarkPoint?.dataSet ?? -1;
    if (reached !== this.#history.last) violated('liveness', `everything is acknowledged, destaged is only data set ${reached}`);
  }

  /** Promote this host; the volumes are the history's at the data set that it says it kept, and nothing else is left in the journals. */
  async promote(): Promise<void> {
    const secondary = this.#secondary ?? violated('simulation', 'a host that runs is promoted');
    this.told.mayBePromoting = true;
    let promoted = false;
    promote(secondary, { force: false, dryRun: false }).then(
      () => (promoted = true),
      (error: unknown) => this.fail(error),
    );
    await this.#until(() => promoted, 'a promotion never ends');
    judgePromoted({ secondary, told: this.told, history: this.#history, disk: this.disk });
  }

  async #start(): Promise<void> {
    const { disk } = this;
    try {
      this.#secondary = await Secondary.start({
        commitGapMs: 0,
        disk,
        group: GROUP,
        stateDirectory: STATE_DIRECTORY,
        volumes: VOLUMES,
        connect: [],
        links: 1,
        journals: { directory: JOURNALS_DIRECTORY, geometry: GEOMETRY },
        nbdListen: [],
        objectiveMs: 1000,
        dial: false,
        openCarrier: (buffers) => inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), buffers),
        log: (level, message) => {
          this.#world.note(message);
          if (level === 'error') this.fail(new Error(message));
        },
      });
    } catch (error) {
      this.fail(error);
    }
  }

  /** Something went wrong outside of a call; the life ends with it. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(messageOf(error));
  }

  #deliver(link: LinkId, records: readonly SmallRecord[]): void {
    for (const { dataSet } of records) this.told.delivered = Math.max(this.told.delivered, dataSet);
    this.#world.note(`link ${link} delivers ${records.map(({ dataSet, sequence }) => `${dataSet}/${sequence}`).join(' ')}`);
    const replica = this.#replica();
    this.#world.as(this.#world.life, () => replica.step({ event: 'recordsReceived', link, records: records.map(({ wire }) => wire) }));
  }

  #replica(): Replica {
    return this.#secondary?.replica ?? violated('I1 prefix', 'a bound host has a copy');
  }

  #outlet(): Replica['outlet'] {
    return {
      acknowledge: (ranges) => {
        for (const { from, to } of ranges) for (let sequence = from; sequence <= to; sequence += 1) this.#acknowledged(sequence);
      },
      reject: ({ dataSet }) => {
        const { windowHigh } = this.#replica().machine;
        if (dataSet <= windowHigh - GEOMETRY.slots) this.fail(new Error(`I6 window: data set ${dataSet} is rejected below the window`));
      },
      closeLink: (_link, violation) => this.fail(new Error(`protocol: a link is closed: ${violation}`)),
    };
  }

  #acknowledged(sequence: number): void {
    this.#changed = true;
    if (this.#history.records[sequence] === undefined) this.fail(new Error(`I2 ack: number ${sequence} was never given`));
    this.#world.note(`acknowledged ${sequence}`);
    this.told.tell(sequence);
  }

  #watcher(): SimulatedDisk['watcher'] {
    return {
      asked: ({ operation, path, position, lengthBytes }) => {
        const label = `${operation} ${path}${lengthBytes > 0 ? ` at ${position}, ${lengthBytes} bytes` : ''}`;
        this.#world.note(label);
        if (this.#changed) this.#look(`before ${label}`);
        this.#changed ||= !ONLY_READS.has(operation);
      },
      writing: () => {},
      flushed: () => {},
    };
  }

  /** Keep this moment, unless a crash finds the same as at the one before. */
  #look(label: string): void {
    if (!this.#keeps) return;
    this.#changed = false;
    const point = new CrashPoint(this.disk, label);
    const lanes = { ...point.lanes };
    this.told.addTo(lanes, this.#history);
    const key = keyOf(lanes);
    if (key === this.#newestKey) return;
    this.#newestKey = key;
    this.told.watermark = Math.max(this.told.watermark, watermarkAt(point, this.disk));
    this.moments.push({ point, told: this.told.copy() });
  }

  async #until(condition: () => boolean, otherwise: string): Promise<void> {
    for (let steps = 0; ; steps += 1) {
      await settlePromises();
      this.#look('an event');
      if (this.#failure !== null) throw this.#failure;
      if (condition()) return;
      if (steps > STEPS_MAX || !this.#world.step()) violated('liveness', otherwise);
    }
  }

  /** Go on for some virtual time. */
  async #for(durationUs: number): Promise<void> {
    let over = durationUs === 0;
    if (!over) this.#world.schedule(durationUs, 'pause', () => (over = true));
    await this.#until(() => over, 'a pause never ends');
  }
}

/** What durable watermarks say, by their key: they are asked for at every moment. */
const watermarks = new Map<number, number>();

function watermarkAt(point: CrashPoint, disk: SimulatedDisk): number {
  const key = point.durableKey(watermarkPath(JOURNALS_DIRECTORY));
  let watermark = watermarks.get(key);
  if (watermark === undefined) {
    watermark = durableWatermark(disk);
    watermarks.set(key, watermark);
  }
  return watermark;
}
