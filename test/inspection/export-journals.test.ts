/** An export takes what is asked for, beside a host that writes: a journal that changes is read again, or the export is none. */
import { PassThrough, Writable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath } from '../../journals/files.ts';
import { exportJournals } from '../../src/inspection/portable/export-journals.ts';
import { parseSelection } from '../../src/inspection/portable/export-selection.ts';
import { FileSink, StreamSink } from '../../src/inspection/portable/export-sink.ts';
import { openPortable } from '../../src/inspection/portable/portable-reader.ts';
import { exportJson, exportText } from '../../src/inspection/portable/portable-text.ts';
import { ReaderGone } from '../../src/inspection/show/show-output.ts';
import { buildImage } from '../journals/support.ts';
import { codeOf, messageOfFailure, thrownBy } from '../support/scratch.ts';
import { TestDisk } from '../support/test-disk.ts';
import { ALL, exportTo, filesIn, oddJournals, only, recordsOf, watermarkBytes, writeRing } from './portable-ring.ts';

const RING = '/ring';
const FILE = '/some.fsx';

/** A disk on which `host` writes whenever slot 2's journal is read; until it is done. */
async function busyDisk(host: (disk: TestDisk, time: number) => void): Promise<TestDisk> {
  let times = 0;
  let busy = true;
  const disk: TestDisk = new TestDisk({
    onAsked: ({ operation, path }) => {
      if (busy || operation !== 'read' || path !== journalPath(RING, 2)) return;
      busy = true;
      host(disk, (times += 1));
      busy = false;
    },
  });
  await writeRing(disk, RING, { journals: oddJournals() });
  busy = false;
  return disk;
}

function put(disk: TestDisk, bytes: Uint8Array, path = journalPath(RING, 2)): void {
  const file = disk.open(path, {});
  file.writeSync(bytes, 0);
  file.closeSync();
}

const growing = (writes: number): Uint8Array => buildImage({ dataSet: 42, records: recordsOf(42, writes) });

test('what is exported is what was there, read-only: nothing but the export is touched', async () => {
  const asked = new Set<string>();
  const disk = new TestDisk({ onAsked: ({ operation, path }) => void (path.startsWith(RING) && asked.add(operation)) });
  await writeRing(disk, RING, { journals: oddJournals() });
  const before = filesIn(disk, RING);
  asked.clear();
  await exportTo(disk, RING, FILE);
  assert.equal([...asked].sort(), ['close', 'open', 'read', 'readFile']);
  assert.equal(filesIn(disk, RING), before);
  assert.not.ok(disk.exists(`${FILE}.partial`));
});

test('a journal that changes while it is read is read again', async () => {
  const disk = await busyDisk((of, time) => {
    if (time <= 6) put(of, growing(10 + time));
  });
  const { entries } = await exportTo(disk, RING, FILE, only(42));
  const again = await exportTo(disk, RING, '/calm.fsx', only(42));
  assert.equal(entries, again.entries);
  assert.equal(disk.readFile(FILE), disk.readFile('/calm.fsx'));
});

test('a journal that became shorter meanwhile leaves nothing of what it was', async () => {
  const disk = await busyDisk((of, time) => {
    // Long enough to be copied whole, then another data set takes the slot.
    if (time === 5) put(of, buildImage({ dataSet: 46, records: recordsOf(46, 1) }));
  });
  put(disk, growing(35));
  await exportTo(disk, RING, FILE);
  await exportTo(disk, RING, '/calm.fsx');
  assert.equal(Buffer.from(disk.readFile(FILE) ?? []), Buffer.from(disk.readFile('/calm.fsx') ?? [1]));
  openPortable(disk, FILE).file.closeSync();
});

test('one that changes each time is refused, and no file is left; a stream is given up at the first change', async () => {
  const disk = await busyDisk((of, time) => put(of, growing(1 + (time % 60))));
  const refused = (await thrownBy(() => exportTo(disk, RING, FILE, only(42)))) as { code: string; exitCode: number; message: string };
  assert.equal([refused.code, refused.exitCode], ['ERR_EXPORT_CHANGED', 5]);
  assert.match(refused.message, 'each of 5 times');
  assert.equal(disk.list('/'), ['ring']);
  const openSink = () => new StreamSink(new PassThrough().resume());
  const code = await codeOf(() => exportJournals({ disk, directory: RING, selection: only(42), openSink }));
  assert.is(code, 'ERR_EXPORT_CHANGED');
});

test('a stream gets the bytes that a file gets', async () => {
  const disk = new TestDisk();
  await writeRing(disk, RING, { journals: oddJournals() });
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const report = await exportJournals({ disk, directory: RING, selection: ALL, openSink: () => new StreamSink(stream) });
  await exportTo(disk, RING, FILE);
  assert.equal(Buffer.concat(chunks), Buffer.from(disk.readFile(FILE) ?? []));
  assert.is(report.bytes, Buffer.concat(chunks).length);
});

test('a reader of the stream that goes away is not taken for a disk that fails', async () => {
  const disk = new TestDisk();
  await writeRing(disk, RING, { journals: oddJournals() });
  const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  const openSink = () => new StreamSink(new Writable({ write: (_chunk, _encoding, done) => done(broken) }));
  const gone = await thrownBy(() => exportJournals({ disk, directory: RING, selection: ALL, openSink }));
  assert.instance(gone, ReaderGone);
});

test('a moving watermark, and what is not there, are told', async () => {
  const disk = await busyDisk((of, time) => {
    if (time === 1) put(of, watermarkBytes(42), `${RING}/watermark`);
  });
  const { notes } = await exportTo(disk, RING, FILE, only(41, 50));
  assert.match(notes.join('\n'), '7 data sets of 41 to 50 are in no journal of this ring');
  const file = disk.open(`${RING}/watermark`, {});
  file.writeSync(new Uint8Array(8192), 0);
  file.closeSync();
  const unread = await exportTo(disk, RING, '/b.fsx', only(41));
  assert.match(unread.notes.join('\n'), 'watermark is missing or cannot be read');
});

test('a data set that is not there, a file that is, an impossible geometry, a disk that cannot read', async () => {
  const disk = new TestDisk();
  await writeRing(disk, RING, { journals: oddJournals() });
  assert.match(
    await messageOfFailure(() => exportTo(disk, RING, FILE, only(99))),
    'no journal in /ring holds data set 99; it holds 40 to 43',
  );
  assert.is(await codeOf(() => exportTo(disk, RING, FILE, only(99))), 'ERR_EXPORT_NO_DATA_SET');
  await exportTo(disk, RING, FILE, only(41));
  assert.is(await codeOf(() => exportTo(disk, RING, FILE, only(41))), 'ERR_EXPORT_EXISTS');
  disk.failNext('read', 'EIO', (path) => path.startsWith(RING));
  // What cannot be read at the first look is read again when it is measured.
  disk.failNext('read', 'EIO', (path) => path.startsWith(RING));
  disk.failNext('read', 'EIO', (path) => path.startsWith(RING));
  disk.failNext('read', 'EIO', (path) => path.startsWith(RING));
  disk.failNext('read', 'EIO', (path) => path.startsWith(RING));
  assert.is(await codeOf(() => exportTo(disk, RING, '/b.fsx', ALL)), 'ERR_JOURNAL_READ');
  disk.heal();
  disk.failNext('write', 'ENOSPC', (path) => path.startsWith('/b.fsx'));
  assert.is(await codeOf(() => exportTo(disk, RING, '/b.fsx', ALL)), 'ERR_EXPORT_WRITE');
  assert.equal(disk.list('/'), ['ring', 'some.fsx'], 'nothing is left of what failed');
  disk.replaceFile(`${RING}/slot-0007.journal`, new Uint8Array(100));
  assert.match((await exportTo(disk, RING, '/c.fsx')).notes.join('\n'), '/ring/slot-0007.journal is no slot of this ring: not exported');
  disk.makeDirectory('/odd');
  disk.replaceFile('/odd/slot-0000.journal', new Uint8Array(5000));
  assert.is(await codeOf(() => exportTo(disk, '/odd', '/b.fsx', ALL)), 'ERR_EXPORT_GEOMETRY');
});

test('an interrupted export leaves a file that is not taken for one, and the next one begins anew', async () => {
  const disk = new TestDisk();
  await writeRing(disk, RING, { journals: oddJournals() });
  const sink = new FileSink(disk, FILE);
  sink.write(new Uint8Array(100_000).fill(1));
  assert.equal(disk.list('/'), ['ring', 'some.fsx.partial']);
  await exportTo(disk, RING, FILE);
  assert.equal(disk.list('/'), ['ring', 'some.fsx']);
  openPortable(disk, FILE).file.closeSync();
});

test('what is asked for is one of a data set, a range and all', () => {
  const select = (one?: string, range?: string, all = false): unknown => parseSelection({ one, range, all });
  assert.equal(select('7'), only(7));
  assert.equal(select(undefined, '7-9'), only(7, 9));
  assert.equal(select(undefined, undefined, true), ALL);
  for (const wrong of [
    () => select(),
    () => select('7', '7-9'),
    () => select('7', undefined, true),
    () => select('x'),
    () => select('9-7'),
  ])
    assert.throws(wrong, (error: { code: string }) => /^ERR_(USAGE|RANGE)$/.test(error.code));
});

test('text of at most 80 columns; identifiers in JSON are decimal strings', async () => {
  const disk = new TestDisk();
  await writeRing(disk, RING, { journals: oddJournals() });
  const report = await exportTo(disk, RING, FILE);
  for (const line of exportText(report)) assert.ok(line.length <= 80, line);
  const json = exportJson(report) as { watermark: string; journals: { dataSet: string; verdict: string }[] };
  assert.equal(
    [json.watermark, ...json.journals.map(({ dataSet, verdict }) => `${dataSet} ${verdict}`)],
    ['41', '40 clean end', '41 clean end', '42 unreadable', '43 clean end'],
  );
});

test.run();
