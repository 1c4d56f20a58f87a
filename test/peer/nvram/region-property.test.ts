/**
 * Random programs against a simple model, on the simulated disk: stores, releases, flushes, clean stops, kills and power cuts, each of them
 * also in the middle of an operation. After every one of them the region holds what it told, and never anything else.
 *
 * @timeLimit 120 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RegionHold } from '../../../src/model/peer.ts';
import { LIMITS } from '../../../src/model/limits.ts';
import type { NvramRegion } from '../../../src/peer/nvram/contract.ts';
import { RING_OFFSET } from '../../../src/peer/nvram/format.ts';
import type { openRegion } from '../../../src/peer/nvram/open-region.ts';
import type { Kept } from '../../../src/simulation/disk.ts';
import { Random } from '../../../src/simulation/random.ts';
import { TestDisk } from '../../support/test-disk.ts';
import { RegionModel } from './region-model.ts';
import { encodeMessage, makeRegion, reopen } from './support.ts';

const PATH = '/region';
const SIZE_BYTES = RING_OFFSET + 16 * 1024;
const SEEDS = 150;
const STEPS = 120;

class Program {
  readonly #random: Random;
  readonly #hold: RegionHold;
  #disk: TestDisk;
  #region!: NvramRegion;
  readonly #model = new RegionModel();
  readonly met = new Map<string, number>();
  /** Operations until the disk crashes in the middle of one; what it then leaves. */
  #crashIn = Number.POSITIVE_INFINITY;
  #isWatched = false;
  #crashed: TestDisk | null = null;
  #atCrash: RegionModel | null = null;

  constructor(seed: number, hold: RegionHold) {
    this.#random = new Random(seed);
    this.#hold = hold;
    const mapped = this.#random.chance(0.5) ? { fileSystem: 'tmpfs', residentChance: 1 } : {};
    this.#disk = new TestDisk({ seed, ...mapped, reorders: this.#random.chance(0.5), onAsked: () => this.#asked() });
  }

  async run(): Promise<void> {
    this.#region = await makeRegion(this.#options());
    for (let step = 0; step < STEPS; step += 1) await this.#step();
    this.#region.close();
  }

  async #step(): Promise<void> {
    const choice = this.#random.int(100);
    if (choice % 25 === 0) this.#crashIn = this.#random.int(8);
    this.#isWatched = true;
    if (choice < 45) this.#store();
    else if (choice < 62) this.#release();
    else if (choice < 80) this.#ask();
    else if (choice < 92) await new Promise((resolve) => setImmediate(resolve));
    else if (choice < 96) await this.#reopen();
    else this.#crash(this.#kept());
    this.#isWatched = false;
    if (this.#crashed !== null) this.#resume();
    else this.#model.assertSame(this.#region);
  }

  #store(): void {
    const records = this.#random.between(1, 3);
    const encoded = encodeMessage(this.#model.head, records, this.#random.int(5) * 512);
    if (encoded.length + LIMITS.regionOverheadBytes > this.#region.freeBytes) return this.#note('full');
    // In the middle of it, it may be there or not; it is told only afterwards.
    this.#model.messages.push({ firstOrdinal: this.#model.head, records, encoded });
    this.#region.store(encoded, records);
    if (this.#hold === 'memory') this.#model.told = this.#model.head;
    this.#note('store');
  }

  #release(): void {
    const through = this.#random.between(this.#region.tail, this.#region.head);
    this.#model.released = Math.max(this.#model.released, through);
    this.#region.release(through);
    this.#note('release');
  }

  #ask(): void {
    const { head } = this.#model;
    const region = this.#region;
    region.whenHeld((error) => {
      if (error !== null) throw error;
      if (region === this.#region) this.#model.told = Math.max(this.#model.told, head);
      this.#note('held');
    });
  }

  async #reopen(): Promise<void> {
    this.#region.close();
    // A flush that is under way ends first.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    if (this.#crashed !== null) return;
    const region = reopen(this.#options());
    this.#model.assertSurvived(region);
    assert.is(region.head, this.#model.head, 'a clean stop loses nothing');
    this.#region = region;
    this.#note('reopen');
  }

  /** Power cuts only where the region promises to survive them. */
  #kept(): Kept {
    return this.#hold === 'durable' && this.#random.chance(0.6) ? 'what is durable' : 'page cache';
  }

  #asked(): void {
    if (!this.#isWatched) return;
    this.#crashIn -= 1;
    if (this.#crashIn >= 0) return;
    // What the dead process goes on to do is seen by nobody.
    this.#crash(this.#kept());
  }

  #crash(kept: Kept): void {
    if (this.#crashed !== null) return;
    this.#crashIn = Number.POSITIVE_INFINITY;
    this.#atCrash = this.#model.copy();
    this.#crashed = this.#disk.crash(kept, { onAsked: () => this.#asked() });
    this.#note(kept);
  }

  #resume(): void {
    if (this.#crashed === null || this.#atCrash === null) throw new Error('no crash');
    this.#disk = this.#crashed;
    this.#crashed = null;
    Object.assign(this.#model, this.#atCrash);
    this.#region = reopen(this.#options());
    this.#model.assertSurvived(this.#region);
    if (this.#region.foundEnd.verdict === 'unreadable') this.#note('unreadable end');
  }

  #options(): Parameters<typeof openRegion>[0] {
    return { disk: this.#disk, path: PATH, sizeBytes: SIZE_BYTES, hold: this.#hold };
  }

  #note(what: string): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1);
  }
}

for (const hold of ['memory', 'durable'] as const) {
  test(`hold: ${hold}: any program, any crash`, async () => {
    const met = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const program = new Program(seed, hold);
      try {
        await program.run();
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
      for (const [what, count] of program.met) met.set(what, (met.get(what) ?? 0) + count);
    }
    const wanted = [
      'store',
      'release',
      'held',
      'full',
      'reopen',
      'page cache',
      ...(hold === 'durable' ? ['what is durable', 'unreadable end'] : []),
    ];
    for (const what of wanted) assert.ok((met.get(what) ?? 0) > 20, `${what}: ${met.get(what)}`);
  });
}

test.run();
