/**
 * The simulated disk against a model of what a disk may do, over random programs and several lives (I2, I10): what is durable is never
 * lost, a kill keeps what readers saw, a power cut leaves each sector old or new, names survive as a prefix of what was done to them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import type { DiskFile, FileMapping } from '../../src/disk/disk.ts';
import { codeOf, finished } from '../support/scratch.ts';
import { TestDisk } from '../support/test-disk.ts';

const SECTOR = 512;
const PAGE_SECTORS = 8;
const SECTORS = 3 * PAGE_SECTORS;
const PATH = '/a';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What is known of one sector; a value fills the whole of it. */
class Sector {
  cached = 0;
  /** What may be durable, apart from what is pending. */
  sure = new Set([0]);
  /** Written and not flushed, oldest first. */
  pending: { readonly order: number; readonly value: number }[] = [];
  /** Being written; null: nothing is. */
  underWay: number | null = null;

  get possible(): Set<number> {
    return new Set([...this.sure, ...this.pending.map(({ value }) => value), ...(this.underWay === null ? [] : [this.underWay])]);
  }

  put(value: number, order: number): void {
    this.cached = value;
    this.pending.push({ order, value });
  }

  putDurably(value: number): void {
    this.cached = value;
    this.sure = new Set([value]);
    this.pending = [];
  }

  flush(upTo: number, failed: boolean): void {
    const taken = this.pending.filter(({ order }) => order <= upTo).map(({ value }) => value);
    this.pending = this.pending.filter(({ order }) => order > upTo);
    if (failed) for (const value of taken) this.sure.add(value);
    else if (taken.length > 0) this.sure = new Set(taken.slice(-1));
  }
}

type Step =
  | { readonly kind: 'write' | 'writeSync' | 'writeDurably' | 'zero' | 'store'; readonly first: number; readonly count: number }
  | { readonly kind: 'flush' | 'flushSync' | 'failedFlush' | 'turn' | 'kill' | 'power cut' };

const range = { first: fc.nat(SECTORS - 1), count: fc.integer({ min: 1, max: 2 * PAGE_SECTORS }) };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('write', 'writeSync', 'writeDurably', 'zero', 'store'), ...range }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constantFrom('flush', 'flushSync', 'failedFlush', 'turn', 'turn', 'kill', 'power cut') }),
    },
  ),
  { minLength: 4, maxLength: 40 },
);

/** One program: the disk and its model, side by side. */
class Program {
  disk: TestDisk;
  readonly sectors = Array.from({ length: SECTORS }, () => new Sector());
  #file!: DiskFile;
  #durable!: DiskFile;
  #mapping!: FileMapping;
  #order = 0;
  #lastValue = 0;

  constructor(seed: number) {
    this.disk = new TestDisk({ seed, aligned: false, residentChance: 0.7, reorders: seed % 2 === 0 });
  }

  async run(program: readonly Step[]): Promise<void> {
    const file = this.disk.open(PATH, { create: true });
    file.allocateSync(SECTORS * SECTOR);
    file.flushSync();
    this.disk.syncDirectory('/');
    this.#live();
    for (const step of program) await this.#step(step);
    this.#crash('power cut');
  }

  #live(): void {
    this.#file = this.disk.open(PATH, {});
    this.#durable = this.disk.open(PATH, { durableWrites: true });
    this.#mapping = this.#file.map() as FileMapping;
  }

  async #step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'turn':
        return turn();
      case 'flush':
        return this.#flush(false);
      case 'failedFlush':
        this.disk.failNext('flush', 'EIO');
        return this.#flush(true);
      case 'flushSync':
        this.#file.flushSync();
        return this.#flushed(this.#order, false);
      case 'kill':
      case 'power cut':
        return this.#crash(step.kind);
      default:
        this.#change(step);
    }
    this.#judgeReaders();
  }

  #flush(failed: boolean): void {
    const upTo = this.#order;
    const { disk } = this;
    this.#file.flush((error) => {
      assert.not(disk.dead);
      assert.is(error === null, !failed, 'a failure is reported to the flush that met it');
      this.#flushed(upTo, failed);
    });
  }

  #flushed(upTo: number, failed: boolean): void {
    for (const sector of this.sectors) sector.flush(upTo, failed);
  }

  #change({ kind, first, count }: Extract<Step, { first: number }>): void {
    const begin = kind === 'store' ? first - (first % PAGE_SECTORS) : first;
    const sectors = this.sectors.slice(begin, kind === 'store' ? begin + PAGE_SECTORS : begin + count);
    // Who writes one place twice at a time knows no order.
    if (sectors.some(({ underWay }) => underWay !== null)) return;
    this.#lastValue = kind === 'zero' ? 0 : (this.#lastValue % 250) + 1;
    const value = this.#lastValue;
    const bytes = new Uint8Array(sectors.length * SECTOR).fill(value);
    const position = begin * SECTOR;
    const done = (): void => {
      this.#order += 1;
      for (const sector of sectors) {
        sector.underWay = null;
        if (kind === 'writeDurably') sector.putDurably(value);
        else sector.put(value, this.#order);
      }
    };
    const begins = (): void => {
      for (const sector of sectors) sector.underWay = value;
    };
    if (kind === 'writeSync') {
      this.#file.writeSync(bytes, position);
      done();
    } else if (kind === 'store') {
      if (this.#mapping.storeResident(bytes, position)) done();
    } else {
      begins();
      if (kind === 'zero') this.#file.zero(position, bytes.length, done);
      else (kind === 'write' ? this.#file : this.#durable).write([bytes], position, done);
    }
  }

  /** Readers see what was done, and of what is under way each sector or not yet. */
  #judgeReaders(): void {
    for (const [index, value] of this.#read().entries()) {
      const { cached, underWay } = this.sectors[index] as Sector;
      assert.ok(value === cached || value === underWay, `sector ${index} reads ${value}, not ${cached} (under way: ${underWay})`);
    }
  }

  #read(): number[] {
    const bytes = this.disk.readFile(PATH) ?? new Uint8Array(0);
    assert.is(bytes.length, SECTORS * SECTOR);
    return this.sectors.map((_, index) => {
      const sector = bytes.subarray(index * SECTOR, (index + 1) * SECTOR);
      assert.ok(
        sector.every((byte) => byte === sector[0]),
        `sector ${index} is torn inside`,
      );
      return sector[0] as number;
    });
  }

  #crash(kind: 'kill' | 'power cut'): void {
    this.disk = this.disk.crash(kind === 'kill' ? 'page cache' : 'what is durable');
    if (kind === 'kill') this.#judgeReaders();
    for (const [index, value] of this.#read().entries()) {
      const sector = this.sectors[index] as Sector;
      if (kind === 'kill') {
        if (value !== sector.cached) sector.put(value, this.#order);
      } else {
        assert.ok(sector.possible.has(value), `sector ${index} is ${value} after a power cut, possible: ${[...sector.possible].join()}`);
        sector.putDurably(value);
      }
      sector.underWay = null;
    }
    this.#live();
  }
}

test('random programs over several lives: no sector is ever anything but what it may be', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), steps, (seed, program) => new Program(seed).run(program)),
    { numRuns: 500 },
  );
});

test('a failed flush is reported once, to whoever asked it; what it covered may be gone, and the next one says nothing of it', async () => {
  const seen = new Set<number>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const disk = new TestDisk({ seed });
    const file = disk.open(PATH, { create: true });
    disk.syncDirectory('/');
    file.writeSync(new Uint8Array(SECTOR).fill(1), 0);
    disk.failNext('flush', 'EIO', PATH);
    const both = await Promise.all([
      codeOf(() => finished((done) => file.flush(done))),
      codeOf(() => finished((done) => file.flush(done))),
    ]);
    assert.equal(both, ['EIO', 'none']);
    seen.add(disk.crash().readFile(PATH)?.[0] ?? 0);
  }
  assert.equal([...seen].toSorted(), [0, 1]);
});

type Naming =
  | { readonly kind: 'create' | 'replace' | 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'sync'; readonly path: string };

const path = fc.constantFrom('/x/a', '/x/b', '/y/a', '/y/b');
const namings: fc.Arbitrary<Naming[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('create', 'replace', 'unlink'), path }),
    fc.record({ kind: fc.constant('rename'), path, to: path }),
    fc.record({ kind: fc.constant('sync'), path: fc.constantFrom('/x', '/y') }),
  ),
  { minLength: 1, maxLength: 14 },
);

/** Names and the first byte of their files, as text. */
function namesOf(names: ReadonlyMap<string, number>): string {
  return [...names]
    .map(([name, byte]) => `${name}=${byte}`)
    .toSorted()
    .join();
}

test('names survive a power cut as a prefix of what was done to them, at least through what a flushed directory covers', () => {
  fc.assert(
    fc.property(fc.nat(), namings, (seed, program) => {
      let disk = new TestDisk({ seed });
      for (const directory of ['/x', '/y']) disk.makeDirectory(directory);
      const now = new Map<string, number>();
      const states = [namesOf(now)];
      const folders: string[][] = [[]];
      let covered = 0;
      for (const [index, step] of program.entries()) {
        const isThere = now.has(step.path);
        if (step.kind === 'sync') {
          disk.syncDirectory(step.path);
          covered = Math.max(
            covered,
            folders.findLastIndex((touched) => touched.includes(step.path)),
          );
          continue;
        }
        if (step.kind === 'create' ? isThere : step.kind !== 'replace' && !isThere) continue;
        if (step.kind === 'create') disk.open(step.path, { create: true }).closeSync();
        if (step.kind === 'replace') disk.replaceFile(step.path, Uint8Array.of(index + 1));
        if (step.kind === 'unlink') disk.unlink(step.path);
        if (step.kind === 'rename') disk.rename(step.path, step.to);
        const byte = now.get(step.path) ?? 0;
        if (step.kind === 'unlink' || step.kind === 'rename') now.delete(step.path);
        if (step.kind === 'rename') now.set(step.to, byte);
        if (step.kind === 'create' || step.kind === 'replace') now.set(step.path, step.kind === 'create' ? 0 : index + 1);
        states.push(namesOf(now));
        folders.push([step.path, step.kind === 'rename' ? step.to : step.path].map((name) => name.slice(0, 2)));
        if (step.kind === 'replace') covered = states.length - 1;
        if (seed % 5 === 0) disk = disk.crash('page cache');
        assert.is(namesOf(namesIn(disk)), states.at(-1), 'a kill keeps the names that readers saw');
      }
      const found = namesOf(namesIn(disk.crash()));
      assert.ok(states.slice(covered).includes(found), `found ${found}; may be: ${states.slice(covered).join(' | ')}`);
    }),
    { numRuns: 500 },
  );
});

function namesIn(disk: TestDisk): Map<string, number> {
  const paths = ['/x', '/y'].flatMap((directory) => disk.list(directory).map((name) => `${directory}/${name}`));
  return new Map(paths.map((name) => [name, disk.readFile(name)?.[0] ?? 0]));
}

test.run();
