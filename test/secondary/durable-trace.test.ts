/** The trace of durable events: in the file before it is told, exact about what is durable, and what journals are cut back to. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JournalRing } from '../../journals/contract.ts';
import { encodeWatermark } from '../../journals/format.ts';
import { createRing } from '../../journals/create.ts';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { openRing } from '../../journals/ring.ts';
import { scanJournal } from '../../journals/scan.ts';
import { alignedStart } from '../../src/disk/alignment.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { watchDisk } from '../../src/disk/watched-disk.ts';
import { traceDurable } from '../../src/secondary/durable-trace.ts';
import { cutJournals, readTrace } from '../support/cut-journals.ts';
import { codeOf, withFolder } from '../support/scratch.ts';
import { call, chainOf, encodeRecord, encodeSyncRecord, IDENTITY, listen, scan, until, type Told } from '../journals/support.ts';

const GEOMETRY = geometryOf({ slots: 3, slotBytes: 2 * 2 ** 20 });

interface Traced {
  readonly directory: string;
  readonly path: string;
  readonly ring: JournalRing;
  readonly told: Told;
}

async function traced(folder: string, work: (traced: Traced) => Promise<void>): Promise<void> {
  const directory = join(folder, 'journals');
  const path = join(folder, 'trace');
  const common = { directory, geometry: GEOMETRY, alignedStart };
  await call((done) => createRing({ ...common, disk: new NodeDisk() }, done));
  const trace = traceDurable(new NodeDisk(), { path, ended: (error) => assert.unreachable(String(error)) });
  const told = listen();
  const ring = openRing({ ...common, disk: trace.disk, events: told.events });
  ring.setIdentity(IDENTITY);
  await scan(ring);
  await work({ directory, path, ring, told });
  await call((done) => ring.close(done));
  trace.close();
}

function write(ring: JournalRing, dataSet: number, count: number): void {
  const firstSequence = dataSet * 1000;
  ring.openDataSet({ slot: dataSet % 3, dataSet, firstSequence });
  for (let index = 0; index < count; index += 1) append(ring, dataSet, index);
}

function append(ring: JournalRing, dataSet: number, index: number): void {
  const numbers = { dataSet, firstSequence: dataSet * 1000, sequence: dataSet * 1000 + index };
  ring.append({ slot: dataSet % 3, index, bytes: encodeRecord({ ...numbers, blocks: index % 9 }) });
}

/** Records of a data set that the trace tells. */
function tracedRecords(path: string, dataSet: number): number {
  return readTrace(path).reduce(
    (sum, event) => (event.event === 'journalDurable' && event.dataSet === String(dataSet) ? sum + event.records : sum),
    0,
  );
}

test('every durable record, flag and watermark stands in the trace before it is told', async () => {
  await withFolder(async (folder) => {
    await traced(folder, async ({ path, ring, told, directory }) => {
      write(ring, 0, 60);
      ring.commit();
      for (let index = 60; index < 90; index += 1) append(ring, 0, index);
      const sync = encodeSyncRecord({ dataSet: 0, firstSequence: 0, sequence: 90 });
      ring.append({ slot: 0, index: 90, bytes: sync });
      ring.commit();
      await until(() => (told.durable.get(0) ?? 0) > 0 && tracedRecords(path, 0) >= (told.durable.get(0) ?? 0), 'the first commit');
      await until(() => {
        assert.ok(tracedRecords(path, 0) >= (told.durable.get(0) ?? 0), 'what is told stands in the trace');
        return told.durable.get(0) === 91;
      }, 'all records');
      const point = { dataSet: 0, finalSequence: 90, chain: chainOf(1) };
      ring.setCompleteFlag({ slot: 0, point });
      // One after the other: written side by side, either may be durable first.
      await until(() => told.flags.length === 1, 'flag');
      ring.writeWatermark(point);
      await until(() => told.watermarks.length === 1, 'watermark');
      const events = readTrace(path);
      const commits = events.filter((event) => event.event === 'journalDurable');
      assert.is(commits.map(({ sequences }) => sequences).join(), '0-59,60-90');
      const last = scanJournal(readFileSync(journalPath(directory, 0)), { slot: 0, path: '' }).records.at(-1);
      assert.ok((commits.at(-1)?.throughBytes ?? 0) >= (last?.offset ?? Infinity) + (last?.encodedBytes ?? 0));
      assert.equal(
        events.filter(({ event }) => event !== 'journalDurable').map(({ time: _time, ...event }: Record<string, unknown>) => event),
        [
          { event: 'completeFlagDurable', slot: 0, dataSet: '0', finalSequence: '90' },
          // What was read at the start is first made durable as it was.
          { event: 'watermarkDurable', block: 1, dataSet: null, finalSequence: null, hostEpoch: 0 },
          { event: 'watermarkDurable', block: 0, dataSet: '0', finalSequence: '90', hostEpoch: 0 },
        ],
      );
    });
  });
});

test('journals that are cut back to the trace hold what it tells, and nothing else', async () => {
  await withFolder(async (folder) => {
    let directory = '';
    let path = '';
    await traced(folder, async (scene) => {
      const { ring, told } = scene;
      ({ directory, path } = scene);
      write(ring, 0, 30);
      write(ring, 1, 5);
      ring.commit();
      await until(() => told.durable.get(0) === 30 && told.durable.get(1) === 5, 'both');
      const copies = [0, 1].map((slot) => readFileSync(journalPath(directory, slot)));
      const watermark = readFileSync(watermarkPath(directory));
      assert.equal(cutJournals(directory, readTrace(path)), [], 'all of it is durable');
      assert.ok([0, 1].every((slot) => readFileSync(journalPath(directory, slot)).equals(copies[slot] as Buffer)));
      assert.ok(readFileSync(watermarkPath(directory)).equals(watermark));
      append(ring, 0, 30);
      write(ring, 2, 4);
      ring.commit();
      const point = { dataSet: 0, finalSequence: 30, chain: chainOf(1) };
      await until(() => told.durable.get(0) === 31 && told.durable.get(2) === 4, 'more');
      ring.setCompleteFlag({ slot: 0, point });
      ring.writeWatermark(point);
      await until(() => told.flags.length === 1 && told.watermarks.length === 1, 'flag and watermark');
    });
    // A disk that lost the last writes: those of the second half are in the files, and not in the trace.
    const lines = readTrace(path);
    const kept = lines.slice(
      0,
      lines.findIndex((event) => event.event === 'journalDurable' && event.sequences === '30'),
    );
    const before = kept.filter((event) => event.event !== 'journalDurable' || event.dataSet !== '2');
    const cuts = cutJournals(directory, before).map(({ slot, what }) => `${slot} ${what}`);
    assert.equal(cuts, ['0 records', '0 flag', '2 data set', 'watermark block']);
    const journals = [0, 1, 2].map((slot) => scanJournal(readFileSync(journalPath(directory, slot)), { slot, path: '' }));
    assert.equal(
      journals.map(({ records }) => records.length),
      [30, 5, 0],
    );
    assert.equal(
      journals.map(({ tail }) => tail.verdict),
      ['clean-end', 'clean-end', 'clean-end'],
    );
    assert.equal(
      journals.map(({ completeMark }) => completeMark.verdict),
      ['not-set', 'not-set', 'not-set'],
    );
  });
});

test('a file that cannot be opened is refused, and one that cannot be written any more ends the trace and not the host', async () => {
  await withFolder(async (folder) => {
    mkdirSync(join(folder, 'here'));
    const ended = (): void => {};
    assert.is(await codeOf(() => traceDurable(new NodeDisk(), { path: join(folder, 'here'), ended })), 'ERR_TRACE_FILE');
    const errors: unknown[] = [];
    const trace = traceDurable(new NodeDisk(), { path: '/dev/full', ended: (error) => errors.push(error) });
    const path = watermarkPath(folder);
    writeFileSync(path, '');
    const file = trace.disk.open(path, {});
    const block = Buffer.alloc(4096);
    encodeWatermark(block, { ...IDENTITY, point: null, hostEpoch: 1, counter: 1 });
    for (let count = 0; count < 2; count += 1) await call((done) => file.write([block], 0, done));
    assert.is(errors.length, 1, 'told once');
    assert.match(String(errors[0]), /ENOSPC/);
    file.closeSync();
  });
});

test('a watched disk passes everything else on to the disk itself', async () => {
  await withFolder(async (folder) => {
    const seen: string[] = [];
    const disk = watchDisk(new NodeDisk(), {
      watches: (path) => path.endsWith('watched'),
      write: ({ position, buffers }, carryOut, done) => {
        seen.push(`${position} ${buffers.length}`);
        carryOut(done);
      },
    });
    for (const name of ['watched', 'other']) {
      const file = disk.open(join(folder, name), { create: true });
      await call((done) => file.write([Buffer.from('abc'), Buffer.from('def')], 0, done));
      await call((done) => file.flush(done));
      assert.is(file.sizeBytes(), 6);
      file.closeSync();
    }
    assert.equal(seen, ['0 2']);
    assert.equal(disk.list(folder).toSorted(), ['other', 'watched']);
    disk.rename(join(folder, 'other'), join(folder, 'third'));
    assert.ok(disk.exists(join(folder, 'third')));
  });
});

test.run();
