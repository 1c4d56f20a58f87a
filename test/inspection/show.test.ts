/** `journal show`: what it tells of a journal, in text and JSON, and what it leaves out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeMark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { ALL_RECORDS, parseNumber, parseRange, vlunOf } from '../../src/inspection/show/record-filter.ts';
import { BLOCK_BYTES, CHAIN_START, ID_MAX } from '../../src/model/ids.ts';
import { encodePadRecord, encodeRecord, encodeSyncRecord, IDENTITY, LATER_IDENTITY } from '../journals/support.ts';
import { codeOf } from '../support/scratch.ts';
import { buildJournal, objectsOf, showBytes, type ShowSetting, type SmallRecord } from './show-support.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore-show-'));
test.after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'slot-0001.journal');

/** Numbers 900 to 909 without 905 to 907, 904 before 903, on two volumes. */
const RECORDS: readonly SmallRecord[] = [
  { type: 'write', sequence: 900, vlun: 0, lba: 100, blocks: 2 },
  { type: 'zero', sequence: 901, vlun: 1, lba: 5, blocks: 8 },
  { type: 'write', sequence: 902, vlun: 0, lba: 101, blocks: 1 },
  { type: 'trim', sequence: 904, vlun: 0, lba: 2048, blocks: 16 },
  { type: 'write', sequence: 903, vlun: 1, lba: 12, blocks: 1 },
  { type: 'write', sequence: 908, vlun: 0, lba: 0, blocks: 1 },
];
const GAPPED = buildJournal({ records: RECORDS, sync: 909 });

/** The same journal with these records, placed as they are, behind its first ones. */
function withRecords(count: number, records: readonly Uint8Array[]): Uint8Array {
  const image = GAPPED.image.slice();
  let at = GAPPED.offsets[count] ?? 0;
  image.fill(0, at);
  for (const record of records) {
    image.set(record, at);
    at += record.length;
  }
  return image;
}

function fits(lines: readonly string[]): void {
  for (const line of lines) assert.ok(line.length <= 80 || line.includes(path), `${line.length} columns: ${line}`);
}

test('the whole text of a small journal', async () => {
  const { lines } = await showBytes(path, GAPPED.image);
  assert.is(
    lines.slice(0, lines.indexOf('') + 10).join('\n'),
    `journal    ${path}
           slot 1, 11552 bytes
header     data set 9, first number 900
           slot 1 of 4, 11552 bytes; generation 3, stream 0123456789abcdef
           group 00112233445566778899aabbccddeeff
flag       not complete

at byte  number  type   VLUN        LBA    bytes  time (UTC)
   8192     900  write     0        100     1024  22:13:20.000900
   9296     901  zero      1          5     4096  22:13:20.000901
   9376     902  write     0        101      512  22:13:20.000902
   9968     904  trim      0       2048     8192  22:13:20.000904
  10048     903  write     1         12      512  22:13:20.000903
  10640     908  write     0          0      512  22:13:20.000908
  11232     909  sync      -          -       40  22:13:20.100000
    cut by flush, final number 909, head at 0 bytes`,
  );
  assert.is(
    lines
      .slice(lines.findIndex((line) => line.startsWith('records')))
      .slice(0, 8)
      .join('\n'),
    `records    7 of data set 9: 4 write, 1 zero, 1 trim, 1 sync
           3.1 KiB of records, which change 14.5 KiB
written    2023-11-14 22:13:20.000 to 22:13:20.000 UTC, by the primary's clock
numbers    900 to 909: 7 there, 3 MISSING
           missing 905 to 907, which are 3
tail       clean end, byte 11352: every record up to here is whole; zeroes
           follow
verdict    clean end`,
  );
  fits(lines);
});

test('checksums stand in place of the time', async () => {
  const { lines, text } = await showBytes(path, GAPPED.image, { checksums: true });
  assert.match(text, /LBA {4}bytes {2}payload {3}header\n/);
  assert.match(text, /^ {3}9296 {5}901 {2}zero {6}1 {10}5 {5}4096 {2}00000000 {2}[0-9a-f]{8}$/m);
  fits(lines);
});

test('json and ndjson tell the same: records in the order of the file, identifiers as decimal strings', async () => {
  const json = JSON.parse((await showBytes(path, GAPPED.image, { format: 'json' })).text) as {
    records: Record<string, unknown>[];
    journal: Record<string, unknown>;
  };
  const lines = objectsOf((await showBytes(path, GAPPED.image, { format: 'ndjson' })).text);
  assert.equal(
    lines,
    [...json.records.map((record) => ({ kind: 'record', ...record })), { kind: 'journal', ...json.journal }],
    'one line for each record, then one for the journal',
  );
  assert.equal(
    json.records.map(({ sequence }) => sequence),
    ['900', '901', '902', '904', '903', '908', '909'],
  );
  assert.equal(
    json.records.map(({ offset }) => offset),
    GAPPED.offsets.slice(0, -1),
  );
  assert.is(json.records[0]?.['dataSet'], '9');
  assert.is(json.records[0]?.['number'], 'first');
  assert.is(json.records[0]?.['time'], '2023-11-14T22:13:20.000900Z');
  assert.equal(json.records[6]?.['sync'], {
    reason: 'flush',
    chain: CHAIN_START,
    incarnation: '1122334455667788',
    headBytes: 0,
    finalSequence: '909',
  });
  const { journal } = json;
  assert.equal(journal['gaps'], [{ from: '905', to: '907' }]);
  assert.is(journal['missing'], 3);
  assert.is(journal['finalSequence'], '909');
  assert.is(journal['verdict'], 'clean end');
  assert.equal(journal['tail'], { verdict: 'clean-end', offset: 11_352 });
});

test('a journal without records is an empty array in json', async () => {
  const { text, report } = await showBytes(path, buildJournal({ records: [] }).image, { format: 'json' });
  assert.equal((JSON.parse(text) as { records: unknown[] }).records, []);
  assert.is(report.verdict, 'clean end');
});

async function numbersShown(filter: ShowSetting['filter']): Promise<string[]> {
  const { text } = await showBytes(path, GAPPED.image, { format: 'ndjson', ...(filter === undefined ? {} : { filter }) });
  return objectsOf(text).flatMap((line) => (line['kind'] === 'record' ? [String(line['sequence'])] : []));
}

test('filters: volume, blocks, numbers, type; gaps are those of the whole journal all the same', async () => {
  assert.equal(await numbersShown({ ...ALL_RECORDS, vlun: 1 }), ['901', '903']);
  // A record that only overlaps counts; one that ends before or begins behind does not.
  assert.equal(await numbersShown({ ...ALL_RECORDS, vlun: 0, lba: { from: 101, to: 101 } }), ['900', '902']);
  assert.equal(await numbersShown({ ...ALL_RECORDS, lba: { from: 102, to: 2047 } }), []);
  assert.equal(await numbersShown({ ...ALL_RECORDS, lba: { from: 12, to: 12 } }), ['901', '903']);
  assert.equal(await numbersShown({ ...ALL_RECORDS, lba: { from: 13, to: 100 } }), ['900']);
  assert.equal(await numbersShown({ ...ALL_RECORDS, sequence: { from: 903, to: 908 } }), ['904', '903', '908']);
  assert.equal(await numbersShown({ ...ALL_RECORDS, types: ['sync', 'trim'] }), ['904', '909']);
  const { report, text } = await showBytes(path, GAPPED.image, { filter: { ...ALL_RECORDS, vlun: 1 } });
  assert.is(report.wantedRecords, 2);
  assert.equal(report.missing.gaps, [{ from: 905, to: 907 }]);
  assert.match(text, /1 sync; 2 shown$/m);
});

test('ranges, numbers and volumes as they are typed', async () => {
  assert.equal(parseRange('5-9', '--lba'), { from: 5, to: 9 });
  assert.equal(parseRange(' 5..9 ', '--lba'), { from: 5, to: 9 });
  assert.equal(parseRange('7', '--lba'), { from: 7, to: 7 });
  assert.is(parseNumber('0x2000', '--offset'), 8192);
  for (const wrong of ['', '-', '9-5', 'a-b', '5-', '-5', '1-99999999999999999999', '1.5'])
    assert.is(await codeOf(() => parseRange(wrong, '--lba')), 'ERR_RANGE', wrong);
  for (const wrong of ['', '-1', '1e5', '5-6']) assert.is(await codeOf(() => parseNumber(wrong, '--offset')), 'ERR_RANGE', wrong);
  const volumes = [
    { vlun: 3, name: 'db1', sizeBytes: 512 },
    { vlun: 4, name: '7', sizeBytes: 512 },
  ];
  assert.is(vlunOf('db1', volumes), 3);
  assert.is(vlunOf('7', volumes), 4, 'a name comes before a number');
  assert.is(vlunOf('12', volumes), 12);
  assert.is(await codeOf(() => vlunOf('db2', volumes)), 'ERR_VOLUME_UNKNOWN');
  assert.is(await codeOf(() => vlunOf('db1', null)), 'ERR_VOLUME_UNKNOWN');
});

test('a number that stands there again is told; with another content it is damage', async () => {
  const numbers = { dataSet: 9, firstSequence: 900 };
  const same = GAPPED.image.slice(GAPPED.offsets[1], GAPPED.offsets[2]);
  const again = await showBytes(path, withRecords(3, [same]));
  assert.is(again.report.tally.numbers.countOf('again'), 1);
  assert.is(again.report.contents.numbers, 3);
  assert.is(again.report.verdict, 'clean end');
  assert.match(again.text, /^ {4}\^ the same record stood there before$/m);
  assert.match(again.text, /^repeated {3}1: 901 at byte 9968$/m);
  const { report } = await showBytes(path, withRecords(3, [same]), { map: true });
  assert.equal(
    report.map?.map(({ vlun, commands }) => [vlun, commands]),
    [
      [0, 2],
      [1, 1],
    ],
    'destage stores it once',
  );
  const other = await showBytes(path, withRecords(3, [encodeRecord({ ...numbers, sequence: 901 })]));
  assert.is(other.report.verdict, 'damaged');
  assert.match(other.text, /ANOTHER record has this number/);
  assert.match(other.text, /, byte 9968: damaged/);
});

test('numbers that the data set cannot have are damage', async () => {
  const far = encodeRecord({ dataSet: 9, firstSequence: 900, sequence: 900 + 65_536 });
  const elsewhere = encodeRecord({ dataSet: 9, firstSequence: 901, sequence: 905 });
  for (const record of [far, elsewhere]) {
    const { report, text } = await showBytes(path, withRecords(2, [record]));
    assert.is(report.verdict, 'damaged');
    assert.match(text, /a number that this data set cannot have/);
  }
  const beyond = encodeRecord({ dataSet: 9, firstSequence: 900, sequence: 907 });
  const sync = encodeSyncRecord({ dataSet: 9, firstSequence: 900, sequence: 902 });
  const behind = await showBytes(path, withRecords(2, [beyond, sync]));
  assert.is(behind.report.verdict, 'damaged');
  assert.match(behind.text, /numbers behind the final one/);
  const image = withRecords(2, [encodeRecord({ dataSet: 9, firstSequence: 900, sequence: 902 })]);
  const header = buildJournal({ firstSequence: 899, records: [], restBytes: image.length - RECORDS_OFFSET });
  image.set(header.image.subarray(0, RECORDS_OFFSET));
  assert.is((await showBytes(path, image)).report.verdict, 'damaged', 'header and records name different first numbers');
});

test('a flagged data set that is not whole is damage, although its records end cleanly', async () => {
  const records = RECORDS.slice(0, 3);
  const whole = await showBytes(path, buildJournal({ records, sync: 903, flagged: true }).image);
  assert.is(whole.report.verdict, 'clean end');
  assert.match(whole.text, /^flag {7}data set 9 is complete through number 903$/m);
  const gap = await showBytes(path, buildJournal({ records, sync: 905, flagged: true }).image);
  assert.is(gap.report.verdict, 'damaged');
  const built = buildJournal({ records, sync: 903, flagged: true });
  built.image.fill(0, built.offsets[3]);
  const cut = await showBytes(path, built.image);
  assert.is(cut.report.verdict, 'damaged');
  assert.equal(cut.report.missing.gaps, [{ from: 903, to: 903 }], 'the flag tells the final number');
  assert.is(cut.report.tailVerdict, 'clean end');
  built.image.fill(0, RECORDS_OFFSET);
  assert.is((await showBytes(path, built.image)).report.verdict, 'damaged', 'none of its records is left');
  const contradicting = buildJournal({ records, sync: 903 });
  const point = { dataSet: 9, finalSequence: 903, chain: 'f'.repeat(32) };
  encodeMark(contradicting.image.subarray(MARK_OFFSET, RECORDS_OFFSET), { stream: IDENTITY.stream, point });
  assert.is((await showBytes(path, contradicting.image)).report.verdict, 'damaged', 'another chain than the sync command');
});

test('old bytes of a reused slot are a clean end, and named', async () => {
  const old = encodeRecord({ dataSet: 5, firstSequence: 500, sequence: 512 });
  const { text, report } = await showBytes(path, withRecords(2, [old]));
  assert.is(report.verdict, 'clean end');
  assert.match(text.replaceAll(/\s+/g, ' '), /old bytes of the slot follow: a write with number 512 of data set 5/);
});

test('records win over an older header, and a note says so', async () => {
  const image = buildJournal({ dataSet: 5, firstSequence: 500, records: [], restBytes: 3000 }).image;
  image.set(encodeRecord({ dataSet: 9, firstSequence: 900, sequence: 900, identity: LATER_IDENTITY }), RECORDS_OFFSET);
  const { text, report } = await showBytes(path, image);
  assert.is(report.contents.dataSet, 9);
  assert.match(text.replaceAll(/\s+/g, ' '), /the header is older than the records: it names data set 5, they are of data set 9/);
});

test('pads are shown and have no number', async () => {
  const image = withRecords(1, [encodePadRecord(96), encodeRecord({ dataSet: 9, firstSequence: 900, sequence: 901 })]);
  const { text, report } = await showBytes(path, image);
  assert.match(text, /^ {3}9296 {7}- {2}pad {7}- {10}- {7}16 {2}-$/m);
  assert.match(text, /^records {4}2 of data set 9: 2 write; 1 pad$/m);
  assert.is(report.contents.types.pad, 1);
  assert.is(report.contents.numbers, 2);
});

test('a torn tail: its byte, what was expected and found, what it means; beside a running host it is in flight', async () => {
  const image = GAPPED.image.slice();
  const offset = GAPPED.offsets[2] ?? 0;
  image[offset + 200] = (image[offset + 200] ?? 0) ^ 1;
  const { lines, text, report } = await showBytes(path, image);
  assert.is(report.verdict, 'unreadable');
  const flat = text.replaceAll(/\s+/g, ' ');
  assert.match(flat, /tail unreadable, byte 9376: a torn last commit, never acknowledged, or damage/);
  assert.match(flat, /the header there is whole: a write with number 902 of data set 9/);
  assert.match(flat, /expected a record \(payload-checksum: [0-9a-f]{8}\) found [0-9a-f]{8}/);
  fits(lines);
  const running = await showBytes(path, image, { running: true });
  assert.is(running.report.verdict, 'in flight');
  assert.match(running.text.replaceAll(/\s+/g, ' '), /a host is running, and may be writing here just now/);
  const flagged = image.slice();
  const point = { dataSet: 9, finalSequence: 909, chain: CHAIN_START };
  encodeMark(flagged.subarray(MARK_OFFSET, RECORDS_OFFSET), { stream: IDENTITY.stream, point });
  assert.is((await showBytes(path, flagged)).report.verdict, 'damaged');
  assert.is((await showBytes(path, flagged, { running: true })).report.verdict, 'damaged');
});

test('80 columns with the largest numbers, in every view', async () => {
  const firstSequence = ID_MAX - 65_536;
  const records: SmallRecord[] = [];
  for (let index = 0; index < 40; index += 1)
    records.push({
      type: index % 3 === 0 ? 'trim' : index % 3 === 1 ? 'zero' : 'write',
      sequence: firstSequence + index * 3,
      vlun: 2 ** 32 - 2,
      lba: Math.floor(ID_MAX / BLOCK_BYTES) - 2000,
      blocks: index % 3 === 2 ? 1 : 1999,
      timeUs: ID_MAX,
    });
  records.push({
    type: 'trim',
    sequence: firstSequence + 1,
    vlun: 2 ** 32 - 2,
    lba: 0,
    blocks: Math.floor(ID_MAX / BLOCK_BYTES),
    timeUs: 0,
  });
  const { image } = buildJournal({ dataSet: ID_MAX, firstSequence, records, sync: ID_MAX - 1 });
  for (const setting of [{}, { checksums: true }, { map: true }]) fits((await showBytes(path, image, setting)).lines);
  const { text } = await showBytes(path, image);
  assert.match(text, /and 20 more gaps/, 'a long list of gaps is cut');
  assert.match(text.replaceAll(/\s+/g, ' '), new RegExp(`${firstSequence} trim ${2 ** 32 - 2}`), 'a row that is too wide goes on below');
});

test('--map draws what the wanted records touch, in text and JSON', async () => {
  const volumes = [{ vlun: 0, name: 'db1', sizeBytes: 4096 * 512 }];
  const { text, lines } = await showBytes(path, GAPPED.image, { map: true, volumes });
  assert.match(text, /^VLUN 0 db1, 2\.0 MiB, each character 32\.0 KiB$/m);
  assert.match(text, /^ {2}\[--\.{30}=\.{31}\]$/m);
  assert.match(text, /^ {2}LBA 0 to 2063: 4 commands, 2\.0 KiB written, 0 B zeroed, 8\.0 KiB trimmed$/m);
  assert.match(text, /^ {2}19 blocks touched, 1 of them more than once$/m);
  assert.match(text, /^VLUN 1, of unknown size, drawn up to 6\.5 KiB, each character 512 B$/m);
  assert.match(text, /^ {2}\[\.{5}#{8}\]$/m);
  assert.not.match(text, /at byte/);
  fits(lines);
  const lineOf = (await showBytes(path, GAPPED.image, { map: true, volumes, format: 'ndjson', filter: { ...ALL_RECORDS, vlun: 1 } })).text;
  const [journal, ...others] = objectsOf(lineOf);
  assert.is(others.length, 0, 'no records beside the map');
  assert.equal(
    (journal!['map'] as { vlun: number; zeroedBytes: number }[]).map(({ vlun, zeroedBytes }) => [vlun, zeroedBytes]),
    [[1, 4096]],
  );
});

test.run();
