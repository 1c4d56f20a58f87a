/** Edits on recorded journals: each changes what it says, and no more; what has a right checksum is read back by production code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeHeader, decodeWatermark } from '../../journals/format.ts';
import { scanJournal } from '../../journals/scan.ts';
import {
  copyOver,
  editHeader,
  editHostState,
  editWatermark,
  flipBit,
  freeHeader,
  raiseBlockVersion,
  reencodeWrite,
  removeFile,
  swapFiles,
  truncateFile,
  zeroRange,
  type CrashFiles,
} from '../../src/crash-replay/damage/damage.ts';
import { recordsIn, rewriteRecords, type JournalEntry } from '../../src/crash-replay/damage/damage-records.ts';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { decodeChecked, type HostState } from '../../src/state/host-state.ts';
import { thrownBy } from '../support/scratch.ts';

const SLOT = 'journals/slot-0003.journal';
const OTHER = 'journals/slot-0002.journal';
const WATERMARK = 'journals/watermark';
const STATE = 'host-state.json';
const CRASH = join(LIBRARY, 'killed-in-mid-load/crash');

function crashFiles(): CrashFiles {
  const packed = [SLOT, OTHER, WATERMARK].map(
    (name) => [name, Uint8Array.from(gunzipSync(readFileSync(join(CRASH, `${name}.gz`))))] as const,
  );
  return new Map([...packed, [STATE, Uint8Array.from(readFileSync(join(CRASH, STATE)))]]);
}

const bytesOf = (files: CrashFiles, file: string): Uint8Array => files.get(file) ?? new Uint8Array(0);
const scanOf = (files: CrashFiles, file = SLOT): ReturnType<typeof scanJournal> =>
  scanJournal(bytesOf(files, file), { slot: 3, path: file });

/** Offsets at which a file differs from what was recorded. */
function changedIn(files: CrashFiles, file: string): number[] {
  const before = bytesOf(crashFiles(), file);
  return [...bytesOf(files, file).entries()].flatMap(([offset, byte]) => (byte === before[offset] ? [] : [offset]));
}

test('one bit is flipped, where the field stands, and the words say so', () => {
  const files = crashFiles();
  const record = recordsIn(bytesOf(files, SLOT))[1];
  assert.ok(record !== undefined);
  const note = flipBit(files, { file: SLOT, place: { kind: 'record', sequence: record.sequence, field: 'lba' }, bit: 2 });
  assert.equal(changedIn(files, SLOT), [record.offset + 48]);
  assert.match(note.words, new RegExp(`bit 2 of byte ${record.offset + 48} \\(record ${record.sequence}, field lba\\)`));
  assert.is(scanOf(files).records.length, 1);
  assert.is(scanOf(files).tail.offset, record.offset);
  flipBit(files, { file: WATERMARK, place: { kind: 'watermark', block: 1, field: 'finalSequence' }, bit: 0 });
  assert.equal(changedIn(files, WATERMARK), [4096 + 64]);
});

test('a place that is not there is refused', async () => {
  const files = crashFiles();
  for (const work of [
    (): unknown => flipBit(files, { file: SLOT, place: { kind: 'payload', sequence: 9_999, byte: 0 }, bit: 0 }),
    (): unknown => flipBit(files, { file: SLOT, place: { kind: 'offset', offset: 65_536 }, bit: 0 }),
    (): unknown => flipBit(files, { file: 'journals/slot-0009.journal', place: { kind: 'offset', offset: 0 }, bit: 0 }),
    (): unknown => zeroRange(files, { file: SLOT, offset: 65_000, lengthBytes: 1000 }),
    (): unknown => removeFile(files, 'nothing'),
  ]) {
    const thrown = await thrownBy(work);
    assert.is(thrown instanceof FarshoreError ? thrown.code : thrown, 'ERR_FIXTURE_DAMAGE');
  }
});

test('headers, watermarks and states are whole after an edit, with only the change in them', () => {
  const files = crashFiles();
  const before = decodeHeader(bytesOf(files, SLOT).subarray(0, 4096));
  editHeader(files, { file: SLOT, change: { generation: 7 } });
  assert.equal(decodeHeader(bytesOf(files, SLOT).subarray(0, 4096)), { ...before, generation: 7 });
  editWatermark(files, { file: WATERMARK, block: 0, change: { counter: 1000 } });
  const block = decodeWatermark(bytesOf(files, WATERMARK).subarray(0, 4096));
  assert.is(block.verdict === 'readable' ? block.content.counter : null, 1000);
  editHostState(files, { file: STATE, change: { hostEpoch: 3 } });
  assert.is((decodeChecked(bytesOf(files, STATE), STATE) as HostState).hostEpoch, 3);
  raiseBlockVersion(files, { file: SLOT, offset: 0, version: 2 });
  assert.equal(decodeHeader(bytesOf(files, SLOT).subarray(0, 4096)), { verdict: 'later-version', version: 2 });
  freeHeader(files, { file: SLOT, slot: 3, slots: 4 });
  const free = decodeHeader(bytesOf(files, SLOT).subarray(0, 4096));
  assert.is(free.verdict === 'readable' ? free.dataSet : 0, null);
});

test('files are cut off, copied, swapped and removed', () => {
  const files = crashFiles();
  const [slot, other] = [bytesOf(files, SLOT), bytesOf(files, OTHER)];
  swapFiles(files, { one: SLOT, other: OTHER });
  assert.is(bytesOf(files, SLOT), other);
  copyOver(files, { from: OTHER, to: SLOT });
  assert.equal(bytesOf(files, SLOT), slot);
  truncateFile(files, { file: SLOT, lengthBytes: 5000 });
  assert.is(bytesOf(files, SLOT).length, 5000);
  removeFile(files, SLOT);
  assert.not(files.has(SLOT));
});

test('a write gets other data under right checksums: every record is readable, and the chain is not its own', () => {
  const files = crashFiles();
  const before = scanOf(files);
  const write = before.records.find(({ type }) => type === 'write');
  assert.ok(write !== undefined);
  reencodeWrite(files, { file: SLOT, sequence: write.sequence, fill: 0x58 });
  const after = scanOf(files);
  assert.is(after.records.length, before.records.length);
  assert.equal(
    after.records
      .filter((record, index) => record.headerChecksum !== before.records[index]?.headerChecksum)
      .map(({ sequence }) => sequence),
    [write.sequence],
  );
});

test('records are written anew with pads between them, and end as whole commits do', async () => {
  const files = crashFiles();
  const image = bytesOf(files, SLOT);
  const records = recordsIn(image);
  const entries = records.flatMap((record): JournalEntry[] => [record, { kind: 'pad', bytes: 88 }]);
  rewriteRecords(image, entries);
  const padded = scanOf(files);
  assert.equal(
    padded.records.map(({ type, sequence }) => (type === 'pad' ? type : sequence)),
    records.flatMap(({ sequence }) => [sequence, 'pad']),
  );
  assert.is(padded.tail.verdict, 'clean-end');
  const fresh = bytesOf(crashFiles(), SLOT);
  rewriteRecords(fresh, recordsIn(fresh).slice(0, 2));
  const short = scanJournal(fresh, { slot: 3, path: SLOT });
  assert.is(short.records.length, 2);
  assert.is(short.tail.verdict, 'clean-end');
  const full = await thrownBy(() => rewriteRecords(fresh, [{ kind: 'pad', bytes: 60_000 }]));
  assert.is(full instanceof FarshoreError ? full.code : full, 'ERR_FIXTURE_DAMAGE');
});

test.run();
