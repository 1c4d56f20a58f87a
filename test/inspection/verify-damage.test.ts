/**
 * `journal verify FILE` on every damage of a small journal: single bits at every byte, cuts at every length. The verdict is DESIGN
 * section 6's (clean end; unreadable from a byte on; damaged), corruption is never called clean, and each finding names file and byte.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, worstVerdict } from '../../src/inspection/ring/findings.ts';
import { inspectJournal } from '../../src/inspection/ring/inspect-journal.ts';
import type { Finding } from '../../src/inspection/ring/ring-report.ts';
import { verify } from '../../src/inspection/ring/verify.ts';
import { scanWindow } from '../../journals/file-scan.ts';
import { BLOCK_BYTES, encodeMark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import type { DiskFile } from '../../src/disk/disk.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { CHAIN_START } from '../../src/model/ids.ts';
import { RECORD_HEADER_BYTES } from '../../src/record/record.ts';
import { buildImage, encodePadRecord, encodeRecord, encodeSyncRecord, IDENTITY } from '../journals/support.ts';

const SLOT_BYTES = 64 * 1024;
const PATH = '/ring/slot-0001.journal';
const window = scanWindow();
const numbers = { dataSet: 9, firstSequence: 900 };
const RECORDS = [
  encodeRecord({ ...numbers, sequence: 901, blocks: 2 }),
  encodeRecord({ ...numbers, sequence: 900, blocks: 1 }),
  encodePadRecord(RECORD_HEADER_BYTES + 40),
  encodeRecord({ ...numbers, sequence: 902, blocks: 0 }),
  encodeSyncRecord({ ...numbers, sequence: 903 }),
];
/** Where each record begins, and where the last one ends. */
const STARTS = RECORDS.reduce((starts, record) => [...starts, (starts.at(-1) ?? 0) + record.length], [RECORDS_OFFSET]);
const END = STARTS.at(-1) ?? 0;
const PARTIAL = buildImage({ dataSet: 9, imageBytes: SLOT_BYTES, records: RECORDS });
const FLAGGED = PARTIAL.slice();
encodeMark(FLAGGED.subarray(MARK_OFFSET, RECORDS_OFFSET), {
  stream: IDENTITY.stream,
  point: { dataSet: 9, finalSequence: 903, chain: CHAIN_START },
});

/** A file of these bytes, without a disk. */
function memoryFile(bytes: Uint8Array): DiskFile {
  const file: Pick<DiskFile, 'path' | 'sizeBytes' | 'readSync'> = {
    path: PATH,
    sizeBytes: () => bytes.length,
    readSync: (target, position) => {
      const piece = bytes.subarray(position, position + target.length);
      target.set(piece);
      return piece.length;
    },
  };
  return file as DiskFile;
}

async function findings(bytes: Uint8Array): Promise<Finding[]> {
  const contents = await inspectJournal({ file: memoryFile(bytes), slot: 1, window });
  return findingsOf({ contents, decision: null, history: null, expectedBytes: null, running: false });
}

const flip = (image: Uint8Array, offset: number, bit: number): Uint8Array => {
  const flipped = image.slice();
  flipped[offset] = (flipped[offset] ?? 0) ^ (1 << bit);
  return flipped;
};

test('whole journals are clean, with and without the complete flag', async () => {
  for (const image of [PARTIAL, FLAGGED]) assert.equal(await findings(image), []);
});

test('one bit flipped at every byte through the end of the records: the verdict, and the byte from which on nothing is read', async () => {
  let judged = 0;
  for (const [image, torn] of [
    [PARTIAL, 'unreadable'],
    [FLAGGED, 'damaged'],
  ] as const) {
    for (let offset = 0; offset < END + RECORD_HEADER_BYTES; offset += 1) {
      const found = await findings(flip(image, offset, offset % 8));
      const what = `bit ${offset % 8} of byte ${offset}, ${torn}: ${JSON.stringify(found)}`;
      assert.ok(found.length > 0, what);
      const finding = found[0] as Finding;
      assert.is(finding.path, PATH, what);
      assert.ok(finding.expected !== finding.found && finding.expected !== '' && finding.found !== '', what);
      if (offset < RECORDS_OFFSET) {
        // Header and complete mark cannot be torn: each field lies in the first sector of its block.
        assert.is(worstVerdict(found), 'damaged', what);
        const block = offset < MARK_OFFSET ? 0 : MARK_OFFSET;
        assert.ok(finding.offset !== null && finding.offset >= block && finding.offset < block + BLOCK_BYTES, what);
      } else {
        assert.is(worstVerdict(found), torn, what);
        assert.is(
          finding.offset,
          STARTS.findLast((start) => start <= offset),
          what,
        );
      }
      judged += 1;
    }
  }
  assert.is(judged, 2 * (END + RECORD_HEADER_BYTES));
});

test('behind the zeroes that end the records nothing is read: old bytes there are no damage', async () => {
  for (let offset = END + RECORD_HEADER_BYTES; offset < SLOT_BYTES; offset += 997)
    assert.equal(await findings(flip(FLAGGED, offset, 0)), []);
});

test('cut at every length: never clean, and never later than the cut', async () => {
  for (const image of [PARTIAL, FLAGGED]) {
    for (let length = 0; length < SLOT_BYTES; length += length < END + 200 ? 1 : 311) {
      const found = await findings(image.subarray(0, length));
      const what = `cut at ${length}: ${JSON.stringify(found)}`;
      assert.ok(found.length > 0, what);
      assert.is(
        worstVerdict(found),
        length < RECORDS_OFFSET || image === FLAGGED || length >= END + RECORD_HEADER_BYTES ? 'damaged' : 'unreadable',
        what,
      );
      for (const { offset } of found) assert.ok(offset !== null && offset <= Math.max(length, RECORDS_OFFSET), what);
      assert.ok(
        found.some((finding) => finding.found.includes(`${length} bytes`)),
        what,
      );
    }
  }
});

test('a longer file, and one that names another slot, are told', async () => {
  const longer = new Uint8Array(SLOT_BYTES + 1);
  longer.set(FLAGGED);
  assert.match((await findings(longer))[0]?.what ?? '', /too long/);
  const contents = await inspectJournal({ file: memoryFile(FLAGGED), slot: 2, window });
  const moved = findingsOf({ contents, decision: null, history: null, expectedBytes: null, running: false });
  assert.match(moved[0]?.what ?? '', /another slot/);
});

test('beside a running host a tail that cannot be read is in flight; a flagged data set is damaged all the same', async () => {
  for (const [image, verdict] of [
    [PARTIAL, 'in flight'],
    [FLAGGED, 'damaged'],
  ] as const) {
    const contents = await inspectJournal({ file: memoryFile(flip(image, END - 3, 1)), slot: 1, window });
    assert.is(worstVerdict(findingsOf({ contents, decision: null, history: null, expectedBytes: null, running: true })), verdict);
  }
});

test('files of every kind: text with file, byte, expected and found; never an exception', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-verify-'));
  try {
    const path = join(folder, 'copied.journal');
    const kinds: Readonly<Record<string, Uint8Array>> = {
      empty: new Uint8Array(0),
      text: Buffer.from('role: secondary\n'.repeat(2000)),
      random: Uint8Array.from({ length: 100_000 }, (_, index) => (index * 2_654_435_761) >>> 24),
      ones: new Uint8Array(70_000).fill(255),
      zeroes: new Uint8Array(SLOT_BYTES),
    };
    for (const [kind, bytes] of Object.entries(kinds)) {
      writeFileSync(path, bytes);
      const { clean, text } = await verify({ disk: new NodeDisk(), path });
      assert.not(clean, kind);
      assert.match(text.join('\n'), /byte \d+: (unreadable|damaged)[\s\S]*expected[\s\S]*found/);
    }
    writeFileSync(path, FLAGGED);
    const { clean, text } = await verify({ disk: new NodeDisk(), path });
    assert.ok(clean);
    assert.match(text.join('\n'), /nothing\s+is\s+damaged/);
    // Bytes with right checksums that break the rules of a flagged data set.
    const holed = buildImage({ dataSet: 9, imageBytes: SLOT_BYTES, records: RECORDS.slice(0, 1) });
    holed.set(FLAGGED.subarray(MARK_OFFSET, RECORDS_OFFSET), MARK_OFFSET);
    writeFileSync(path, holed);
    const found = await verify({ disk: new NodeDisk(), path });
    assert.equal([found.clean, found.findings[0]?.verdict], [false, 'damaged']);
    await verify({ disk: new NodeDisk(), path: join(folder, 'none') }).then(
      () => assert.unreachable('nothing is there'),
      (error: { code: string }) => assert.is(error.code, 'ERR_NO_JOURNALS'),
    );
    await verify({ disk: new NodeDisk(), path: folder }).then(
      () => assert.unreachable('no ring'),
      (error: { code: string }) => assert.is(error.code, 'ERR_NO_JOURNALS'),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
