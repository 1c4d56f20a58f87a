/** What `farshore nvram ls`, `show` and `verify` tell of a region, beside a running peer, after it died, and of damage. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inspectRegion } from '../../../src/inspection/nvram/inspect-region.ts';
import { regionJson, regionText } from '../../../src/inspection/nvram/region-text.ts';
import { verifyRegion } from '../../../src/inspection/nvram/verify-region.ts';
import { ALL_RECORDS } from '../../../src/inspection/show/record-filter.ts';
import { RING_OFFSET } from '../../../src/peer/nvram/format.ts';
import { openRegion } from '../../../src/peer/nvram/open-region.ts';
import { codeOf, withFolder } from '../../support/scratch.ts';
import { encodeRecord, GROUP_ID, REGION_ID } from '../../peer/nvram/support.ts';
import { disk, LAST, makeJournals, REGION_BYTES, runningRegion, show } from './nvram-support.ts';

interface ListedRegion {
  readonly path: string;
  readonly running: boolean;
  readonly tail: string;
  readonly head: string;
  readonly regionId: string;
  readonly groupId: string;
  readonly end: { verdict: string };
  readonly dataSets: readonly {
    dataSet: string;
    records: number;
    numbers: { from: string; to: string }[];
    finalSequence: string | null;
    regionOnly: unknown;
  }[];
}

const listed = (report: Parameters<typeof regionJson>[0]): ListedRegion => JSON.parse(JSON.stringify(regionJson(report))) as ListedRegion;

test('ls: a row for each data set, beside a running peer, and nothing is changed', async () => {
  await withFolder(async (folder) => {
    const { path, region } = await runningRegion(folder);
    const before = readFileSync(path);
    const report = await inspectRegion({ disk, path, journals: null });
    const json = listed(report);
    assert.equal(
      [json.running, json.tail, json.head, json.regionId, json.groupId, json.end.verdict],
      [true, '0', '18', REGION_ID, GROUP_ID, 'clean-end'],
    );
    assert.equal(
      json.dataSets.map(({ dataSet, records, numbers, finalSequence, regionOnly }) => [
        dataSet,
        records,
        numbers,
        finalSequence,
        regionOnly,
      ]),
      [
        ['0', 5, [{ from: '3', to: '7' }], '7', null],
        ['1', 8, [{ from: '8', to: '15' }], '15', null],
        ['2', 5, [{ from: '16', to: '20' }], null, null],
      ],
    );
    const text = regionText(report, { all: true }).join('\n');
    assert.match(text, /in use by a running peer/);
    assert.match(text, /^ +1 +3 +0123456789abcdef +8 +4\.\d KiB +yes$/m);
    assert.match(text, /numbers 16 to 20, written/);
    assert.ok(text.split('\n').every((line) => line.length <= 80));
    assert.is(Buffer.compare(before, readFileSync(path)), 0);
    region.close();
    const after = await inspectRegion({ disk, path, journals: null });
    assert.equal([after.picture.running, after.clean], [false, true]);
  });
});

test('ls: what was given up is not there, and an empty region holds nothing', async () => {
  await withFolder(async (folder) => {
    const { path, region } = await runningRegion(folder);
    region.release(6);
    // The newest message says what was given up before it.
    region.store(encodeRecord(LAST + 1, 512), 1);
    const json = listed(await inspectRegion({ disk, path, journals: null }));
    assert.equal([json.tail, json.head, json.dataSets[0]?.dataSet], ['6', '19', '1']);
    region.release(region.head);
    region.close();
    const empty = await inspectRegion({ disk, path, journals: null });
    assert.is(empty.dataSets.length, 0);
    assert.match(regionText(empty, { all: false }).join('\n'), /no records are held/);
    assert.is(await codeOf(() => show(path, {})), 'ERR_DATA_SET_NOT_FOUND');
  });
});

test('ls with journals: exactly the numbers that neither a journal nor the watermark covers', async () => {
  await withFolder(async (folder) => {
    const { path, region } = await runningRegion(folder);
    region.close();
    const directory = await makeJournals(folder, { numbers: [8, 9, 10, 13, 16, 17, 99], watermark: 0 });
    const report = await inspectRegion({ disk, path, journals: directory });
    assert.equal(
      listed(report).dataSets.map(({ regionOnly }) => regionOnly),
      [
        { count: 0, ranges: [] },
        {
          count: 4,
          ranges: [
            { from: '11', to: '12' },
            { from: '14', to: '15' },
          ],
        },
        { count: 3, ranges: [{ from: '18', to: '20' }] },
      ],
    );
    const text = regionText(report, { all: false }).join('\n');
    assert.match(text, /no journal has 11 to 12, 14 to 15/);
    assert.match(
      text.replaceAll(/\s+/g, ' '),
      /lack 7 records of 2 data sets: a restart of the secondary would fetch them, a takeover adds them/,
    );
    assert.equal(report.notes, []);
  });
});

test('ls with journals: everything is there; journals of another group are told', async () => {
  await withFolder(async (folder) => {
    const { path, region } = await runningRegion(folder);
    region.bind(REGION_ID);
    region.close();
    const directory = await makeJournals(folder, { numbers: [16, 17, 18, 19, 20], watermark: 1 });
    const report = await inspectRegion({ disk, path, journals: directory });
    assert.match(regionText(report, { all: false }).join(' '), /have all of it/);
    assert.is(report.notes.length, 1);
    assert.match(report.notes[0] ?? '', /are these the right journals/);
  });
});

test('show: the records of one data set, in the order in which they came, with the bytes at which they stand', async () => {
  await withFolder(async (folder) => {
    const { path, region } = await runningRegion(folder);
    region.close();
    assert.is(await codeOf(() => show(path, {})), 'ERR_DATA_SET_NEEDED');
    assert.is(await codeOf(() => show(path, { dataSet: 7 })), 'ERR_DATA_SET_NOT_FOUND');
    const { text } = await show(path, { dataSet: 0 });
    assert.match(text, new RegExp(`^ +${RING_OFFSET + 96} +3 +write +1 +3 +512 `, 'm'));
    assert.match(text, /cut by age, final number 7/);
    assert.match(text, /^records +5 of data set 0: 4 write, 1 sync$/m);
    assert.match(text, /^verdict +clean end$/m);
    assert.ok(text.split('\n').every((line) => line.length <= 80));
    const json = JSON.parse(
      (await show(path, { dataSet: 1, json: true, filter: { ...ALL_RECORDS, sequence: { from: 9, to: 11 } } })).text,
    ) as {
      records: { sequence: string; offset: number }[];
      region: { shown: number; dataSet: string; endVerdict: string };
    };
    assert.equal(
      json.records.map(({ sequence }) => sequence),
      ['9', '10', '11'],
    );
    assert.equal([json.region.shown, json.region.dataSet, json.region.endVerdict], [3, '1', 'clean end']);
    const bytes = readFileSync(path);
    for (const { offset } of json.records) assert.is(bytes.toString('latin1', offset, offset + 4), 'FSR1');
    const map = await show(path, { dataSet: 2, map: true });
    assert.match(map.text, /LBA 16 to 20: 5 commands/);
  });
});

test('verify: clean, damaged and torn; beside a running peer what cannot be read is in flight', async () => {
  await withFolder(async (folder) => {
    const { path, region } = await runningRegion(folder);
    const clean = await verifyRegion({ disk, path });
    assert.ok(clean.clean);
    assert.match(clean.text.join('\n'), /18 records in 9 messages.*nothing is damaged/s);
    const image = readFileSync(path);
    const secondMessage = RING_OFFSET + 96 + 2 * 592;
    image[secondMessage + 96 + 200] = (image[secondMessage + 96 + 200] ?? 0) ^ 1;
    writeFileSync(path, image);
    const moving = await verifyRegion({ disk, path });
    assert.ok(moving.clean);
    assert.equal(
      moving.findings.map(({ verdict, offset }) => [verdict, offset]),
      [['in flight', secondMessage + 96]],
    );
    const copy = join(folder, 'copy');
    writeFileSync(copy, image);
    const damaged = await verifyRegion({ disk, path: copy });
    assert.not.ok(damaged.clean);
    const [finding] = damaged.findings;
    assert.equal([finding?.path, finding?.verdict, finding?.offset, finding?.matters], [copy, 'damaged', secondMessage + 96, true]);
    assert.match(finding?.expected ?? '', /payload-checksum/);
    assert.match(damaged.text.join('\n'), /2 records in 1 message,/);
    assert.match(finding?.meaning ?? '', /\. 14 records behind it are whole/);
    // A header that is half there is what a kill leaves.
    image.fill(0, secondMessage + 48, secondMessage + 96);
    writeFileSync(copy, image);
    const torn = await verifyRegion({ disk, path: copy });
    assert.equal(
      torn.findings.map(({ verdict, offset }) => [verdict, offset]),
      [['unreadable', secondMessage + 8]],
    );
    region.close();
  });
});

test('verify: superblock, anchors, another boot, a later version', async () => {
  await withFolder(async (folder) => {
    const { path, region } = await runningRegion(folder);
    const killed = readFileSync(path);
    region.close();
    const closed = readFileSync(path);
    const changed = async (
      image: Buffer,
      change: (image: Buffer) => void,
      bootId?: string,
    ): Promise<[string, number | null, boolean][]> => {
      const copy = Buffer.from(image);
      change(copy);
      const file = join(folder, 'changed');
      writeFileSync(file, copy);
      const other = Object.assign(Object.create(disk) as typeof disk, bootId === undefined ? {} : { bootId: () => bootId });
      const { findings } = await verifyRegion({ disk: other, path: file });
      return findings.map(({ verdict, offset, matters }) => [verdict, offset, matters]);
    };
    const flip = (offset: number) => (image: Buffer) => void (image[offset] = (image[offset] ?? 0) ^ 1);
    assert.equal(await changed(closed, () => {}, GROUP_ID), [], 'closed cleanly: another boot does not matter');
    assert.equal(await changed(closed, flip(20)), [['damaged', 8, true]]);
    const [one, other] = [await changed(closed, flip(4096 + 20)), await changed(closed, flip(8192 + 20))];
    assert.equal([one.length, other.length, one[0]?.[0], other[0]?.[0]], [1, 1, 'unreadable', 'unreadable']);
    const both = await changed(closed, (image) => {
      flip(4096 + 20)(image);
      flip(8192 + 20)(image);
    });
    assert.equal(
      both.map(([verdict, , matters]) => [verdict, matters]),
      [
        ['damaged', true],
        ['damaged', true],
      ],
    );
    const rebooted = await changed(killed, () => {}, GROUP_ID);
    assert.is(rebooted.length, 1);
    assert.equal([rebooted[0]?.[0], rebooted[0]?.[2]], ['unreadable', true]);
    assert.is(
      openRegion({
        disk: Object.assign(Object.create(disk) as typeof disk, { bootId: () => GROUP_ID }),
        path: rewritten(folder, killed),
        sizeBytes: REGION_BYTES,
        hold: 'memory',
      }).kind,
      'unreadable',
    );
  });
});

test('what is no region is refused, and what is not there', async () => {
  await withFolder(async (folder) => {
    const file = join(folder, 'notes');
    for (const bytes of ['', 'notes', 'notes'.repeat(10_000)]) {
      writeFileSync(file, bytes);
      assert.is(await codeOf(() => verifyRegion({ disk, path: file })), 'ERR_NOT_A_REGION');
    }
    assert.is(await codeOf(() => verifyRegion({ disk, path: folder })), 'ERR_NOT_A_REGION');
    assert.is(await codeOf(() => verifyRegion({ disk, path: join(folder, 'none') })), 'ERR_NOT_A_REGION');
    assert.is(await codeOf(() => verifyRegion({ disk, path: '/dev/null' })), 'ERR_NOT_A_REGION');
  });
});

function rewritten(folder: string, image: Buffer): string {
  const path = join(folder, 'rewritten');
  writeFileSync(path, image);
  return path;
}

test.run();
