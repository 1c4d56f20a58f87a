/** Two journals, two rings: what only one holds, what differs, what is reordered; found by number and by byte, wherever it lies. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RECORDS_OFFSET } from '../../journals/format.ts';
import { scanWindow } from '../../journals/file-scan.ts';
import { journalPath } from '../../journals/files.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { compare, type DiffAnswer, type DiffOptions } from '../../src/inspection/diff/diff.ts';
import { diffPair } from '../../src/inspection/diff/diff-rings.ts';
import { LineOutput } from '../../src/inspection/show/show-output.ts';
import { RecordWriter } from '../../src/record/record.ts';
import { buildImage, encodePadRecord, IDENTITY, LATER_IDENTITY, SMALL } from '../journals/support.ts';
import { codeOf } from '../support/scratch.ts';
import { TestDisk } from '../support/test-disk.ts';
import { oddJournals, recordsOf, watermarkBytes, writeRing, writeWhole } from './portable-ring.ts';

interface PairJson {
  readonly equal: boolean;
  readonly dataSet: string | null;
  readonly same: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly omitted: Readonly<Record<string, number>>;
  readonly fields: readonly { field: string; a: string; b: string }[];
  readonly differences: readonly {
    kind: string;
    sequence: string;
    placeA?: number;
    placeB?: number;
    fields?: readonly { field: string; a: string; b: string }[];
  }[];
}

const folder = mkdtempSync(join(tmpdir(), 'farshore-diff-'));
test.after(() => rmSync(folder, { recursive: true }));

const NOTHING = { 'only in A': 0, 'only in B': 0, differing: 0, reordered: 0 };

async function diffFiles(a: Uint8Array, b: Uint8Array, options: Partial<DiffOptions> = {}): Promise<DiffAnswer & { pair: PairJson }> {
  const [pathA, pathB] = [join(folder, 'a.journal'), join(folder, 'b.journal')];
  writeFileSync(pathA, a);
  writeFileSync(pathB, b);
  const common = { disk: new NodeDisk(), stateDirectory: undefined, limit: 20, exact: false, lines: null };
  const answer = await compare({ ...common, a: pathA, b: pathB, ...options });
  for (const line of answer.text) assert.ok(line.length <= 80, `at most 80 columns: ${line}`);
  return { ...answer, pair: answer.json as unknown as PairJson };
}

const image = (records: readonly Uint8Array[], flagged = false): Uint8Array => buildImage({ dataSet: 42, flagged, records });

test('a journal equals itself, whatever state it is in', async () => {
  for (const [dataSet, bytes] of oddJournals()) {
    const { equal, pair } = await diffFiles(bytes, bytes.slice());
    assert.ok(equal, `data set ${dataSet}`);
    assert.equal(pair.counts, NOTHING);
  }
});

test('bytes behind the end of the records do not count', async () => {
  const stale = image(recordsOf(42));
  stale.fill(0x77, SMALL.slotBytes - 4096);
  assert.ok((await diffFiles(image(recordsOf(42)), stale)).equal);
});

test('records that one side lacks, and the tail that lies elsewhere for it', async () => {
  const records = recordsOf(42, 5);
  const { equal, pair, text } = await diffFiles(image(records), image(records.filter((_, index) => index !== 1 && index !== 3)));
  assert.not.ok(equal);
  assert.equal(pair.counts, { ...NOTHING, 'only in A': 2 });
  assert.equal(
    pair.differences.map(({ kind, sequence }) => [kind, sequence]),
    [
      ['only in A', '4201'],
      ['only in A', '4203'],
    ],
  );
  assert.equal(pair.fields, []);
  assert.is(pair.same, 4);
  assert.match(text.join('\n'), /only in A: 2\n.*sequence.*\n.*4201 {2}write/);
  const turned = await diffFiles(image(records.slice(0, 2)), image(records));
  assert.equal(turned.pair.counts, { ...NOTHING, 'only in B': 4 });
});

test('a record that differs: which fields, and its checksums', async () => {
  const numbers = { dataSet: 42, firstSequence: 4200, sequence: 4201 };
  const write = (lba: number, fill: number): Uint8Array => {
    const target = new Uint8Array(1024);
    const payload = new Uint8Array(512).fill(fill);
    const command = { type: 'write', vlun: 1, lba, lengthBytes: 512, timeUs: 7, payload } as const;
    return target.subarray(0, new RecordWriter(target).encodeWrite(0, command, numbers, IDENTITY));
  };
  const { pair, text } = await diffFiles(image([write(10, 1)]), image([write(11, 2)]));
  assert.equal(pair.counts, { ...NOTHING, differing: 1 });
  assert.equal(
    pair.differences[0]?.fields?.map(({ field }) => field),
    ['lba', 'payload checksum', 'header checksum'],
  );
  assert.equal(pair.differences[0]?.fields?.[0], { field: 'lba', a: '10', b: '11' });
  assert.match(text.join('\n'), /sequence 4201, at byte 8192 of A and 8192 of B:\n {4}lba: A 10, B 11\n/);
});

test('records with equal checksums are compared byte by byte', async () => {
  // Two payloads of one CRC-32: a change of 33 bits by the polynomial itself leaves the checksum as it was.
  const records = recordsOf(42, 2);
  const a = image(records);
  const b = a.slice();
  const payload = RECORDS_OFFSET + 80 + 80;
  for (const [index, bits] of polynomial().entries()) b[payload + index] = (b[payload + index] ?? 0) ^ bits;
  const { equal, pair } = await diffFiles(a, b);
  assert.not.ok(equal);
  assert.equal(pair.counts, { ...NOTHING, differing: 1 });
  assert.match(pair.differences[0]?.fields?.[0]?.field ?? '', 'byte 0 of the payload, although all checksums agree');
});

/** The reflected CRC-32 polynomial with its highest term, as five bytes. */
function polynomial(): number[] {
  let value = (BigInt(0xedb88320) << 1n) | 1n;
  return Array.from({ length: 5 }, () => {
    const byte = Number(value & 0xffn);
    value >>= 8n;
    return byte;
  });
}

test('reordered: the fewest records that must have moved, with their places', async () => {
  const records = recordsOf(42, 6);
  const moved = [records[0], records[4], records[1], records[2], records[3], records[5], records[6]] as Uint8Array[];
  const { pair } = await diffFiles(image(records), image(moved));
  assert.equal(pair.counts, { ...NOTHING, reordered: 1 });
  const { kind, sequence, placeA, placeB } = pair.differences[0] ?? {};
  assert.equal([kind, sequence, placeA, placeB], ['reordered', '4204', 5, 2]);
  const turned = await diffFiles(image(records), image(records.toReversed()));
  assert.is(turned.pair.counts['reordered'], records.length - 1);
});

test('a record that one side lacks moves no other', async () => {
  const records = recordsOf(42, 6);
  const { pair } = await diffFiles(image(records), image(records.slice(1)));
  assert.equal(pair.counts, { ...NOTHING, 'only in A': 1 });
});

test('header, complete flag, tail, pads and repeats are told', async () => {
  const records = recordsOf(42, 3);
  const flagged = await diffFiles(image(records, true), image(records));
  assert.equal(flagged.pair.fields, [{ field: 'complete flag', a: 'set', b: 'not set' }]);
  const torn = image(records);
  torn.fill(1, RECORDS_OFFSET + 80 + 200, RECORDS_OFFSET + 80 + 210);
  const tail = await diffFiles(image(records), torn);
  assert.equal(tail.pair.fields, [{ field: 'verdict', a: 'clean end', b: `unreadable from byte ${RECORDS_OFFSET + 80}` }]);
  assert.equal(tail.pair.counts, { ...NOTHING, 'only in A': 3 });
  const padded = await diffFiles(image(records), image([encodePadRecord(512), ...records]));
  assert.equal(
    padded.pair.fields.map(({ field }) => field),
    ['pad records'],
  );
  const again = await diffFiles(image(records), image([...records, records[0] ?? new Uint8Array()]));
  assert.equal(again.pair.fields, [{ field: 'numbers that stand there again', a: '0', b: '1' }]);
  const header = image(records);
  header[33] = 7;
  const unreadable = await diffFiles(image(records), header);
  assert.match(unreadable.pair.fields[0]?.b ?? '', 'unreadable at byte 8 (expected checksum');
  const later = buildImage({ dataSet: 42, identity: LATER_IDENTITY, records: recordsOf(42, 3, LATER_IDENTITY) });
  const other = await diffFiles(image(records), later);
  assert.equal(
    other.pair.fields.map(({ field }) => field),
    ['header generation', 'header stream', 'records of stream'],
  );
  assert.equal(other.pair.counts, { ...NOTHING, 'only in A': 4, 'only in B': 4 });
});

test('what neither side can read is compared as bytes', async () => {
  const torn = (at: number, fill: number): Uint8Array => {
    const bytes = image(recordsOf(42, 3));
    bytes.fill(0xee, RECORDS_OFFSET + 80 + 200, RECORDS_OFFSET + 80 + 210);
    bytes[at] = fill;
    return bytes;
  };
  const far = SMALL.slotBytes - 10;
  assert.ok((await diffFiles(torn(far, 1), torn(far, 1))).equal);
  const tail = await diffFiles(torn(far, 1), torn(far, 2));
  assert.equal(tail.pair.fields, [{ field: `unreadable tail, first at byte ${far}`, a: '0x01', b: '0x02' }]);
  assert.not.ok(tail.equal);
  const header = await diffFiles(torn(50, 1), torn(60, 1));
  assert.match(JSON.stringify(header.pair.fields), 'header, first at byte 50');
  const [short, shorter] = [torn(far, 1).slice(0, 9000), torn(far, 1).slice(0, 8900)];
  const { pair } = await diffFiles(short, shorter);
  assert.match(JSON.stringify(pair.fields), /unreadable tail, first at byte 8900","a":"0x[0-9a-f]{2}","b":"the end of the file"/);
});

test('a journal that is cut short at any length differs from the whole one, and nothing fails', async () => {
  const whole = image(recordsOf(42, 3), true);
  const end = RECORDS_OFFSET + recordsOf(42, 3).reduce((sum, { length }) => sum + length, 0);
  for (let length = 0; length < end + 200; length += 173)
    assert.not.ok((await diffFiles(whole, whole.slice(0, length))).equal, `${length} bytes`);
});

test('what is no file is refused, and not waited for', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const a = join(folder, 'a.journal');
  writeFileSync(a, image(recordsOf(42)));
  const ask = { disk: new NodeDisk(), stateDirectory: undefined, limit: 20, exact: false, lines: null };
  assert.is(await codeOf(() => compare({ ...ask, a, b: fifo })), 'ERR_NOT_A_JOURNAL');
  assert.is(await codeOf(() => compare({ ...ask, a, b: folder })), 'ERR_NO_JOURNALS');
  assert.is(await codeOf(() => compare({ ...ask, a, b: undefined })), 'ERR_USAGE');
});

test('every flipped bit of header, mark and records is a difference', async () => {
  const records = recordsOf(42, 3);
  const a = image(records, true);
  const end = RECORDS_OFFSET + records.reduce((sum, { length }) => sum + length, 0);
  const disk = new TestDisk();
  const places = { a: { path: '/a.journal', slot: 2 }, b: { path: '/b.journal', slot: 2 } };
  for (const { path } of Object.values(places)) await writeWhole(disk, path, a);
  const window = scanWindow();
  const listener = { difference: () => {}, pair: () => null };
  for (let offset = 0; offset < end; offset += offset < RECORDS_OFFSET && offset % 4096 > 128 ? 509 : 1) {
    const file = disk.open('/b.journal', {});
    file.writeSync(Uint8Array.of((a[offset] ?? 0) ^ (1 << (offset % 8))), offset);
    const { equal } = await diffPair({ disk, a: places.a, b: places.b, window, listener });
    assert.not.ok(equal, `byte ${offset}`);
    file.writeSync(Uint8Array.of(a[offset] ?? 0), offset);
    file.flushSync();
    file.closeSync();
  }
  assert.ok((await diffPair({ disk, a: places.a, b: places.b, window, listener })).equal);
});

test('text and JSON list as many as --limit says, ndjson all', async () => {
  const records = recordsOf(42, 30);
  const short = await diffFiles(image(records), image(records.slice(29)), { limit: 3 });
  assert.is(short.pair.differences.length, 3);
  assert.is(short.pair.omitted['only in A'], 26);
  assert.match(short.text.join('\n'), 'and 26 more');
  const stream = new PassThrough();
  await diffFiles(image(records), image(records.slice(29)), { lines: new LineOutput(stream) });
  const lines = String(stream.read()).trim().split('\n');
  assert.is(lines.length, 30);
  assert.equal(
    lines.map((line) => (JSON.parse(line) as { kind: string }).kind),
    [...Array(29).fill('only in A'), 'journals'],
  );
});

test('rings are paired by data set, not by slot; what only one holds, and the watermark', async () => {
  const disk = new TestDisk();
  const journals = oddJournals();
  await writeRing(disk, '/a', { journals });
  await writeRing(disk, '/b', { journals });
  const ask = (): Promise<DiffAnswer> =>
    compare({ disk, a: '/a', b: '/b', stateDirectory: undefined, limit: 20, exact: false, lines: null });
  const same = await ask();
  assert.ok(same.equal, JSON.stringify(same.json));
  assert.match(same.text.join('\n'), 'watermark: same in both (data set 41)');
  // Data set 44 took the slot of 40, and 41 lies in another slot than its own.
  await writeWhole(disk, journalPath('/b', 0), buildImage({ dataSet: 44, records: recordsOf(44) }));
  await writeWhole(disk, journalPath('/b', 1), journals.get(42) ?? new Uint8Array());
  await writeWhole(disk, journalPath('/b', 2), journals.get(41) ?? new Uint8Array());
  await writeWhole(disk, '/b/watermark', watermarkBytes(42));
  const { equal, text, json } = await ask();
  assert.not.ok(equal);
  assert.equal(
    (json['onlyInOne'] as { side: string; dataSet: string; slot: number }[]).map(({ side, dataSet, slot }) => [side, dataSet, slot]),
    [
      ['A', '40', 0],
      ['B', '44', 0],
    ],
  );
  assert.equal([json['pairs'], json['differingPairs']], [3, 0]);
  assert.equal(
    (json['fields'] as { field: string }[]).map(({ field }) => field),
    ['watermark dataSet', 'watermark finalSequence', 'watermark chain'],
  );
  for (const line of text) assert.ok(line.length <= 80, line);
});

test('a ring against one with a flipped bit, a missing file and an unreadable watermark', async () => {
  const disk = new TestDisk();
  const journals = oddJournals();
  await writeRing(disk, '/a', { journals });
  const damaged = journals.get(41)?.slice() ?? new Uint8Array();
  damaged[8300] = (damaged[8300] ?? 0) ^ 4;
  await writeRing(disk, '/b', { journals: new Map([...journals, [41, damaged]]) });
  disk.unlink('/b/slot-0003.journal');
  await writeWhole(disk, '/b/watermark', new Uint8Array(8192));
  const { equal, json } = await compare({ disk, a: '/a', b: '/b', stateDirectory: undefined, limit: 20, exact: false, lines: null });
  assert.not.ok(equal);
  assert.equal([json['pairs'], json['differingPairs']], [3, 1]);
  assert.equal((json['onlyInOne'] as { slot: number }[]).length, 1);
  assert.match(JSON.stringify(json['fields']), 'ERR_WATERMARK_UNREADABLE');
});

test.run();
