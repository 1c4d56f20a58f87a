/**
 * A pack without data holds no data, and tells recovery the same: on rings that are damaged in every way, and on every fixture of ours.
 * @timeLimit 180 s
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { decodeWatermark, BLOCK_BYTES } from '../../journals/format.ts';
import type { ScannedJournal } from '../../journals/contract.ts';
import { scanJournal } from '../../journals/scan.ts';
import { decideRecovery } from '../../src/crash-replay/replay/decide-recovery.ts';
import { readExpected, readManifest } from '../../src/crash-replay/fixture-files.ts';
import { unpackCrash, type HostFolder } from '../../src/crash-replay/fixture-folder.ts';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { packHost, type PackOptions } from '../../src/crash-replay/pack/pack-host.ts';
import type { RecordReport } from '../../src/crash-replay/write-fixture.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { Random } from '../../src/demo/random.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { inspectRing } from '../../src/inspection/ring/inspect-ring.ts';
import { locateRing } from '../../src/inspection/ring/locate-ring.ts';
import { withFolder } from '../support/scratch.ts';
import { damageRing } from './damaged-ring.ts';
import { randomBytesOf, writeDataRing } from './data-ring.ts';

const SEEDS = 25;
const WINDOW_BYTES = 16;

function packWithoutData(stateDirectory: string, out: string, more: Partial<PackOptions> = {}): Promise<RecordReport> {
  const common = { journals: null, volumes: [], name: null, recover: 'start', say: () => {} } as const;
  return packHost({ stateDirectory, out, withoutData: true, ...common, ...more });
}

/** Every file of a folder, unpacked, by its path in it. */
function filesOf(folder: string): Map<string, Buffer> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(folder, path)).isFile());
  return new Map(
    paths.map((path) => {
      const bytes = readFileSync(join(folder, path));
      return [path, path.endsWith('.gz') ? gunzipSync(bytes) : bytes];
    }),
  );
}

/** Where a run of 16 bytes of the payloads stands in the files; runs of one byte repeated say nothing. */
function findLeak(payloads: readonly Uint8Array[], files: ReadonlyMap<string, Buffer>): string | null {
  const windows = new Set<string>();
  for (const payload of payloads) {
    const text = Buffer.from(payload).toString('latin1');
    for (let at = 0; at + WINDOW_BYTES <= text.length; at += 1) windows.add(text.slice(at, at + WINDOW_BYTES));
  }
  for (const [path, bytes] of files) {
    const text = bytes.toString('latin1');
    for (let at = 0; at + WINDOW_BYTES <= text.length; at += 1) {
      const window = text.slice(at, at + WINDOW_BYTES);
      if (windows.has(window) && !/^([\s\S])\1*$/.test(window)) return `${path}, byte ${at}`;
    }
  }
  return null;
}

function scansOf(directory: string, slots: number): ScannedJournal[] {
  return Array.from({ length: slots }, (_, slot) => {
    const path = journalPath(directory, slot);
    return scanJournal(readFileSync(path), { slot, path });
  });
}

/** What damage there is, and where. */
function readingOf({ header, completeMark, records, tail }: ScannedJournal): unknown {
  const where = header.verdict === 'unreadable' ? header.offset : null;
  const places = records.map(({ offset, type, sequence, lengthBytes, timeUs }) => [offset, type, sequence, lengthBytes, timeUs]);
  const reason = tail.verdict === 'unreadable' ? (/\((\S+?):/.exec(tail.expected)?.[1] ?? tail.expected) : null;
  return { header: header.verdict, where, mark: completeMark.verdict, places, tail: tail.verdict, at: tail.offset, reason };
}

test('a damaged ring keeps its damage and recovery its decisions, and no 16 bytes of any payload are left', async () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    await withFolder(async (folder) => {
      const ring = writeDataRing(folder, seed);
      const damage = seed === 1 ? ['none'] : damageRing(ring, seed);
      const before = scansOf(ring.journals, 4).map(readingOf);
      const out = join(folder, 'out');
      const report = await packWithoutData(ring.stateDirectory, out);
      outcomes.add(report.outcome);
      const what = `seed ${seed}: ${damage.join('; ')}`;
      assert.is(findLeak(ring.payloads, filesOf(out)), null, what);
      const copy = await unpackCrash(out, join(folder, 'copy'));
      assert.equal(scansOf(copy.journals.directory, 4).map(readingOf), before, what);
      const original: HostFolder = {
        ...copy,
        stateDirectory: ring.stateDirectory,
        journals: { ...copy.journals, directory: ring.journals },
      };
      assert.equal(await decisionOf(copy), await decisionOf(original), what);
      assert.equal((await decisionOf(copy)).journals, readExpected(out).journals, what);
    });
  }
  assert.equal([...outcomes].sort(), ['recover', 'refuse']);
});

async function decisionOf(host: HostFolder): Promise<{ outcome: string; code: string | null; journals: unknown; through: number | null }> {
  const { outcome, error, journals, through } = await decideRecovery({ disk: new NodeDisk(), host, recover: 'start' });
  return { outcome, code: error?.code ?? null, journals, through };
}

/** What `journal verify` finds, but for checksums and chains. */
async function findingsOf(stateDirectory: string): Promise<string[]> {
  const disk = new NodeDisk();
  const { findings } = await inspectRing({ disk, located: locateRing({ disk, path: stateDirectory }) });
  return findings.map(({ slot, offset, what, verdict, matters }) =>
    [slot, offset, what.replace(/[0-9a-f]{32}/g, 'chain'), verdict, matters].join(' '),
  );
}

test('every fixture of ours packs without data: recovery decides the same, and journal verify finds the same', async () => {
  const fixtures = readdirSync(LIBRARY).filter((name) => existsSync(join(LIBRARY, name, 'fixture.json')));
  assert.ok(fixtures.length > 20);
  for (const name of fixtures) {
    await withFolder(async (folder) => {
      const fixture = join(LIBRARY, name);
      const host = await unpackCrash(fixture, join(folder, 'host'));
      const { recover } = readManifest(fixture);
      const out = join(folder, 'out');
      const report = await packWithoutData(host.stateDirectory, out, { recover });
      const expected = readExpected(fixture);
      assert.equal(report.journals, expected.journals, name);
      assert.equal([report.outcome, report.error], [expected.outcome, expected.error?.code ?? null], name);
      const copy = await unpackCrash(out, join(folder, 'copy'));
      assert.equal(await findingsOf(copy.stateDirectory), await findingsOf(host.stateDirectory), name);
      for (const [path, bytes] of filesOf(out)) assert.not.ok(bytes.includes(' write '), `${name}: ${path} holds a payload's text`);
    });
  }
});

test('equal payloads stay equal, others do not become so, and no checksum or chain of before is told', async () => {
  await withFolder(async (folder) => {
    const ring = writeDataRing(folder, 77);
    const out = join(folder, 'out');
    await packWithoutData(ring.stateDirectory, out);
    const copy = await unpackCrash(out, join(folder, 'copy'));
    const [before, after] = [ring.journals, copy.journals.directory].map((directory) =>
      scansOf(directory, 4).flatMap(({ records }) => records),
    );
    const writes = (before ?? [])
      .map((record, index) => ({ record, replaced: after?.[index] }))
      .filter(({ record }) => record.type === 'write');
    const names = new Map<number, number | undefined>();
    for (const { record, replaced } of writes) {
      assert.is.not(replaced?.payloadChecksum, record.payloadChecksum);
      assert.is.not(replaced?.headerChecksum, record.headerChecksum);
      if (names.has(record.payloadChecksum)) assert.is(names.get(record.payloadChecksum), replaced?.payloadChecksum);
      names.set(record.payloadChecksum, replaced?.payloadChecksum);
    }
    assert.ok(names.size < writes.length, 'one payload was written twice');
    assert.is(new Set(names.values()).size, names.size);
    const chains = (before ?? []).flatMap(({ sync }) => (sync === null ? [] : [sync.chain]));
    for (const bytes of filesOf(out).values())
      for (const chain of chains) assert.not.ok(bytes.includes(Buffer.from(chain, 'hex')) || bytes.includes(chain), 'a chain of before');
    const notes = JSON.parse(readFileSync(join(out, 'replaced.json'), 'utf8')) as { replaced: { before: string; after: string }[] };
    assert.ok(notes.replaced.length > 2 * writes.length);
    const told = new Set(notes.replaced.flatMap((note) => [note.before, note.after]));
    for (const { record } of writes) assert.not.ok(told.has(record.payloadChecksum.toString(16).padStart(8, '0')));
  });
});

test('the chain of the watermark is the one of the data set that it names', async () => {
  await withFolder(async (folder) => {
    const ring = writeDataRing(folder, 5);
    await packWithoutData(ring.stateDirectory, join(folder, 'out'));
    const { journals } = await unpackCrash(join(folder, 'out'), join(folder, 'copy'));
    const newest = decodeWatermark(readFileSync(watermarkPath(journals.directory)).subarray(BLOCK_BYTES));
    const retired = scansOf(journals.directory, 4)[3];
    const sync = retired?.records.find(({ type }) => type === 'sync')?.sync;
    assert.is(newest.verdict === 'readable' ? newest.content.point?.chain : null, sync?.chain);
    assert.is(retired?.completeMark.verdict === 'set' ? retired.completeMark.point.chain : null, sync?.chain);
  });
});

test('names stay; free text, paths and addresses do not, with data or without', async () => {
  for (const withoutData of [true, false]) {
    await withFolder(async (folder) => {
      const { stateDirectory } = writeDataRing(folder, 9);
      const out = join(folder, 'out');
      await packWithoutData(stateDirectory, out, { withoutData });
      const files = filesOf(out);
      for (const [path, bytes] of files) {
        for (const secret of ['10.1.2.3', '/var/log', folder]) assert.not.ok(bytes.includes(secret), `${path} holds ${secret}`);
      }
      assert.match(files.get('crash/host-state.json')?.toString() ?? '', '"groupName": "orders"');
      assert.equal(
        readManifest(out).volumes.map(({ name }) => name),
        ['db1', 'db2'],
      );
      assert.is(readManifest(out).withoutData, withoutData);
      assert.is(files.has('replaced.json'), withoutData);
    });
  }
});

test('a volume without data shows which blocks hold what a record says, and no data', async () => {
  await withFolder(async (folder) => {
    const ring = writeDataRing(folder, 31);
    const path = join(folder, 'db1.img');
    const record = scansOf(ring.journals, 4)[0]?.records.find(({ type, vlun }) => type === 'write' && vlun === 0);
    assert.ok(record !== undefined);
    const image = randomBytesOf(new Random(8), 262_144);
    const journal = readFileSync(journalPath(ring.journals, 0));
    // One record is destaged, 8 KiB elsewhere are zeroes, and two blocks are equal.
    const at = record.lba * 512;
    image.set(journal.subarray(record.offset + 80, record.offset + 80 + record.lengthBytes), at);
    image.fill(0, 253_952);
    image.copyWithin(250_000 - (250_000 % 512), 249_000 - (249_000 % 512), 249_000 - (249_000 % 512) + 512);
    writeFileSync(path, image);
    const out = join(folder, 'out');
    await packWithoutData(ring.stateDirectory, out, { volumes: [{ name: 'db1', path }] });
    assert.is(findLeak([...ring.payloads, image], filesOf(out)), null);
    const copy = await unpackCrash(out, join(folder, 'copy'));
    const replaced = readFileSync(copy.volumes[0]?.path ?? '');
    const without = readFileSync(journalPath(copy.journals.directory, 0));
    assert.is(replaced.length, image.length);
    assert.ok(
      replaced.subarray(at, at + record.lengthBytes).equals(without.subarray(record.offset + 80, record.offset + 80 + record.lengthBytes)),
    );
    const blocks = Array.from({ length: 512 }, (_, block) => replaced.toString('latin1', block * 512, block * 512 + 512));
    assert.equal(
      blocks.map((block) => /^\0*$/.test(block)),
      blocks.map((_, block) => block >= 496),
    );
    const others = blocks.filter((block) => block.startsWith('without data: block '));
    assert.is(others.length, 496 - record.lengthBytes / 512);
    assert.is(new Set(others).size, others.length - 1);
  });
});

test('the key is another one for every pack', async () => {
  await withFolder(async (folder) => {
    const { stateDirectory } = writeDataRing(folder, 3);
    const packs: Buffer[] = [];
    for (const name of ['one', 'other']) {
      await packWithoutData(stateDirectory, join(folder, name));
      packs.push(filesOf(join(folder, name)).get('crash/journals/slot-0000.journal.gz') ?? Buffer.alloc(0));
    }
    assert.not.ok(packs[0]?.equals(packs[1] ?? Buffer.alloc(0)));
  });
});

test('journals that lie elsewhere are found by --journals, and the geometry by their headers', async () => {
  await withFolder(async (folder) => {
    const { stateDirectory, journals } = writeDataRing(folder, 4);
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    for (const name of readdirSync(journals)) renameSync(join(journals, name), join(elsewhere, name));
    const out = join(folder, 'out');
    await packWithoutData(stateDirectory, out, { journals: elsewhere });
    assert.equal(readManifest(out).journals, { slots: 4, slotBytes: 65_536 });
    assert.is(geometryOf(readManifest(out).journals).slots, 4);
  });
});

test.run();
