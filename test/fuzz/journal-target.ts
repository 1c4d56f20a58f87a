/** The image of a journal as bytes into the scan, and what the scan found into the plan of recovery. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { ScannedJournal, ScannedRecord } from '../../journals/contract.ts';
import { RECORDS_OFFSET } from '../../journals/format.ts';
import { JournalScan, scanJournal, scannedRecord } from '../../journals/scan.ts';
import type { Random } from '../../src/simulation/random.ts';
import { STREAM } from '../support/secondary-host.ts';
import { fixBlock, fixRecords } from './checksums.ts';
import { DATA_SET, imageOf, planAlone, setOf, SLOTS } from './journal-inputs.ts';
import { anyRecord, mustReencode } from './record-inputs.ts';
import { must, type Input, type Target } from './target.ts';

const source = { slot: DATA_SET % SLOTS, path: '/journals/slot-0002.journal' };
const SEALED = imageOf({ dataSet: DATA_SET, flagged: true, over: DATA_SET + SLOTS });
const sealedScan = scanJournal(SEALED, source);

function fixImage(image: Uint8Array, random: Random): void {
  if (random.chance(0.7)) fixBlock(image, 0);
  if (random.chance(0.7)) fixBlock(image, 4096);
  if (random.chance(0.7)) fixRecords(image, RECORDS_OFFSET);
}

/** Any image: what is told of it stands in it, however it is read. */
export const journalTarget: Target = {
  name: 'journal',
  property: 'every record that a scan tells stands in the image as it would be written, whatever the pieces in which it is read',
  golden: [
    [imageOf({ dataSet: DATA_SET })],
    [SEALED],
    [imageOf({ dataSet: DATA_SET, records: 2, padded: true })],
    [imageOf({ dataSet: DATA_SET + SLOTS, over: DATA_SET })],
    [imageOf({ dataSet: DATA_SET, padded: true, flagged: true })],
    [SEALED.slice(0, 12_000)],
  ],
  generator: fc.array(anyRecord(STREAM), { maxLength: 8 }).map((records) => {
    const image = Uint8Array.from(SEALED);
    image.set(Buffer.concat(records), RECORDS_OFFSET);
    return [image];
  }),
  fix: fixImage,
  testInputs: 1_800,
  mustReach: [
    'clean-end replay',
    'clean-end refuse',
    'clean-end keep partial',
    'unreadable refuse',
    'unreadable keep partial',
    'later-version refuse',
  ],
  run: ([image = new Uint8Array(0)]: Input): string => {
    const scanned = scanJournal(image, source);
    judgeScan(image, scanned);
    must(isDeepStrictEqual(inPieces(image), scanned), 'a scan in pieces finds the same');
    planAlone(scanned, 'promote');
    const [decision] = planAlone(scanned, 'start').journals;
    const read = scanned.header.verdict === 'later-version' ? 'later-version' : scanned.tail.verdict;
    return `${read} ${decision?.action ?? 'nothing'}`;
  },
};

/** A complete journal with its flag set, damaged once: the data set is replayed as it was written, or recovery refuses. */
export const sealedJournalTarget: Target = {
  name: 'sealed-journal',
  property: 'a flagged data set above the watermark is replayed as it was written, or recovery refuses (I3, I9)',
  // The zeroes behind the terminator are old bytes at most: damage there is none.
  golden: [[SEALED.slice(0, sealedScan.tail.offset + 512)]],
  donors: [[SEALED], [imageOf({ dataSet: DATA_SET + SLOTS, flagged: true })], [imageOf({ dataSet: DATA_SET + 1, flagged: true })]],
  mutationsMax: 1,
  partsAreFixed: true,
  inPlace: true,
  testInputs: 3_000,
  mustReach: ['replay', 'ERR_RECOVERY_FLAGGED_DAMAGED', 'ERR_RECOVERY_WRONG_SLOT', 'ERR_RECOVERY_ABOVE_WINDOW'],
  run: ([bytes = new Uint8Array(0)]: Input): string => {
    // Damage changes the bytes of a file and not how many there are: another size is refused when the file is opened.
    const image = Uint8Array.from(SEALED);
    image.set(bytes.subarray(0, image.length));
    const scanned = scanJournal(image, source);
    judgeScan(image, scanned);
    const written = new Set(setOf(DATA_SET).records.map((record) => Buffer.from(record.bytes).toString('latin1')));
    for (const { offset, encodedBytes, type, dataSet } of scanned.records) {
      const text = Buffer.from(image.subarray(offset, offset + encodedBytes)).toString('latin1');
      must(type === 'pad' || dataSet !== DATA_SET || written.has(text), `a record at ${offset} that nobody wrote`);
    }
    const plans = (['start', 'promote'] as const).map((mode) => planAlone(scanned, mode));
    const [decision] = plans[0]?.journals ?? [];
    for (const plan of plans) {
      const found = plan.journals[0];
      if (found?.action === 'refuse') continue;
      must(found?.action === 'replay', () => `the data set is lost: ${found?.action} (${found?.label}), ${found?.inputs}`);
      must(isDeepStrictEqual(plan.restored[0]?.records, planAlone(sealedScan, 'start').restored[0]?.records), 'other records are replayed');
    }
    return decision?.code ?? decision?.action ?? 'nothing';
  },
};

function judgeScan(image: Uint8Array, { records, tail, header }: ScannedJournal): void {
  let at = RECORDS_OFFSET;
  for (const record of records) {
    must(
      record.offset === at && at + record.encodedBytes <= image.length,
      `the record at ${record.offset} begins where the one before ended`,
    );
    const { generation, stream } = record;
    mustReencode(record, image.subarray(at, at + record.encodedBytes), { generation, stream });
    at += record.encodedBytes;
  }
  must(tail.offset === at, `the tail at ${tail.offset} is behind the last record, ${at}`);
  if (header.verdict === 'later-version') must(tail.verdict === 'unreadable', 'records of a later version are never called a clean end');
}

/** Read as the ring reads it, but in pieces that depend on the content. */
function inPieces(image: Uint8Array): ScannedJournal {
  const copy = new Uint8Array(image.length);
  const records: ScannedRecord[] = [];
  const scan = new JournalScan(copy, { ...source, fileBytes: image.length, take: (record) => records.push(scannedRecord(record)) });
  let end = 0;
  do {
    const piece = 700 + ((image[end] ?? 0) << 4);
    const next = Math.min(image.length, end + piece);
    copy.set(image.subarray(end, next), end);
    end = next;
  } while (!scan.advance(end));
  return { ...scan.result(), records };
}
