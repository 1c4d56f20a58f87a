/** Stores through simulated mappings are changes of the page cache: lost, kept or torn until a flush (docs/simulation.md). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DiskFile, FileMapping } from '../../src/disk/disk.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { openVolume } from '../../src/volume/source-volume.ts';
import { createVolume } from '../../src/volume/create-volume.ts';
import { TestDisk, type TestDiskOptions } from '../support/test-disk.ts';

const PAGE = 4096;
const PATH = '/a';
const filled = (lengthBytes: number, value: number): Uint8Array => new Uint8Array(lengthBytes).fill(value);

function mapped(options: TestDiskOptions & { seed?: number } = {}): { disk: TestDisk; file: DiskFile; mapping: FileMapping } {
  const disk = new TestDisk({ residentChance: 1, ...options });
  const file = disk.open(PATH, { create: true });
  file.allocateSync(4 * PAGE);
  file.flushSync();
  disk.syncDirectory('/');
  const mapping = file.map();
  assert.ok(mapping);
  return { disk, file, mapping };
}

/** What the first two sectors are after a crash, over many seeds. */
function outcomes(prepare: (made: ReturnType<typeof mapped>) => void, kept: Kept): string[] {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const made = mapped({ seed });
    prepare(made);
    const bytes = made.disk.crash(kept).readFile(PATH) ?? new Uint8Array(0);
    seen.add(`${bytes[0]}${bytes[512]}`);
  }
  return [...seen].toSorted();
}

test('one page cache: what is stored through the mapping is read through the file, and the other way round', () => {
  const { file, mapping } = mapped();
  assert.ok(mapping.storeResident(filled(PAGE, 1), PAGE));
  const found = new Uint8Array(PAGE);
  file.readSync(found, PAGE);
  assert.equal(found, filled(PAGE, 1));
  file.writeSync(filled(100, 2), PAGE + 50);
  assert.ok(mapping.readResident(found, PAGE));
  assert.equal(found, filled(PAGE, 1).fill(2, 50, 150));
});

test('a store is lost, kept or torn by a power cut until it is flushed; a kill keeps it', () => {
  const store = ({ mapping }: ReturnType<typeof mapped>): void => void mapping.storeResident(filled(PAGE, 1), 0);
  assert.equal(outcomes(store, 'what is durable'), ['00', '01', '10', '11']);
  assert.equal(outcomes(store, 'page cache'), ['11']);
  const flushed = outcomes((made) => {
    store(made);
    made.file.flushSync();
  }, 'what is durable');
  assert.equal(flushed, ['11']);
});

test('store takes any alignment, needs no page in memory, and is a change of the page cache like the others', () => {
  const { file, mapping } = mapped({ residentChance: 0 });
  mapping.keepResident();
  mapping.store(Uint8Array.of(1, 2, 3), 511);
  const found = new Uint8Array(5);
  file.readSync(found, 510);
  assert.equal([...found], [0, 1, 2, 3, 0]);
  const store = (made: ReturnType<typeof mapped>): void => made.mapping.store(filled(1024, 1), 0);
  assert.equal(outcomes(store, 'what is durable'), ['00', '01', '10', '11']);
  assert.equal(outcomes(store, 'page cache'), ['11']);
});

test('another boot after a power cut, and not after a kill', () => {
  const { disk } = mapped();
  const killed = disk.crash('page cache');
  assert.is(killed.bootId(), disk.bootId());
  const boots = [disk, killed.crash('what is durable'), killed.crash('what is durable').crash('what is durable')].map((each) =>
    each.bootId(),
  );
  assert.is(new Set(boots).size, 3);
});

test('stores reach the disk in any order', () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { disk, mapping } = mapped({ seed });
    for (const page of [0, 1]) mapping.storeResident(filled(PAGE, 1), page * PAGE);
    const bytes = disk.crash().readFile(PATH) ?? new Uint8Array(0);
    seen.add(`${bytes[0]}${bytes[PAGE]}`);
  }
  assert.equal([...seen].toSorted(), ['00', '01', '10', '11']);
});

test('the flush that fails for a store is reported by the flush, never by the store', () => {
  const { disk, file, mapping } = mapped();
  disk.failNext('write', 'EIO');
  disk.failNext('flush', 'EIO');
  assert.ok(mapping.storeResident(filled(PAGE, 1), 0));
  assert.throws(() => file.flushSync(), /EIO/);
  file.flushSync();
});

test('only whole pages, and only pages that are in memory', () => {
  const { mapping } = mapped();
  assert.not(mapping.storeResident(filled(512, 1), 0));
  assert.not(mapping.storeResident(filled(PAGE, 1), 512));
  const absent = mapped({ residentChance: 0 });
  assert.not(absent.mapping.storeResident(filled(PAGE, 1), 0));
  assert.not(absent.mapping.isResident(0, PAGE));
  const target = filled(PAGE, 7);
  assert.not(absent.mapping.readResident(target, 0));
  assert.equal(target, filled(PAGE, 7), 'nothing is copied');
  const sometimes = mapped({ residentChance: 0.5 });
  const stored = Array.from({ length: 100 }, () => sometimes.mapping.storeResident(filled(PAGE, 1), 0));
  assert.ok(stored.includes(true) && stored.includes(false));
});

test('a use after unmap, or outside the file, is a broken invariant', () => {
  const { mapping } = mapped();
  assert.throws(() => mapping.isResident(0, 5 * PAGE), /inside its file/);
  assert.throws(() => mapping.storeResident(filled(PAGE, 1), 4 * PAGE), /inside its file/);
  mapping.unmap();
  for (const use of [
    () => mapping.isResident(0, 1),
    () => mapping.readResident(filled(1, 0), 0),
    () => mapping.storeResident(filled(PAGE, 1), 0),
    () => mapping.unmap(),
  ])
    assert.throws(use, /not used after unmap/);
});

test('no mapping of an empty file, of one that is open for reading only, or where the disk has none', () => {
  const { disk } = mapped();
  assert.is(disk.open('/empty', { create: true }).map(), null);
  assert.is(disk.open(PATH, { readOnly: true }).map(), null);
  const without = new TestDisk();
  without.open(PATH, { create: true }).writeSync(filled(PAGE, 1), 0);
  assert.is(without.open(PATH, {}).map(), null);
});

test('whoever watches the disk sees stores, and can crash it there: then a part of the store may be in the page cache', () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const { disk, mapping } = mapped({ seed });
    const next: TestDisk[] = [];
    const written: string[] = [];
    disk.watcher = {
      asked: ({ operation, path, position, lengthBytes }) => {
        written.push(`${operation} ${path} ${position} ${lengthBytes}`);
        next.push(disk.crash('page cache'));
      },
      writing: () => assert.unreachable('a dead process writes nothing'),
      flushed: () => {},
    };
    mapping.storeResident(filled(PAGE, 1), PAGE);
    assert.equal(written, [`store ${PATH} ${PAGE} ${PAGE}`]);
    const bytes = next[0]?.readFile(PATH) ?? new Uint8Array(0);
    seen.add(`${bytes[PAGE]}${bytes[PAGE + 512]}`);
  }
  assert.equal([...seen].toSorted(), ['00', '01', '10', '11']);
  const { disk, mapping } = mapped();
  const watched: string[] = [];
  disk.watcher = {
    asked: () => {},
    writing: (path, position, bytes) => void watched.push(`${path} ${position} ${bytes.length}`),
    flushed: () => {},
  };
  mapping.storeResident(filled(PAGE, 1), PAGE);
  assert.equal(watched, [`${PATH} ${PAGE} ${PAGE}`]);
});

test('a volume that stores through its mapping: whole resident pages there, the rest through the file', async () => {
  const operations: string[] = [];
  const disk = new TestDisk({ residentChance: 1, fileSystem: 'ext4', onAsked: ({ operation }) => void operations.push(operation) });
  const config = { vlun: 1, name: 'a', sizeBytes: 8 * PAGE, path: '/v', store: 'mmap' } as const;
  await createVolume({ disk, config, zeroExisting: false, onProgress: () => {} });
  const volume = openVolume({ disk, config });
  assert.is(volume.storeMethodInUse.method, 'mmap');
  operations.length = 0;
  assert.ok(volume.storeNow(filled(PAGE, 1), 0));
  assert.ok(volume.storeNow(filled(512, 2), 512));
  assert.equal(operations, ['store', 'write']);
  const found = new Uint8Array(1024);
  assert.ok(volume.readNow(found, 0));
  assert.equal([found[0], found[512]], [1, 2]);
  volume.flushSync();
  assert.equal(disk.durableBytes('/v')?.subarray(0, PAGE), filled(PAGE, 1).fill(2, 512, 1024));
  volume.close();
});

test.run();
