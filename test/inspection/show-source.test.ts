/** Which journal is meant: by file, by data set in a folder; and what is refused. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath } from '../../journals/files.ts';
import { encodeHeader, encodeMark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { encodeFreshWatermark } from '../../journals/watermark.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { CHAIN_START } from '../../src/model/ids.ts';
import { peekFile } from '../../src/inspection/ring/peek-journal.ts';
import { dataSetsOf, findJournal, openToRead, type FoundJournal } from '../../src/inspection/show/show-source.ts';
import { buildImage, encodeRecord, IDENTITY, SMALL } from '../journals/support.ts';
import { codeOf, thrownBy } from '../support/scratch.ts';
import { encodeChecked } from '../../src/state/host-state.ts';
import { disk, show } from './show-support.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore-show-source-'));
test.after(() => rmSync(folder, { recursive: true }));
const state = join(folder, 'secondary');
const ring = join(state, 'journals');
mkdirSync(ring, { recursive: true });
const watermark = join(ring, 'watermark');
const bytes = new Uint8Array(8192);
encodeFreshWatermark(bytes);
writeFileSync(watermark, bytes);

function record(dataSet: number): Uint8Array {
  return encodeRecord({ dataSet, firstSequence: dataSet * 100, sequence: dataSet * 100 });
}

/** Slot 0: its header names 8. 1: an older header, records of 9. 2: an unreadable header and no records, flagged 6. 3: free. */
const unreadable = buildImage({ dataSet: 6, records: [] });
encodeMark(unreadable.subarray(MARK_OFFSET, RECORDS_OFFSET), {
  stream: IDENTITY.stream,
  point: { dataSet: 6, finalSequence: 609, chain: CHAIN_START },
});
unreadable[100] = 1;
writeFileSync(journalPath(ring, 0), buildImage({ dataSet: 8, records: [] }));
writeFileSync(journalPath(ring, 1), buildImage({ dataSet: 5, records: [record(9)] }));
writeFileSync(journalPath(ring, 2), unreadable);
writeFileSync(journalPath(ring, 3), buildImage({ dataSet: null, records: [] }));

function find(path: string, dataSet: number | null, stateDirectory?: string): Promise<FoundJournal> {
  return findJournal({ disk, path, dataSet, stateDirectory });
}

async function refusal(path: string, dataSet: number | null): Promise<{ code: string; message: string }> {
  const error = await thrownBy(() => find(path, dataSet));
  assert.instance(error, FarshoreError);
  const { code, message } = error as FarshoreError;
  return { code, message };
}

test('a data set is found by header, by records over an older header, and by the complete flag', async () => {
  for (const [dataSet, slot] of [
    [8, 0],
    [9, 1],
    [5, 1],
    [6, 2],
  ] as const) {
    for (const named of [ring, state]) {
      const found = await find(named, dataSet);
      assert.is(found.slot, slot, `data set ${dataSet} in ${named}`);
      assert.is(found.path, journalPath(ring, slot));
    }
  }
});

test('a file alone needs no data set, and one that is named must be in it', async () => {
  assert.is((await find(journalPath(ring, 3), null)).slot, 3);
  assert.is((await find(journalPath(ring, 1), 9)).slot, 1);
  const { code, message } = await refusal(journalPath(ring, 1), 8);
  assert.is(code, 'ERR_DATA_SET_NOT_FOUND');
  assert.match(message, /data sets there: 5, 9$/);
});

test('a folder without a data set, or without this one, is refused with the list of those that are there', async () => {
  const needed = await refusal(ring, null);
  assert.is(needed.code, 'ERR_DATA_SET_NEEDED');
  assert.match(needed.message, /holds 4 journals, and no data set is named; data sets there: 5 to 6, 8 to 9$/);
  const missing = await refusal(state, 7);
  assert.is(missing.code, 'ERR_DATA_SET_NOT_FOUND');
  assert.match(missing.message, /data sets there: 5 to 6, 8 to 9$/);
});

test('a data set in two journals is not guessed', async () => {
  const twice = join(folder, 'twice');
  mkdirSync(twice);
  for (const slot of [0, 1]) writeFileSync(journalPath(twice, slot), buildImage({ dataSet: 9, records: [record(9)] }));
  const { code, message } = await refusal(twice, 9);
  assert.is(code, 'ERR_DATA_SET_TWICE');
  assert.match(message, /slot-0000\.journal and slot-0001\.journal/);
});

test('no journals, no file, a FIFO, a device, a socket-like thing: a clear refusal, and no waiting', async () => {
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const fifo = join(folder, 'slot-0007.journal');
  execFileSync('mkfifo', [fifo]);
  assert.is((await refusal(empty, 9)).code, 'ERR_NO_JOURNALS');
  assert.is((await refusal(join(folder, 'nowhere'), 9)).code, 'ERR_NO_JOURNALS');
  assert.is((await refusal(fifo, 9)).code, 'ERR_NOT_A_JOURNAL');
  assert.is((await refusal('/dev/null', 9)).code, 'ERR_NOT_A_JOURNAL');
  assert.is(await codeOf(() => openToRead(disk, fifo)), 'ERR_NOT_A_JOURNAL');
  assert.is(await codeOf(() => openToRead(disk, empty)), 'ERR_NOT_A_JOURNAL');
  assert.is(await codeOf(() => openToRead(disk, join(folder, 'nowhere'))), 'ERR_JOURNAL_READ');
});

test('the watermark is no journal', async () => {
  assert.is(await codeOf(() => show(watermark)), 'ERR_NOT_A_JOURNAL');
  const copy = join(folder, 'copy-of-watermark');
  writeFileSync(copy, bytes);
  assert.is(await codeOf(() => show(copy)), 'ERR_NOT_A_JOURNAL', 'known by its magic');
});

test('the volume table comes from the state; one that is damaged is a note', async () => {
  assert.is((await find(journalPath(ring, 0), null)).volumes, null);
  const volumes = [{ vlun: 0, name: 'db1', sizeBytes: 1024 }];
  const path = join(state, 'host-state.json');
  writeFileSync(path, encodeChecked({ formatVersion: 1, volumes }));
  for (const found of [await find(journalPath(ring, 0), null), await find(ring, 8), await find(state, 8)])
    assert.equal(found.volumes, volumes);
  const elsewhere = join(folder, 'slot-0001.journal.copy');
  writeFileSync(elsewhere, buildImage({ dataSet: 9, records: [] }));
  assert.is((await find(elsewhere, null)).volumes, null);
  assert.equal((await find(elsewhere, null, state)).volumes, volumes, 'the folder that is named with --state');
  writeFileSync(path, '{}');
  const damaged = await find(ring, 8);
  assert.is(damaged.volumes, null);
  assert.match(damaged.stateProblem ?? '', /host-state\.json is damaged/);
  const { text } = await show(journalPath(ring, 0), damaged);
  assert.match(text, /note: the state is not used/);
  rmSync(path);
});

test('a host that runs is seen', async () => {
  const lock = disk.lock(watermark);
  assert.is((await find(ring, 8)).running, true);
  assert.is((await find(journalPath(ring, 0), null)).running, true);
  lock?.release();
  assert.is((await find(ring, 8)).running, false);
});

test('a peek reads the first record behind pads, and little of a large journal', async () => {
  const path = journalPath(folder, 1);
  const image = buildImage({ dataSet: 9, imageBytes: 4 * 1024 * 1024, records: Array.from({ length: 1000 }, () => record(9)) });
  writeFileSync(path, image);
  let readBytes = 0;
  const file = disk.open(path, { readOnly: true });
  const counted = new Proxy(file, {
    get: (target, name) => {
      if (name !== 'readSync') {
        const value = target[name as 'path'] as unknown;
        return typeof value === 'function' ? (value as () => void).bind(target) : value;
      }
      return (memory: Uint8Array, position: number) => {
        readBytes += memory.length;
        return target.readSync(memory, position);
      };
    },
  });
  const peek = await peekFile({ file: counted, slot: 0 });
  file.closeSync();
  assert.equal(dataSetsOf(peek), [9]);
  assert.ok(readBytes <= 512 * 1024, `${readBytes} bytes read`);
});

test('an unreadable header alone names nothing', async () => {
  const path = journalPath(folder, 2);
  const image = new Uint8Array(SMALL.slotBytes);
  encodeHeader(image, { ...IDENTITY, slot: 2, slots: 4, slotBytes: image.length, dataSet: 6, firstSequence: 600 });
  image[200] = 1;
  writeFileSync(path, image);
  const { message } = await refusal(path, 6);
  assert.match(message, /data sets there: none$/);
});

test.run();
