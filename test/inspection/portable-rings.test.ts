/** Rings as production code writes them and as crashes leave them, seeded: each comes back from its export as it was. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath } from '../../journals/files.ts';
import { scanJournal } from '../../journals/scan.ts';
import { compare } from '../../src/inspection/diff/diff.ts';
import { importJournals } from '../../src/inspection/portable/import-journals.ts';
import { Random } from '../../src/simulation/random.ts';
import { chainOf, create, DIRECTORY, encodeRecord, encodeSyncRecord, listen, open, scan, SMALL } from '../journals/support.ts';
import { TestDisk } from '../support/test-disk.ts';
import { exportTo, oddJournals, writeRing, writeWhole } from './portable-ring.ts';

const SEEDS = 60;

/** Several lives of a ring: data sets, commits in any order, a crash at the end of each. */
async function livedRing(seed: number): Promise<TestDisk> {
  const random = new Random(seed);
  let disk = new TestDisk({ seed, reorders: true });
  await create(disk);
  for (let life = 0, dataSet = random.int(9); life < 2; life += 1) {
    const ring = open(disk, listen());
    await scan(ring);
    for (let slot = 0; slot < SMALL.slots; slot += 1) ring.retire(slot);
    const last = dataSet + 1 + random.int(3 * SMALL.slots);
    for (; dataSet < last; dataSet += 1) {
      const slot = dataSet % SMALL.slots;
      const firstSequence = dataSet * 100;
      ring.retire(slot);
      ring.openDataSet({ slot, dataSet, firstSequence });
      const writes = random.int(16);
      for (let index = 0; index < writes; index += 1) {
        const bytes = encodeRecord({ dataSet, firstSequence, sequence: firstSequence + index, blocks: random.int(6) });
        ring.append({ slot, index, bytes });
        if (random.chance(0.3)) ring.commit();
        if (random.chance(0.2)) await turn();
      }
      ring.append({ slot, index: writes, bytes: encodeSyncRecord({ dataSet, firstSequence, sequence: firstSequence + writes }) });
      ring.commit();
      // The last ones are caught in their commits.
      if (dataSet >= last - 2) continue;
      await quiet(ring);
      if (random.chance(0.7))
        ring.setCompleteFlag({ slot, point: { dataSet, finalSequence: firstSequence + writes, chain: chainOf(dataSet) } });
      await quiet(ring);
      if (random.chance(0.5)) ring.writeWatermark({ dataSet, finalSequence: firstSequence + writes, chain: chainOf(dataSet) });
      await quiet(ring);
    }
    disk = disk.crash(random.chance(0.5) ? 'page cache' : 'what is durable');
  }
  return disk;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function quiet(ring: { readonly pendingBytes: number }): Promise<void> {
  for (let turns = 0; turns < 10_000 && ring.pendingBytes > 0; turns += 1) await turn();
  // The ring hears of the end after the disk does.
  for (let turns = 0; turns < 20; turns += 1) await turn();
}

test(`export, import, export: the same file, the same journals, in ${SEEDS} crashed rings`, async () => {
  const verdicts = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const disk = await livedRing(seed);
    const { entries } = await exportTo(disk, DIRECTORY, '/a.fsx');
    for (const { verdict } of entries) verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    await importJournals({ disk, path: '/a.fsx', directory: '/new', dryRun: false });
    await exportTo(disk, '/new', '/b.fsx');
    const [a, b] = ['/a.fsx', '/b.fsx'].map((path) => Buffer.from(disk.readFile(path) ?? []));
    assert.ok(a !== undefined && b?.equals(a), `seed ${seed}: the same export`);
    for (const { slot } of entries) {
      const scans = [DIRECTORY, '/new'].map((directory) =>
        scanJournal(disk.readFile(journalPath(directory, slot)) ?? new Uint8Array(), { slot, path: '' }),
      );
      assert.equal(scans[1], scans[0], `seed ${seed}, slot ${slot}`);
    }
    const options = { disk, a: DIRECTORY, b: '/new', stateDirectory: undefined, limit: 3, exact: false, lines: null };
    assert.ok((await compare(options)).equal, `seed ${seed}: no difference`);
  }
  assert.ok((verdicts.get('clean end') ?? 0) > SEEDS && (verdicts.get('unreadable') ?? 0) > 3, JSON.stringify([...verdicts]));
});

test('any damage to any of the files comes back as it was', async () => {
  for (let seed = 1; seed <= 80; seed += 1) {
    const random = new Random(seed);
    const disk = new TestDisk({ seed });
    await writeRing(disk, DIRECTORY, { journals: oddJournals() });
    for (let wound = random.int(4); wound >= 0; wound -= 1) {
      const name = disk.list(DIRECTORY)[random.int(SMALL.slots + 1)] ?? 'watermark';
      const bytes = disk.readFile(join(DIRECTORY, name))?.slice() ?? new Uint8Array();
      const from = random.int(random.chance(0.6) ? 12_000 : bytes.length + 1);
      const kind = random.int(3);
      if (kind === 0) bytes[from] = (bytes[from] ?? 0) ^ (1 << random.int(8));
      if (kind === 1) bytes.fill(random.int(256), from, from + random.int(9000));
      await writeWhole(disk, join(DIRECTORY, name), random.chance(0.2) ? bytes.slice(0, from) : bytes);
    }
    await exportTo(disk, DIRECTORY, '/a.fsx');
    await importJournals({ disk, path: '/a.fsx', directory: '/new', dryRun: false });
    await exportTo(disk, '/new', '/b.fsx');
    const [a, b] = ['/a.fsx', '/b.fsx'].map((path) => Buffer.from(disk.readFile(path) ?? []));
    assert.ok(a !== undefined && b?.equals(a), `seed ${seed}: the same export`);
    const options = { disk, a: DIRECTORY, b: '/new', stateDirectory: undefined, limit: 3, exact: false, lines: null };
    const { equal, json } = await compare(options);
    assert.ok(equal, `seed ${seed}: ${JSON.stringify(json)}`);
  }
});

test.run();
