/**
 * The portable format: golden bytes, the document's tables, and what damage does. `REWRITE_FIXTURES=1` writes the golden bytes anew, which is
 * right only together with a new format version.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/disk/disk.ts';
import { importJournals } from '../../src/inspection/portable/import-journals.ts';
import {
  ENTRY_HEADER,
  ENTRY_HEADER_BYTES,
  ENTRY_TRAILER,
  ENTRY_TRAILER_BYTES,
  PORTABLE_HEADER,
  PORTABLE_HEADER_BYTES,
  PORTABLE_VERDICT,
} from '../../src/inspection/portable/portable-format.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { buildImage } from '../journals/support.ts';
import { checkoutFolder } from '../support/golden.ts';
import { TestDisk } from '../support/test-disk.ts';
import { ALL, exportTo, only, recordsOf, writeRing } from './portable-ring.ts';

const WATERMARK_BYTES = 8192;

/** A ring at 41 with data set 42, flagged, and 43, torn in its second record. */
async function sample(): Promise<Uint8Array> {
  const disk = new TestDisk();
  const torn = buildImage({ dataSet: 43, records: recordsOf(43, 2) });
  torn.fill(0xee, 8192 + 80 + 90, 8192 + 80 + 100);
  await writeRing(disk, '/ring', {
    journals: new Map([
      [42, buildImage({ dataSet: 42, flagged: true, records: recordsOf(42, 2) })],
      [43, torn],
    ]),
  });
  await exportTo(disk, '/ring', '/v1.fsx', ALL);
  return disk.readFile('/v1.fsx') ?? new Uint8Array();
}

/** The frozen export; with REWRITE_FIXTURES=1 it is written first. */
function frozenExport(bytes: Uint8Array): Uint8Array {
  const path = join(checkoutFolder(), 'fixtures/portable/v1/two-journals.fsx');
  if (process.env['REWRITE_FIXTURES'] === '1') writeFileSync(path, bytes);
  return new Uint8Array(readFileSync(path));
}

/** A disk with one file, on which nothing but reading it is possible. */
function readOnlyDisk(bytes: Uint8Array): Disk {
  const file = {
    path: '/v1.fsx',
    sizeBytes: () => bytes.length,
    readSync: (target: Uint8Array, position: number) => {
      const piece = bytes.subarray(position, position + target.length);
      target.set(piece);
      return piece.length;
    },
    closeSync: () => {},
  };
  return { open: () => file } as unknown as Disk;
}

/** What an import of these bytes says; a touch of the disk that is no reading of the export fails otherwise. */
async function verdictOn(bytes: Uint8Array): Promise<{ code: string; exitCode: number; message: string }> {
  try {
    await importJournals({ disk: readOnlyDisk(bytes), path: '/v1.fsx', directory: '/new', dryRun: false });
  } catch (error) {
    if (error instanceof FarshoreError) return { code: error.code, exitCode: error.exitCode, message: error.message };
    return {
      code: error instanceof Error && /is not a function/.test(error.message) ? 'taken for whole' : String(error),
      exitCode: 0,
      message: '',
    };
  }
  return { code: 'imported', exitCode: 0, message: '' };
}

test('golden bytes: what version 1 is, byte for byte', async () => {
  const bytes = await sample();
  const frozen = frozenExport(bytes);
  assert.ok(Buffer.from(bytes).equals(Buffer.from(frozen)), 'the export is the frozen one');
});

test('frozen bytes are imported, and their export is the same again', async () => {
  const frozen = frozenExport(await sample());
  const disk = new TestDisk();
  disk.replaceFile('/v1.fsx', frozen);
  const report = await importJournals({ disk, path: '/v1.fsx', directory: '/new', dryRun: false });
  assert.equal(
    report.journals.map(({ dataSet, verdict }) => [dataSet, verdict]),
    [
      [42, 'clean end'],
      [43, 'unreadable'],
    ],
  );
  await exportTo(disk, '/new', '/again.fsx');
  assert.ok(Buffer.from(disk.readFile('/again.fsx') ?? []).equals(Buffer.from(frozen)));
});

test('docs/portable-journals.md shows every field of the tables, and fields do not overlap', () => {
  const document = readFileSync(join(checkoutFolder(), 'docs/portable-journals.md'), 'utf8');
  const tables = [
    { fields: PORTABLE_HEADER, bytes: PORTABLE_HEADER_BYTES },
    { fields: ENTRY_HEADER, bytes: ENTRY_HEADER_BYTES },
    { fields: ENTRY_TRAILER, bytes: ENTRY_TRAILER_BYTES },
  ];
  let from = 0;
  for (const { fields, bytes } of tables) {
    let end = 0;
    for (const { name, offset, size } of fields) {
      assert.is(offset, end, `${name} begins where the field before it ends`);
      end = offset + size;
      const row = document.indexOf(`\n| ${offset} | ${size} | ${name} |`, from);
      assert.ok(row >= from, `a row | ${offset} | ${size} | ${name} |`);
      from = row;
    }
    assert.is(end, bytes);
  }
  for (const [name, code] of Object.entries(PORTABLE_VERDICT)) assert.match(document, `${code} ${name}`);
});

test('every flipped byte is found before anything is written: exit 6, file and byte', async () => {
  const bytes = await sample();
  for (let offset = 0; offset < bytes.length; offset += 1) {
    const flipped = bytes.slice();
    flipped[offset] = (flipped[offset] ?? 0) ^ (1 << (offset % 8));
    const { code, exitCode, message } = await verdictOn(flipped);
    assert.equal([code, exitCode], ['ERR_IMPORT_DAMAGED', 6], `byte ${offset}`);
    assert.match(message, /^\/v1\.fsx is damaged or not whole: at byte \d+ expected .+, found .+; nothing was written$/);
  }
  assert.is((await verdictOn(bytes)).code, 'taken for whole', 'what is not flipped');
});

test('every length but its own is found', async () => {
  const bytes = await sample();
  for (let length = 0; length < bytes.length; length += 1) {
    const { code, exitCode } = await verdictOn(bytes.subarray(0, length));
    assert.equal([code, exitCode], ['ERR_IMPORT_DAMAGED', 6], `${length} bytes`);
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  assert.match((await verdictOn(longer)).message, `at byte ${bytes.length} expected the end of the file, found 1 bytes more`);
});

/** Change a field and make the piece's checksum right again. */
function forge(
  bytes: Uint8Array,
  at: { from: number; size: number; checksum: number },
  offset: number,
  value: bigint | number,
): Uint8Array {
  const forged = bytes.slice();
  const piece = new DataView(forged.buffer, at.from, at.size);
  if (typeof value === 'bigint') piece.setBigUint64(offset, value, true);
  else piece.setUint32(offset, value, true);
  piece.setUint32(at.checksum, 0, true);
  piece.setUint32(at.checksum, crc32(forged.subarray(at.from, at.from + at.size)), true);
  return forged;
}

test('sizes and numbers with a right checksum are held against the limits, and no memory is taken for them', async () => {
  const bytes = await sample();
  const header = { from: 0, size: PORTABLE_HEADER_BYTES, checksum: 8 };
  const entry = { from: PORTABLE_HEADER_BYTES + WATERMARK_BYTES, size: ENTRY_HEADER_BYTES, checksum: 4 };
  const huge = 2n ** 53n - 1n;
  const forged: Readonly<Record<string, Uint8Array>> = {
    'a million slots': forge(bytes, header, 16, 1_000_000),
    'more entries than slots': forge(bytes, header, 20, 5),
    'an entry more than there is': forge(bytes, header, 20, 3),
    'an entry fewer than there are': forge(bytes, header, 20, 1),
    'slots of 8 PiB': forge(bytes, header, 24, huge),
    'slots of an odd size': forge(bytes, header, 24, 70_000n),
    'a number above 2^53': forge(bytes, header, 48, huge + 2n),
    'a watermark of 4 GiB': forge(bytes, header, 64, 0xffff_ffff),
    'unknown flags': forge(bytes, header, 12, 1),
    'version 0': forge(bytes, header, 4, 0),
    'a slot that is not there': forge(bytes, entry, 8, 4),
    'a slot that comes later': forge(bytes, entry, 8, 3),
    'unknown entry flags': forge(bytes, entry, 12, 5),
    'a missing file with bytes': forge(bytes, entry, 12, 3),
    'a data set without its flag': forge(bytes, entry, 12, 0),
    'a journal of 8 PiB': forge(bytes, entry, 24, huge),
    'more content than file': forge(bytes, entry, 32, 1_000_000n),
    'content of no number': forge(bytes, entry, 32, huge + 1n),
    'a verdict of no meaning': forge(bytes, entry, 48, 4),
    'reserved bytes': forge(bytes, entry, 52, 1),
  };
  const before = process.memoryUsage().arrayBuffers;
  for (const [what, forgery] of Object.entries(forged))
    assert.equal(await verdictOn(forgery).then(({ code, exitCode }) => [code, exitCode]), ['ERR_IMPORT_DAMAGED', 6], what);
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
  const later = await verdictOn(forge(bytes, header, 4, 2));
  assert.equal([later.code, later.exitCode], ['ERR_IMPORT_VERSION', 5]);
  assert.match((await verdictOn(forge(bytes, header, 16, 1_000_000))).message, 'at byte 16 expected 2 to 256 slots');
});

test('bytes of two exports are never mixed', async () => {
  const disk = new TestDisk();
  const exportOf = async (flagged: boolean): Promise<Uint8Array> => {
    await writeRing(disk, `/${flagged}`, { journals: new Map([[42, buildImage({ dataSet: 42, flagged, records: recordsOf(42, 2) })]]) });
    await exportTo(disk, `/${flagged}`, `/${flagged}.fsx`, only(42));
    return disk.readFile(`/${flagged}.fsx`) ?? new Uint8Array();
  };
  const mixed = (await exportOf(false)).slice();
  const mark = PORTABLE_HEADER_BYTES + WATERMARK_BYTES + ENTRY_HEADER_BYTES + 4096;
  mixed.set((await exportOf(true)).subarray(mark, mark + 4096), mark);
  assert.equal((await verdictOn(mixed)).code, 'ERR_IMPORT_DAMAGED');
});

test.run();
