/** A journal's file through a window finds what a scan of the whole finds, wherever records lie across the window's edges. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ScannedRecord } from '../../journals/contract.ts';
import { scanFile, scanWindow } from '../../journals/file-scan.ts';
import { scanJournal, scannedRecord } from '../../journals/scan.ts';
import type { DiskFile } from '../../src/disk/disk.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { buildImage, encodeRecord, encodeSyncRecord } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore-file-scan-'));
test.after(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'slot-0001.journal');
const SLOT_BYTES = 8 * 1024 * 1024;

function imageOf(payloads: readonly number[], slotBytes = SLOT_BYTES): Uint8Array {
  const numbers = { dataSet: 9, firstSequence: 900 };
  const records = payloads.map((payloadBytes, index) => encodeRecord({ ...numbers, sequence: 900 + index, blocks: payloadBytes / 512 }));
  return buildImage({
    dataSet: 9,
    imageBytes: slotBytes,
    records: [...records, encodeSyncRecord({ ...numbers, sequence: 900 + payloads.length })],
  });
}

async function throughWindow(image: Uint8Array, wrap = (file: DiskFile): DiskFile => file) {
  writeFileSync(path, image);
  const file = new NodeDisk().open(path, { readOnly: true });
  const records: ScannedRecord[] = [];
  const window = scanWindow();
  try {
    const { readError, fileBytes, ...end } = await scanFile({
      file: wrap(file),
      slot: 1,
      window,
      take: ({ record, fileOffset, window: memory }) => {
        const bytes = memory.subarray(record.offset, record.offset + record.encodedBytes);
        assert.ok(Buffer.from(image.subarray(fileOffset, fileOffset + record.encodedBytes)).equals(bytes), `bytes at ${fileOffset}`);
        records.push(scannedRecord({ ...record, offset: fileOffset }));
      },
    });
    assert.is(fileBytes, image.length);
    return { found: { ...end, records }, readError };
  } finally {
    file.closeSync();
  }
}

test('the same as a scan of the whole, for records of all lengths across the edges of the window', async () => {
  const MIB = 1024 * 1024;
  for (const payloads of [
    [],
    [512],
    Array(3000).fill(1536),
    [MIB, MIB, MIB, MIB, MIB],
    [MIB, 512, MIB - 512, 4096, MIB, MIB - 4096, 512, MIB],
  ]) {
    const image = imageOf(payloads);
    const { found } = await throughWindow(image);
    assert.equal(found, scanJournal(image, { slot: 1, path }));
    assert.is(found.records.length, payloads.length + 1);
  }
});

test('the same at every kind of cut and after a flipped bit', async () => {
  const image = imageOf(Array(40).fill(16_384), 1024 * 1024);
  for (const length of [0, 1, 4096, 8191, 8192, 8193, 8271, 8272, 300_000, 524_288, 700_001, image.length - 1]) {
    const cut = image.slice(0, length);
    assert.equal((await throughWindow(cut)).found, scanJournal(cut, { slot: 1, path }), `cut at ${length}`);
  }
  for (const offset of [0, 100, 5000, 8192, 8200, 9000, 300_000, 667_000]) {
    const flipped = image.slice();
    flipped[offset] = (flipped[offset] ?? 0) ^ 16;
    assert.equal((await throughWindow(flipped)).found, scanJournal(flipped, { slot: 1, path }), `bit at ${offset}`);
  }
});

test('a disk that cannot read is a finding, with what was read before it', async () => {
  const image = imageOf(Array(40).fill(16_384), 1024 * 1024);
  const failing = (from: number) => (file: DiskFile) =>
    new Proxy(file, {
      get: (target, name) => {
        if (name !== 'readSync')
          return typeof target[name as 'path'] === 'function'
            ? (target[name as 'close'] as () => void).bind(target)
            : target[name as 'path'];
        return (memory: Uint8Array, position: number) => {
          if (position + memory.length > from) throw new Error('EIO: i/o error, read');
          return target.readSync(memory, position);
        };
      },
    });
  const late = await throughWindow(image, failing(400_000));
  assert.is(late.found.header.verdict, 'readable');
  assert.is(late.found.tail.verdict, 'unreadable');
  assert.ok(late.found.records.length > 5 && late.found.records.length < 40);
  assert.match(late.readError?.message ?? '', /EIO/);
  const early = await throughWindow(image, failing(0));
  assert.is(early.found.header.verdict, 'unreadable');
  assert.is(early.found.records.length, 0);
});

test('a file that shrinks while it is read is a finding', async () => {
  const image = imageOf(Array(40).fill(16_384), 1024 * 1024);
  const shrinking = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get: (target, name) => {
        if (name === 'sizeBytes')
          return () => {
            const sizeBytes = target.sizeBytes();
            truncateSync(path, 10_000);
            return sizeBytes;
          };
        return typeof target[name as 'path'] === 'function' ? (target[name as 'close'] as () => void).bind(target) : target[name as 'path'];
      },
    });
  const { found, readError } = await throughWindow(image, shrinking);
  assert.is(found.tail.verdict, 'unreadable');
  assert.match(readError?.message ?? '', /10000 bytes at byte 0, expected 262144/);
});

test.run();
