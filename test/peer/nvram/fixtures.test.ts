/**
 * Regions of format version 1 stay readable, byte for byte; and what one wrong bit does to them.
 *
 * @timeLimit 120 s
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readRegionFile, type RegionPicture } from '../../../src/inspection/nvram/read-region.ts';
import { regionFindings } from '../../../src/inspection/nvram/region-findings.ts';
import { RING_OFFSET } from '../../../src/peer/nvram/format.ts';
import { FarshoreError } from '../../../src/model/errors.ts';
import { Random } from '../../../src/simulation/random.ts';
import { openRegion } from '../../../src/peer/nvram/open-region.ts';
import type { DecodedRecord } from '../../../src/record/record.ts';
import { TestDisk } from '../../support/test-disk.ts';
import { FIXTURE_BYTES, FIXTURE_NAMES, fixturePath, makeFixture, readFixture } from './fixtures.ts';
import { assertHolds, REGION_ID } from './support.ts';

const disk = new TestDisk();

async function inspect(image: Uint8Array): Promise<{ picture: RegionPicture; records: { record: DecodedRecord; ordinal: number }[] }> {
  const records: { record: DecodedRecord; ordinal: number }[] = [];
  const file = {
    path: 'region',
    sizeBytes: () => image.length,
    readSync: (target: Uint8Array, position: number) => {
      const bytes = image.subarray(position, position + target.length);
      target.set(bytes);
      return bytes.length;
    },
  };
  const picture = await readRegionFile({
    disk,
    file,
    running: false,
    take: (record, _offset, ordinal) => records.push({ record, ordinal }),
  });
  return { picture, records };
}

for (const name of FIXTURE_NAMES) {
  test(`fixture ${name}: the bytes are what is written today, and are read as they were meant`, async () => {
    const made = await makeFixture(name);
    if (process.env.REWRITE_FIXTURES === '1') {
      mkdirSync(dirname(fixturePath(name)), { recursive: true });
      writeFileSync(fixturePath(name), made.image);
    }
    const image = readFixture(name);
    assert.is(Buffer.compare(image, made.image), 0);
    const { picture, records } = await inspect(image);
    assert.is(
      records.length,
      made.held.reduce((sum, message) => sum + message.records, 0),
    );
    assert.equal(picture.contents?.regionId, REGION_ID);
    const findings = regionFindings(picture, []);
    assert.is(findings.length, name === 'held-and-wrapped' ? 0 : 1);
    const own = new TestDisk();
    own.open('/region', { create: true }).writeSync(image, 0);
    const opened = openRegion({ disk: own, path: '/region', sizeBytes: FIXTURE_BYTES, hold: 'memory' });
    if (opened.kind !== 'open') throw new Error(opened.kind);
    assert.is(opened.region.foundEnd.verdict, name === 'held-and-wrapped' ? 'clean-end' : 'unreadable');
    assertHolds(opened.region, made.held);
    opened.region.close();
  });
}

test('one wrong bit, at every byte: no wrong record is handed out, and nothing is clean where a held one is gone', async () => {
  const { image, held } = await makeFixture('held-and-wrapped');
  const { records: whole } = await inspect(image);
  const wholeText = whole.map(({ record, ordinal }) => `${ordinal} ${record.sequence} ${record.headerChecksum} ${record.payloadChecksum}`);
  const expected = new Set(wholeText);
  assert.is(whole.length, held.length * 3);
  const seen = { clean: 0, found: 0, none: 0 };
  for (let byte = 0; byte < image.length; byte += 1) {
    // The unused rest of the first pages is like itself.
    if (byte < RING_OFFSET && byte % 4096 >= 512 + 64) continue;
    const bit = 1 << ((byte * 5 + (byte >> 3)) % 8);
    image[byte] = (image[byte] ?? 0) ^ bit;
    const { picture, records } = await inspect(image);
    const found = records.map(({ record, ordinal }) => `${ordinal} ${record.sequence} ${record.headerChecksum} ${record.payloadChecksum}`);
    for (const text of found) assert.ok(expected.has(text), `byte ${byte}: ${text} was never held`);
    const isClean = regionFindings(picture, []).length === 0;
    if (isClean) assert.is(found.length, whole.length, `byte ${byte}: clean, and something is gone`);
    seen[isClean ? 'clean' : found.length > 0 ? 'found' : 'none'] += 1;
    image[byte] = (image[byte] ?? 0) ^ bit;
  }
  // Clean: unused bytes and those of messages that were given up.
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 100, `${what}: ${count}`);
});

test('any bytes: nothing is thrown, and no record is handed out at an ordinal at which it was not held', async () => {
  const { image } = await makeFixture('held-and-wrapped');
  const { records: whole } = await inspect(image);
  const everStored = new Map<number, string>();
  for (const { record, ordinal } of whole) everStored.set(ordinal, `${record.sequence} ${record.headerChecksum}`);
  const random = new Random(5);
  let without = 0;
  for (let round = 0; round < 1500; round += 1) {
    const changed = image.slice();
    for (let change = random.between(1, 4); change > 0; change -= 1) {
      const length = random.pick([1, 8, 96, 512, 688, 1872]);
      const to = random.int(image.length - length);
      // Other parts of the same region, so that checksums and magics are right where they do not belong; or zeroes, or noise.
      const from = random.int(image.length - length);
      if (random.chance(0.6)) changed.copyWithin(to, from, from + length);
      else changed.fill(random.chance(0.5) ? 0 : random.int(256), to, to + length);
    }
    try {
      const { picture, records } = await inspect(changed);
      regionFindings(picture, []);
      if (records.length < whole.length) without += 1;
      // Below the fixture's tail stand messages that were given up: an older anchor, whole again, may lead to them.
      for (const { record, ordinal } of records) {
        assert.is(record.sequence, ordinal, `round ${round}`);
        const held = everStored.get(ordinal);
        if (held !== undefined) assert.is(`${record.sequence} ${record.headerChecksum}`, held, `round ${round}`);
      }
    } catch (error) {
      if (!(error instanceof FarshoreError) || error.code !== 'ERR_NOT_A_REGION') throw error;
    }
  }
  assert.ok(without > 250, `${without} pictures lacked something`);
});

test('a file that ends early anywhere is never clean', async () => {
  const { image } = await makeFixture('held-and-wrapped');
  for (let length = 513; length < image.length; length += 37) {
    const { picture } = await inspect(image.subarray(0, length));
    assert.ok(regionFindings(picture, []).length > 0, `${length} bytes`);
  }
});

test.run();
