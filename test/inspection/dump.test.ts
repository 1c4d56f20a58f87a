/** `journal dump`: the bytes of the file, all of them, under the names that the formats' tables give them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  encodeMark,
  encodeWatermark,
  HEADER_FIELDS,
  MARK_FIELDS,
  MARK_OFFSET,
  RECORDS_OFFSET,
  WATERMARK_FIELDS,
} from '../../journals/format.ts';
import { dumpPayload, refuseTerminal } from '../../src/inspection/dump/dump-payload.ts';
import { LineOutput } from '../../src/inspection/show/show-output.ts';
import { CHAIN_START, ID_MAX } from '../../src/model/ids.ts';
import { RECORD_HEADER, SYNC_PAYLOAD } from '../../src/record/layout.ts';
import { encodeRecord, encodePadRecord, IDENTITY } from '../journals/support.ts';
import { codeOf } from '../support/scratch.ts';
import { buildJournal, Collector, disk, dump, dumpBytes, objectsOf } from './show-support.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore-dump-'));
test.after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'slot-0001.journal');

const JOURNAL = buildJournal({
  records: [
    { type: 'write', sequence: 900, blocks: 2 },
    { type: 'zero', sequence: 902 },
    { type: 'write', sequence: 901 },
  ],
  sync: 903,
  flagged: true,
});
const END = JOURNAL.offsets.at(-1) ?? 0;

type Line = Record<string, unknown>;

function fits(lines: readonly string[]): void {
  for (const line of lines) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
}

/** The bytes that lines of ndjson tell, one after another from `from` on; nothing may overlap, be left out or be out of order. */
function bytesOf(lines: readonly Line[], from: number): Buffer {
  const parts: Buffer[] = [];
  let at = from;
  for (const line of lines) {
    if (line['kind'] === 'part' || line['kind'] === 'note') continue;
    assert.is(line['offset'], at, JSON.stringify(line));
    const lengthBytes = line['lengthBytes'] as number;
    assert.ok(line['kind'] === 'zeroes' || typeof line['bytes'] === 'string', JSON.stringify(line));
    parts.push(line['kind'] === 'zeroes' ? Buffer.alloc(lengthBytes) : Buffer.from(line['bytes'] as string, 'hex'));
    at += lengthBytes;
  }
  return Buffer.concat(parts);
}

function fieldsIn(lines: readonly Line[], part: string): [number, string][] {
  return lines
    .filter((line) => line['kind'] === 'field' && line['part'] === part)
    .map((line) => [line['offset'] as number, line['field'] as string]);
}

test('every byte through the end of the records is told, once and in order', async () => {
  const { text, report } = await dumpBytes(path, JOURNAL.image, { format: 'ndjson', payloadBytes: 4096 });
  assert.is(report.readable, true);
  assert.ok(bytesOf(objectsOf(text), 0).equals(JOURNAL.image.subarray(0, END)));
});

test('the fields are those of the tables', async () => {
  const lines = objectsOf((await dumpBytes(path, JOURNAL.image, { format: 'ndjson' })).text);
  const named = (table: Readonly<Record<string, { readonly offset: number }>>, at: number): [number, string][] =>
    Object.entries(table).map(([name, { offset }]) => [at + offset, name]);
  assert.equal(fieldsIn(lines, 'header'), named(HEADER_FIELDS, 0));
  assert.equal(fieldsIn(lines, 'complete mark'), named(MARK_FIELDS, MARK_OFFSET));
  const expected = JOURNAL.offsets
    .slice(0, -1)
    .flatMap((at, index): [number, string][] => [
      ...RECORD_HEADER.map(({ name, offset }): [number, string] => [at + offset, name]),
      ...(index === 3 ? SYNC_PAYLOAD.map(({ name, offset }): [number, string] => [at + 80 + offset, name]) : []),
    ]);
  assert.equal(fieldsIn(lines, 'record'), expected);
  const values = Object.fromEntries(
    lines.filter((line) => line['sequence'] === '902').map((line) => [line['field'], [line['value'], line['explained']]]),
  );
  assert.equal(values['type'], ['2', 'zero']);
  assert.equal(values['lba'], ['902', null]);
  assert.equal(values['timeUs'], ['1700000000000902', '2023-11-14 22:13:20.000902']);
  assert.equal(values['stream'], [IDENTITY.stream, null]);
});

test('the text of a header, and of a sync command', async () => {
  const { text, lines } = await dumpBytes(path, JOURNAL.image);
  fits(lines);
  assert.ok(
    text.startsWith(`header, byte 0 to 4095: whole
         0  46 53 4a 31              magic            FSJ1
         4  01 00 00 00              formatVersion    1
`),
  );
  assert.ok(
    text.includes(`
        32  00 11 22 33 44 55 66 77  groupId          0011223344556677
        40  88 99 aa bb cc dd ee ff                   8899aabbccddeeff
        48  03 00 00 00 00 00 00 00  generation       3
`),
  );
  assert.ok(text.includes('\n        80  4016 bytes of zeroes\n'));
  assert.ok(text.includes('\ncomplete mark, byte 4096 to 8191: set: data set 9 is complete\n'));
  assert.match(text, /^ +\d+ {2}01 {23}reason {11}1 \(flush\)$/m);
  assert.match(text, /^ +\d+ {2}ff ff ff ff {14}vlun {13}4294967295 \(no volume\)$/m);
  assert.match(text, /^ +8336 {2}\.\.\. 960 bytes more$/m);
  assert.match(text.trimEnd(), /\nend, byte \d+: clean end of the records: zeroes follow; the file has \d+\n? +bytes$/);
});

test('json is one array of what ndjson has in lines', async () => {
  const json = JSON.parse((await dumpBytes(path, JOURNAL.image, { format: 'json' })).text) as { lines: Line[] };
  assert.equal(json.lines, objectsOf((await dumpBytes(path, JOURNAL.image, { format: 'ndjson' })).text));
});

test('any region: its bytes and no others, fields whole', async () => {
  const { image } = JOURNAL;
  await fc.assert(
    fc.asyncProperty(fc.nat(image.length - 1), fc.integer({ min: 1, max: 700 }), async (from, lengthBytes) => {
      const { text, lines, report } = await dumpBytes(path, image, { region: { from, lengthBytes } });
      fits(lines);
      assert.ok(report.readable && text !== '');
      const told = objectsOf((await dump(path, { region: { from, lengthBytes }, format: 'ndjson' })).text);
      const first = told.find((line) => line['kind'] !== 'part')?.['offset'] as number;
      const bytes = bytesOf(told, first);
      assert.ok(first <= from && from - first < 16, `begins at ${first}`);
      const to = first + bytes.length;
      assert.ok(to >= Math.min(image.length, from + lengthBytes) && to - from - lengthBytes < 16, `ends at ${to}`);
      assert.ok(bytes.equals(image.subarray(first, to)));
    }),
    { numRuns: 150 },
  );
  assert.is(await codeOf(() => dump(path, { region: { from: image.length, lengthBytes: 1 } })), 'ERR_RANGE');
});

test('a region behind the records says where they end, and why', async () => {
  const torn = JOURNAL.image.slice();
  torn[JOURNAL.offsets[1] ?? 0] = 0;
  const { text } = await dumpBytes(path, torn, { region: { from: END - 50, lengthBytes: 50 } });
  assert.match(
    text.replaceAll(/\s+/g, ' '),
    new RegExp(`^behind the records, byte ${END - 50} to ${END - 1}: the records end at byte ${JOURNAL.offsets[1]} \\(UNREADABLE:`),
  );
  const across = await dump(path, { region: { from: 8190, lengthBytes: 2000 }, format: 'ndjson' });
  assert.equal([...new Set(objectsOf(across.text).map((line) => line['part']))], ['complete mark', 'record', 'behind the records']);
});

test('where nothing can be read: the reason, the header if it is whole, and 256 bytes', async () => {
  const torn = JOURNAL.image.slice();
  const at = JOURNAL.offsets[2] ?? 0;
  torn[at + 100] = (torn[at + 100] ?? 0) ^ 1;
  const { text, lines, report } = await dumpBytes(path, torn, { format: 'text' });
  fits(lines);
  assert.is(report.readable, false);
  assert.match(
    text.replaceAll(/\s+/g, ' '),
    /UNREADABLE, byte 9376 to 9631: from here on: expected a record \(payload-checksum: .{8}\), found .{8}; the header there is whole: a write with number 901/,
  );
  const told = objectsOf((await dump(path, { format: 'ndjson' })).text).filter((line) => line['part'] === 'UNREADABLE');
  assert.is(told.filter((line) => line['kind'] === 'field').length, RECORD_HEADER.length);
  assert.is(bytesOf(told.slice(0, -1), at).length, 256);
  assert.equal(told.at(-1)?.['kind'], 'omitted');
  torn[at + 20] = (torn[at + 20] ?? 0) ^ 1;
  const header = objectsOf((await dumpBytes(path, torn, { format: 'ndjson' })).text).filter((line) => line['part'] === 'UNREADABLE');
  assert.is(header.filter((line) => line['kind'] === 'field').length, 0, 'a header that fails its checksum has no fields');
});

test('a void complete mark is called void, a later version a later version, pads pads', async () => {
  const image = buildJournal({ records: [] }).image.slice();
  encodeMark(image.subarray(MARK_OFFSET, RECORDS_OFFSET), {
    stream: IDENTITY.stream,
    point: { dataSet: 5, finalSequence: 1, chain: CHAIN_START },
  });
  assert.match((await dumpBytes(path, image)).text, /complete mark, byte 4096 to 8191: void/);
  const padded = JOURNAL.image.slice();
  padded.fill(0, JOURNAL.offsets[1]);
  padded.set(encodePadRecord(96), JOURNAL.offsets[1]);
  assert.match((await dumpBytes(path, padded)).text, /: a pad, of no data set$/m);
  const old = JOURNAL.image.slice();
  old.fill(0, JOURNAL.offsets[1]);
  old.set(encodeRecord({ dataSet: 5, firstSequence: 500, sequence: 505 }), JOURNAL.offsets[1]);
  assert.match(
    (await dumpBytes(path, old)).text.replaceAll(/\s+/g, ' '),
    /old bytes of the slot follow: a write with number 505 of data set 5/,
  );
});

test('80 columns with the largest numbers', async () => {
  const { image } = buildJournal({
    dataSet: ID_MAX,
    firstSequence: ID_MAX - 9,
    records: [{ type: 'write', sequence: ID_MAX - 1, vlun: 2 ** 32 - 2, lba: 2 ** 44 - 9, timeUs: ID_MAX }],
  });
  image.fill(255, 4096, 8192);
  fits((await dumpBytes(path, image)).lines);
  fits((await dumpBytes(path, new Uint8Array(9000).fill(255))).lines);
});

async function payloadOf(sequence: number): Promise<Buffer> {
  const stream = new Collector();
  await dumpPayload({ disk, found: { path, slot: 1 }, sequence, output: new LineOutput(stream) });
  return Buffer.from(stream.text, 'latin1');
}

test('the payload of one record, and never one that fails a checksum', async () => {
  writeFileSync(path, JOURNAL.image);
  const [first = 0, second = 0, third = 0, fourth = 0] = JOURNAL.offsets;
  assert.ok((await payloadOf(900)).equals(JOURNAL.image.subarray(first + 80, second)));
  assert.ok((await payloadOf(901)).equals(JOURNAL.image.subarray(third + 80, fourth)), 'numbers do not stand in order');
  assert.is((await payloadOf(903)).length, 40, "a sync command's");
  assert.is(await codeOf(() => payloadOf(902)), 'ERR_NO_PAYLOAD');
  assert.is(await codeOf(() => payloadOf(904)), 'ERR_RECORD_NOT_FOUND');
  const twice = JOURNAL.image.slice();
  twice.set(encodeRecord({ dataSet: 9, firstSequence: 900, sequence: 900 }), second);
  writeFileSync(path, twice);
  assert.ok((await payloadOf(900)).equals(JOURNAL.image.subarray(first + 80, second)), 'the first one counts');
  const torn = JOURNAL.image.slice();
  torn[third + 90] = (torn[third + 90] ?? 0) ^ 1;
  writeFileSync(path, torn);
  assert.ok((await payloadOf(900)).equals(JOURNAL.image.subarray(first + 80, second)));
  assert.is(await codeOf(() => payloadOf(901)), 'ERR_RECORD_UNREADABLE');
  assert.is(await codeOf(() => payloadOf(903)), 'ERR_RECORD_UNREADABLE', 'it may have been there');
  assert.is(await codeOf(() => refuseTerminal({ isTTY: true })), 'ERR_PAYLOAD_TO_TERMINAL');
  assert.is(await codeOf(() => refuseTerminal({})), 'none');
});

test('only the records with these numbers', async () => {
  const { text } = await dumpBytes(path, JOURNAL.image, { format: 'ndjson', sequence: { from: 901, to: 902 } });
  assert.equal([...new Set(objectsOf(text).map((line) => line['sequence']))], ['902', '901']);
  assert.is(await codeOf(() => dump(path, { sequence: { from: 5, to: 6 } })), 'ERR_RECORD_NOT_FOUND');
});

test('the watermark: both blocks field by field, and which of them counts', async () => {
  const file = join(folder, 'watermark');
  const bytes = new Uint8Array(8192);
  const point = { dataSet: 9, finalSequence: 909, chain: CHAIN_START };
  encodeWatermark(bytes.subarray(0, 4096), { ...IDENTITY, counter: 7, point, hostEpoch: 0 });
  encodeWatermark(bytes.subarray(4096), { ...IDENTITY, counter: 6, point: { ...point, dataSet: 8 }, hostEpoch: 0 });
  const whole = await dumpBytes(file, bytes);
  fits(whole.lines);
  assert.is(whole.report.readable, true);
  assert.match(whole.text, /^watermark block 0, byte 0 to 4095: whole, counter 7, data set 9$/m);
  assert.match(whole.text, /^block 0 counts \(counter 7\)$/m);
  const lines = objectsOf((await dump(file, { format: 'ndjson', payloadBytes: 0 })).text);
  assert.ok(bytesOf(lines, 0).equals(bytes));
  const names = Object.keys(WATERMARK_FIELDS);
  assert.equal(
    fieldsIn(lines, 'watermark block 1').map(([, name]) => name),
    names,
  );
  bytes[20] = 9;
  const one = await dumpBytes(file, bytes);
  assert.is(one.report.readable, false);
  assert.match(one.text.replaceAll(/\s+/g, ' '), /watermark block 0, byte 0 to 4095: UNREADABLE at byte 8: expected checksum/);
  assert.match(one.text, /^block 1 counts \(counter 6\)$/m);
  const fields = objectsOf((await dumpBytes(file, bytes.subarray(0, 50), { format: 'ndjson' })).text).filter(
    (line) => line['kind'] === 'field',
  );
  assert.equal(
    fields.slice(-2).map(({ field, value }) => [field, value]),
    [
      ['generation', '3'],
      ['stream', 'cut off'],
    ],
  );
  for (const length of [0, 1, 50, 4096, 4100, 8191]) {
    const cut = await dumpBytes(file, bytes.subarray(0, length));
    fits(cut.lines.filter((line) => !line.includes(folder)));
    assert.is(cut.report.readable, false);
    assert.match(cut.text.replaceAll(/\s+/g, ' '), /neither block counts, a start refuses/);
  }
});

test.run();
