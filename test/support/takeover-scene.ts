/** Shared storage that a secondary left behind, and the stopped peer that is to take its place, on one disk in memory. */
import { decodeBlocks } from '../../journals/watermark.ts';
import { watermarkPath } from '../../journals/files.ts';
import type { HeldSegment, NvramRegion, OpenedRegion } from '../../src/peer/nvram/contract.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { Secondary } from '../../src/secondary/secondary.ts';
import { readHostState, writeHostState, type HostState } from '../../src/state/host-state.ts';
import { takeOver, type TakeoverOptions, type TakeoverReport } from '../../src/takeover/take-over.ts';
import { takenOverOptions } from '../../src/takeover/taken-over-options.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import {
  initialiseSecondary,
  JOURNALS_DIRECTORY,
  modelOf,
  SecondaryHost,
  smallGeometry,
  STATE_DIRECTORY,
  VOLUMES,
  Witness,
} from './secondary-host.ts';
import type { ModelPrimary, ModelRecord } from './secondary-host-primary.ts';
import { TestDisk } from './test-disk.ts';

const SLOTS = 4;
export const PEER_DIRECTORY = '/peer';
export const REGION_ID = 'ab'.repeat(16);
export const REGION_PATH = '/nvram';

export class TakeoverScene {
  disk: TestDisk;
  readonly model: ModelPrimary;
  /** What the region holds; it survives the crashes of a scene. */
  held: ModelRecord[] = [];
  /** Changes of what opening the region finds. */
  region: Partial<NvramRegion> = {};
  opened: OpenedRegion | null = null;
  readonly log: string[] = [];

  private constructor(disk: TestDisk, model: ModelPrimary) {
    this.disk = disk;
    this.model = model;
  }

  /** The secondary had journaled data set 0 and some of data set 1; its peer holds the rest of 1, all of 2, and some of 3, in no order. */
  static async open(seed: number): Promise<TakeoverScene> {
    const disk = new TestDisk({ seed });
    await initialiseSecondary(disk, SLOTS);
    const model = modelOf({ slots: SLOTS, recordsMin: 4, dataSets: 4 });
    const scene = new TakeoverScene(disk, model);
    const secondary = await SecondaryHost.start(disk, new Witness(model), SLOTS);
    secondary.receive(1, [...scene.recordsOf(0), ...scene.recordsOf(1).slice(0, 2)]);
    await secondary.settle();
    await secondary.close();
    scene.held = [...scene.recordsOf(3).slice(1, 3), ...scene.recordsOf(1).slice(1).toReversed(), ...scene.recordsOf(2)];
    disk.makeDirectory(PEER_DIRECTORY);
    scene.state = {
      ...readHostState(disk, STATE_DIRECTORY),
      role: 'peer',
      geometry: smallGeometry(SLOTS),
      region: { id: REGION_ID, lost: [] },
    };
    return scene;
  }

  /** Durable state of the peer. */
  get state(): HostState {
    return readHostState(this.disk, PEER_DIRECTORY);
  }

  set state(state: HostState) {
    writeHostState(this.disk, PEER_DIRECTORY, state);
  }

  recordsOf(dataSet: number): readonly ModelRecord[] {
    return this.model.dataSets[dataSet]?.records ?? [];
  }

  /** Host epochs of the watermark's two blocks. */
  get epochs(): number[] {
    return decodeBlocks(this.disk.readFile(watermarkPath(JOURNALS_DIRECTORY)) ?? new Uint8Array(0)).flatMap((block) =>
      block.verdict === 'readable' ? [block.content.hostEpoch] : [],
    );
  }

  options(changes: Partial<TakeoverOptions> = {}): TakeoverOptions {
    const { disk } = this;
    return {
      disk,
      group: 'g',
      stateDirectory: PEER_DIRECTORY,
      objectiveMs: 1000,
      nvram: { path: REGION_PATH, sizeBytes: 4 << 20, hold: 'memory' },
      takeover: {
        volumes: VOLUMES,
        journals: { directory: JOURNALS_DIRECTORY },
        replication: { connect: ['ws://primary'], links: 1 },
        nbd: { listen: [] },
        fence: null,
      },
      fenced: true,
      force: false,
      regions: { create: () => {}, open: () => this.opened ?? { kind: 'open', region: this.#region() } },
      settle: () => Promise.resolve(),
      openCarrier: (buffers) => inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), buffers),
      log: (level, message) => void this.log.push(`${level} ${message}`),
      ...changes,
    };
  }

  takeOver(changes: Partial<TakeoverOptions> = {}): Promise<TakeoverReport> {
    return takeOver(this.options(changes));
  }

  /** Start the host as its config and state say from now on, without its links. */
  startTakenOver(): Promise<Secondary> {
    const { openCarrier } = this.options();
    return Secondary.start({ ...takenOverOptions(this.options(), { dial: false }), ...(openCarrier === undefined ? {} : { openCarrier }) });
  }

  /** The process dies, or the power goes. */
  crash(kept: 'page cache' | 'what is durable'): void {
    this.disk = this.disk.crash(kept);
  }

  #region(): NvramRegion {
    const { held } = this;
    const head = 5 + held.length;
    const segments = function* (): Generator<HeldSegment, { verdict: 'clean-end'; offset: number }> {
      for (let from = 0; from < held.length; from += 3) {
        const records = held.slice(from, from + 3);
        yield { firstOrdinal: 5 + from, records: records.length, encoded: Buffer.concat(records.map(({ bytes }) => bytes)) };
      }
      return { verdict: 'clean-end', offset: 0 };
    };
    return {
      path: REGION_PATH,
      sizeBytes: 4 << 20,
      hold: 'memory',
      regionId: REGION_ID,
      tail: 5,
      head,
      heldBytes: 1000,
      freeBytes: 0,
      foundEnd: { verdict: 'clean-end', offset: 0 },
      groupId: this.state.groupId,
      bind: () => {},
      store: () => {},
      whenHeld: () => {},
      release: () => {},
      segments,
      close: () => {},
      ...this.region,
    };
  }
}
