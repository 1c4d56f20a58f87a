/**
 * Damaged journals: cut short at every length, a bit flipped at every byte. `journal show` and `journal dump` never throw, show what
 * stands before the damage and nothing else of it, name the right byte, and never call damage a clean end.
 * @timeLimit 240 s
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { RECORD_HEADER_BYTES } from '../../src/record/record.ts';
import { buildJournal, dumpBytes, objectsOf, showBytes } from './show-support.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore-show-damage-'));
test.after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'slot-0001.journal');

const SMALL = {
  records: [
    { type: 'zero', sequence: 900, blocks: 3 },
    { type: 'write', sequence: 901 },
    { type: 'trim', sequence: 902, blocks: 9 },
  ],
  sync: 903,
  restBytes: 120,
} as const;

/** How many of the records end at or before this byte. */
function wholeRecords(offsets: readonly number[], byte: number): number {
  return offsets.filter((offset) => offset <= byte).length - 1;
}

interface Told {
  readonly records: number;
  readonly tail: { readonly verdict: string; readonly offset: number };
  readonly verdict: string;
  readonly findings: readonly { readonly path: string; readonly offset: number }[];
}

async function told(image: Uint8Array): Promise<Told> {
  const text = await showBytes(path, image);
  for (const line of text.lines) assert.ok(line.length <= 80 || line.includes(path), line);
  const lines = objectsOf((await showBytes(path, image, { format: 'ndjson' })).text);
  const journal = lines.at(-1) as unknown as Told;
  assert.is(text.text.includes('\nverdict    clean end\n'), journal.verdict === 'clean end');
  return { ...journal, records: lines.length - 1 };
}

/** Where the dump says that the bytes cannot be read, null if it does not; it must tell what it shows as it stands in the file. */
async function unreadableFrom(image: Uint8Array): Promise<{ offset: number | null; readable: boolean }> {
  const { text, report } = await dumpBytes(path, image, { format: 'ndjson', payloadBytes: 16 });
  const lines = objectsOf(text);
  for (const line of lines) {
    if (typeof line['bytes'] !== 'string') continue;
    const offset = line['offset'] as number;
    assert.is(line['bytes'], Buffer.from(image.subarray(offset, offset + (line['lengthBytes'] as number))).toString('hex'));
  }
  const part = lines.find((line) => line['kind'] === 'part' && line['part'] === 'UNREADABLE');
  return { offset: (part?.['offset'] as number | undefined) ?? null, readable: report.readable };
}

for (const flagged of [false, true]) {
  const { image, offsets } = buildJournal({ ...SMALL, flagged });
  const end = offsets.at(-1) ?? 0;
  const named = flagged ? 'a flagged journal' : 'a journal';
  // The flag changes verdicts only: a sample of the bytes will do.
  const step = flagged ? 7 : 1;

  test(`${named}, whole: clean`, async () => {
    assert.is((await told(image)).verdict, 'clean end');
    assert.equal(await unreadableFrom(image), { offset: null, readable: true });
  });

  test(`${named} cut short at every length`, async () => {
    for (let length = 0; length < image.length; length += step) {
      // Between the fields of the blocks nothing changes: every 64th length will do there.
      if (length < RECORDS_OFFSET - 64 && length % 64 !== 0) continue;
      const cut = image.subarray(0, length);
      const whole = length < RECORDS_OFFSET ? 0 : wholeRecords(offsets, length);
      const at = length < RECORDS_OFFSET ? RECORDS_OFFSET : (offsets[whole] ?? 0);
      const { records, tail, verdict, findings } = await told(cut);
      assert.is(records, whole, `records at length ${length}`);
      assert.is(tail.offset, at, `tail at length ${length}`);
      // Shorter than its header says: the end is never clean, not even when it falls between two records.
      assert.not.equal(verdict, 'clean end', `verdict at length ${length}`);
      if (tail.verdict === 'clean-end') assert.ok(length > end, `clean end at length ${length}`);
      assert.ok(findings.length > 0 && findings.every((finding) => finding.path === path));
      if (flagged && length >= RECORDS_OFFSET) assert.is(verdict, 'damaged', `verdict at length ${length}`);
      const dumped = await unreadableFrom(cut);
      if (tail.verdict === 'unreadable') assert.equal(dumped, { offset: at, readable: false }, `dump at length ${length}`);
    }
  });

  test(`${named} with a bit flipped at every byte`, async () => {
    for (let byte = 0; byte < image.length; byte += step) {
      // All bytes of a block are under one checksum.
      if (byte > 128 && byte < RECORDS_OFFSET && (byte < MARK_OFFSET || byte > MARK_OFFSET + 128) && byte % 61 !== 0) continue;
      const flipped = image.slice();
      flipped[byte] = (flipped[byte] ?? 0) ^ (1 << (byte % 8));
      const { records, tail, verdict, findings } = await told(flipped);
      const dumped = await unreadableFrom(flipped);
      if (byte >= end + RECORD_HEADER_BYTES) {
        // Behind the zeroes that end the records nothing counts: it may be anything that an earlier data set left.
        assert.is(verdict, 'clean end', `verdict of byte ${byte}`);
        continue;
      }
      const whole = byte < RECORDS_OFFSET ? offsets.length - 1 : wholeRecords(offsets, byte);
      assert.is(records, whole, `records, byte ${byte}`);
      assert.is(tail.offset, offsets[whole], `tail, byte ${byte}`);
      assert.not.equal(verdict, 'clean end', `verdict, byte ${byte}`);
      assert.is(dumped.readable, false, `dump, byte ${byte}`);
      assert.is(dumped.offset, byte < RECORDS_OFFSET ? null : (offsets[whole] ?? 0), `dump, byte ${byte}`);
      if (byte < RECORDS_OFFSET || flagged) assert.is(verdict, 'damaged', `verdict, byte ${byte}`);
      const at = findings.map(({ offset }) => offset);
      const block = byte < MARK_OFFSET ? 0 : MARK_OFFSET;
      if (byte < RECORDS_OFFSET)
        assert.ok(
          at.some((offset) => offset >= block && offset < block + MARK_OFFSET),
          `offset, byte ${byte}`,
        );
      else assert.ok(at.includes(offsets[whole] ?? 0), `offset, byte ${byte}`);
    }
  });
}

test('files of other kinds', async () => {
  const text = new TextEncoder().encode('no journal at all\n'.repeat(2000));
  for (const image of [new Uint8Array(0), text, new Uint8Array(20_000), new Uint8Array(20_000).fill(255)]) {
    const { verdict, records, tail } = await told(image);
    assert.is(records, 0);
    assert.is(verdict, 'damaged');
    assert.is(tail.offset, RECORDS_OFFSET);
    assert.is((await unreadableFrom(image)).readable, false);
  }
  assert.match((await showBytes(path, text)).text, /is it the right one\?/);
});

test.run();
