/** Who wrote a block last: overlaps of two data sets and the writers of one block, against a map of blocks that is painted one by one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { compareBlocks, findBlockWriters, parseTwoDataSets, type DiffAnswer, type DiffOptions } from '../../src/inspection/diff/diff.ts';
import { LineOutput } from '../../src/inspection/show/show-output.ts';
import type { WriteType } from '../../src/model/commands.ts';
import { RecordWriter } from '../../src/record/record.ts';
import { buildImage, encodeSyncRecord, IDENTITY, SMALL } from '../journals/support.ts';
import { codeOf } from '../support/scratch.ts';
import { freeImage, watermarkBytes } from './portable-ring.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore-blocks-'));
test.after(() => rmSync(folder, { recursive: true }));

interface Command {
  readonly type: WriteType;
  readonly vlun: number;
  readonly lba: number;
  readonly blocks: number;
}

/** Lines as one, however they were wrapped. */
const joined = (lines: readonly string[]): string => lines.join(' ').replaceAll(/\s+/g, ' ');

const write = (lba: number, blocks = 1, vlun = 0): Command => ({ type: 'write', vlun, lba, blocks });

/** A journal of these commands; they arrive in the order of `order`, and have numbers in their own. */
function journalOf(dataSet: number, commands: readonly Command[], order = commands.map((_, index) => index)): Uint8Array {
  const firstSequence = dataSet * 100;
  const records = order.map((index) => {
    const { type, vlun, lba, blocks } = commands[index] as Command;
    const target = new Uint8Array(blocks * 512 + 256);
    const payload = type === 'write' ? new Uint8Array(blocks * 512).fill(index) : null;
    const command = { type, vlun, lba, lengthBytes: blocks * 512, timeUs: 1_700_000_000_000_000 + index, payload };
    const numbers = { dataSet, firstSequence, sequence: firstSequence + index };
    return target.subarray(0, new RecordWriter(target).encodeWrite(0, command, numbers, IDENTITY));
  });
  const sync = encodeSyncRecord({ dataSet, firstSequence, sequence: firstSequence + commands.length });
  return buildImage({ dataSet, records: [...records, sync] });
}

interface OverlapJson {
  readonly vlun: number;
  readonly lba: string;
  readonly blocks: number;
  readonly last: { dataSet: string; fromSequence: string; toSequence: string; type: string | null };
  readonly earlier: { dataSet: string; fromSequence: string; toSequence: string };
}

const options = (others: Partial<DiffOptions>): DiffOptions => ({
  disk: new NodeDisk(),
  a: '',
  b: undefined,
  stateDirectory: undefined,
  limit: 1000,
  exact: true,
  lines: null,
  ...others,
});

async function overlapsOf(a: Uint8Array, b: Uint8Array, exact = true): Promise<{ answer: DiffAnswer; overlaps: readonly OverlapJson[] }> {
  const [pathA, pathB] = [join(folder, 'a'), join(folder, 'b')];
  writeFileSync(pathA, a);
  writeFileSync(pathB, b);
  const answer = await compareBlocks(options({ a: pathA, b: pathB, exact }), null);
  for (const line of answer.text) assert.ok(line.length <= 80, line);
  return { answer, overlaps: answer.json['overlaps'] as OverlapJson[] };
}

/** Sequence number that wrote each block last, by volume and block. */
function painted(dataSet: number, commands: readonly Command[]): Map<string, number> {
  const map = new Map<string, number>();
  for (const [index, { vlun, lba, blocks }] of commands.entries())
    for (let block = lba; block < lba + blocks; block += 1) map.set(`${vlun} ${block}`, dataSet * 100 + index);
  return map;
}

test('shared blocks, by who wrote them last, neighbours as one range', async () => {
  const earlier = [write(0, 4), write(100, 8), write(104, 2), write(50, 1, 3)];
  const later = [write(2, 100), write(103, 2), { type: 'trim', vlun: 3, lba: 0, blocks: 1000 } as const];
  const { answer, overlaps } = await overlapsOf(journalOf(13, later), journalOf(12, earlier));
  assert.equal(
    overlaps.map(({ vlun, lba, blocks, last, earlier: before }) => [
      vlun,
      lba,
      blocks,
      last.fromSequence,
      before.fromSequence,
      before.toSequence,
    ]),
    [
      [0, '2', 2, '1300', '1200', '1200'],
      [0, '100', 2, '1300', '1201', '1201'],
      [0, '103', 2, '1301', '1201', '1202'],
      [3, '50', 1, '1302', '1203', '1203'],
    ],
  );
  assert.equal([answer.json['ranges'], answer.json['blocks'], answer.json['last']], [4, 7, '13']);
  assert.match(joined(answer.text), 'the records of data set 13 wrote them last');
});

test('neighbours of several records are one range, with the lowest and the highest number', async () => {
  const earlier = [write(0, 4), write(20, 8)];
  const later = [write(1), write(3), write(2), write(21, 2)];
  const { overlaps } = await overlapsOf(journalOf(12, earlier), journalOf(13, later), false);
  assert.equal(
    overlaps.map(({ lba, blocks, last }) => [lba, blocks, last.fromSequence, last.toSequence, last.type]),
    [
      ['1', 3, '1300', '1302', null],
      ['21', 2, '1303', '1303', 'write'],
    ],
  );
});

test('any two data sets agree with a map of blocks', async () => {
  const command = fc.record({
    type: fc.constantFrom('write' as const, 'zero' as const, 'trim' as const),
    vlun: fc.integer({ min: 0, max: 1 }),
    lba: fc.integer({ min: 0, max: 40 }),
    blocks: fc.integer({ min: 1, max: 12 }),
  });
  const commands = fc.array(command, { minLength: 0, maxLength: 14 });
  const shuffled = commands.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray([...list.keys()], { minLength: list.length, maxLength: list.length })),
  );
  await fc.assert(
    fc.asyncProperty(shuffled, shuffled, async ([low, lowOrder], [high, highOrder]) => {
      const { overlaps } = await overlapsOf(journalOf(12, low, lowOrder), journalOf(13, high, highOrder));
      const [below, above] = [painted(12, low), painted(13, high)];
      const expected = new Map([...above].filter(([block]) => below.has(block)));
      const found = new Map<string, number>();
      for (const { vlun, lba, blocks, last, earlier } of overlaps) {
        const there = new Set<number>();
        for (let block = Number(lba); block < Number(lba) + blocks; block += 1) {
          assert.not.ok(found.has(`${vlun} ${block}`), 'ranges are apart');
          found.set(`${vlun} ${block}`, Number(last.fromSequence));
          there.add(below.get(`${vlun} ${block}`) ?? -1);
        }
        assert.equal([Math.min(...there), Math.max(...there)], [Number(earlier.fromSequence), Number(earlier.toSequence)]);
      }
      assert.equal(new Map([...found].sort()), new Map([...expected].sort()));
      for (const [index, range] of overlaps.entries()) {
        const next = overlaps[index + 1];
        const apart = next === undefined || next.vlun !== range.vlun || Number(range.lba) + range.blocks !== Number(next.lba);
        assert.ok(apart || next.last.fromSequence !== range.last.fromSequence, 'neighbours of one record are one range');
      }
    }),
    { numRuns: 120, seed: 4 },
  );
});

test('ranges one inside the other: each edge is one of a range', async () => {
  const many = Array.from({ length: 500 }, (_, index) => ({ type: 'trim', vlun: 0, lba: index, blocks: 1_000_000 - 2 * index }) as const);
  const { answer, overlaps } = await overlapsOf(journalOf(12, many), journalOf(13, many));
  assert.equal([answer.json['ranges'], answer.json['blocks']], [2 * 500 - 1, 1_000_000]);
  assert.is(
    overlaps.reduce((sum, { blocks }) => sum + blocks, 0),
    1_000_000,
  );
});

test('one data set against itself, a free journal, and flags that contradict each other are refused', async () => {
  const same = journalOf(12, [write(0)]);
  assert.is(await codeOf(() => overlapsOf(same, same)), 'ERR_USAGE');
  assert.is(await codeOf(() => overlapsOf(same, freeImage(1))), 'ERR_USAGE');
  assert.is(await codeOf(() => compareBlocks(options({ a: join(folder, 'a') }), null)), 'ERR_USAGE');
  assert.is(await codeOf(() => parseTwoDataSets('12-13')), 'ERR_USAGE');
  assert.equal(parseTwoDataSets('13, 12'), [13, 12]);
});

function ringOf(name: string, journals: ReadonlyMap<number, Uint8Array>, watermark: number): string {
  const directory = join(folder, name);
  new NodeDisk().makeDirectory(directory);
  for (let slot = 0; slot < SMALL.slots; slot += 1) {
    const [, image] = [...journals].find(([dataSet]) => dataSet % SMALL.slots === slot) ?? [0, freeImage(slot)];
    writeFileSync(journalPath(directory, slot), image);
  }
  writeFileSync(watermarkPath(directory), watermarkBytes(watermark));
  return directory;
}

test('two data sets of one folder, found by their names', async () => {
  const directory = ringOf(
    'overlap',
    new Map([
      [44, journalOf(44, [write(5, 5)])],
      [46, journalOf(46, [write(7)])],
    ]),
    43,
  );
  const { json } = await compareBlocks(options({ a: directory }), [46, 44]);
  assert.equal([json['ranges'], json['blocks'], json['last']], [1, 1, '46']);
  assert.is(await codeOf(() => compareBlocks(options({ a: directory }), [46, 45])), 'ERR_DATA_SET_NOT_FOUND');
});

test('the writers of a block, in order over the whole ring; the last one, and whether it is in the copy', async () => {
  const torn = journalOf(47, [write(9), write(9)]);
  torn.fill(0xee, 8192 + 592 + 100, 8192 + 592 + 110);
  const journals = new Map([
    [44, journalOf(44, [write(5, 5), write(9), write(10)], [1, 2, 0])],
    [45, journalOf(45, [write(0, 9)])],
    [46, journalOf(46, [write(9, 1, 7), { type: 'trim', vlun: 0, lba: 0, blocks: 20 }])],
    [47, torn],
  ]);
  const directory = ringOf('writers', journals, 45);
  const ask = (lba: number, volume?: string, others: Partial<DiffOptions> = {}): Promise<DiffAnswer> =>
    findBlockWriters(options({ a: directory, ...others }), { lba, volume });
  const { json, text } = await ask(9, '0');
  const listed = json['listed'] as { dataSet: string; sequence: string }[];
  assert.equal(
    listed.map(({ dataSet, sequence }) => [dataSet, sequence]),
    [
      ['44', '4400'],
      ['44', '4401'],
      ['46', '4601'],
      ['47', '4700'],
    ],
  );
  assert.match(joined(text), 'written last by data set 47, sequence 4700 (write, byte 8192 of slot-0003.journal)');
  assert.match(joined(text), 'not in the copy yet, whose watermark is 45');
  assert.match(joined(text), 'slot-0003.journal cannot be read from byte 8784 on');
  for (const line of text) assert.ok(line.length <= 80, line);
  const every = (await ask(9)).json['last'] as { vlun: number; dataSet: string }[];
  assert.equal(
    every.map(({ vlun, dataSet }) => [vlun, dataSet]),
    [
      [0, '47'],
      [7, '46'],
    ],
  );
  assert.match((await ask(5000, '0')).text.join(' '), 'no record here writes block 5000');
  assert.match(joined((await ask(8, '0', { a: journalPath(directory, 1) })).text), 'data set 45, sequence 4500');
  assert.is(await codeOf(() => ask(9, 'db1')), 'ERR_VOLUME_UNKNOWN');
  const short = await ask(9, '0', { limit: 1 });
  assert.equal([(short.json['listed'] as unknown[]).length, short.json['writers']], [1, 4]);
  assert.match(short.text.join(' '), 'the first 3 are left out');
  const stream = new PassThrough();
  await ask(9, '0', { lines: new LineOutput(stream) });
  assert.is(String(stream.read()).trim().split('\n').length, 5);
});

test('numbers of any size stay inside 80 columns', async () => {
  const far = Math.floor(Number.MAX_SAFE_INTEGER / 512) - 40;
  const dataSet = 90_071_992_547_408;
  const commands = [{ type: 'trim', vlun: 4_294_967_294, lba: far, blocks: 30 } as const];
  const directory = ringOf('large', new Map([[dataSet, journalOf(dataSet, commands)]]), 40);
  for (const line of (await findBlockWriters(options({ a: directory }), { lba: far, volume: undefined })).text)
    assert.ok(line.length <= 80, line);
  await overlapsOf(journalOf(dataSet, commands), journalOf(dataSet - 1, commands));
});

test.run();
