import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../../src/disk/node-disk.ts';
import { FarshoreError } from '../../../src/model/errors.ts';
import { LIMITS } from '../../../src/model/limits.ts';
import type { NvramRegion } from '../../../src/peer/nvram/contract.ts';
import { createRegion, setAsidePath } from '../../../src/peer/nvram/create-region.ts';
import {
  decodeAnchor,
  encodeAnchor,
  encodeSuperblock,
  RING_OFFSET,
  SEGMENT_HEADER_BYTES,
  sealBlock,
  viewOf,
  type Anchor,
} from '../../../src/peer/nvram/format.ts';
import { openRegion } from '../../../src/peer/nvram/open-region.ts';
import { codeOf, needsTried, thrownBy, withFolder, withSmallDisk } from '../../support/scratch.ts';
import { TestDisk } from '../../support/test-disk.ts';
import { assertHolds, encodeMessage, GROUP_ID, held, makeRegion, readAll, REGION_ID, reopen, SIZE_BYTES, type Made } from './support.ts';

const PATH = '/region';
const tiny = RING_OFFSET + 32 * 1024;

function simulated(options: Partial<Made> & { mapped?: boolean } = {}): Made & { disk: TestDisk } {
  const { mapped = true, ...others } = options;
  const disk = new TestDisk(mapped ? { fileSystem: 'tmpfs', residentChance: 1 } : {});
  return { path: PATH, sizeBytes: tiny, hold: 'memory', ...others, disk: (others.disk as TestDisk | undefined) ?? disk };
}

/** Messages as the region numbers them. */
class Messages {
  readonly all: { firstOrdinal: number; records: number; encoded: Uint8Array }[] = [];
  #next = 0;

  store(region: NvramRegion, records = 2, payloadBytes = 512): void {
    const encoded = encodeMessage(this.#next, records, payloadBytes);
    region.store(encoded, records);
    this.all.push({ firstOrdinal: this.#next, records, encoded });
    this.#next += records;
  }

  from(ordinal: number): { firstOrdinal: number; records: number; encoded: Uint8Array }[] {
    return this.all.filter(({ firstOrdinal }) => firstOrdinal >= ordinal);
  }
}

for (const hold of ['memory', 'durable'] as const) {
  for (const mapped of [true, false]) {
    const name = `hold: ${hold}${mapped ? '' : ', no mapping'}`;

    test(`${name}: what is stored is held, handed out as it came, and found again`, async () => {
      const made = simulated({ hold, mapped });
      const region = await makeRegion(made);
      const messages = new Messages();
      assert.is(region.regionId, REGION_ID);
      assertHolds(region, []);
      for (let index = 0; index < 5; index += 1) messages.store(region, index + 1, index * 512);
      await held(region);
      assertHolds(region, messages.all);
      assert.equal([region.tail, region.head], [0, 15]);
      region.close();
      const again = reopen(made);
      assertHolds(again, messages.all);
      assert.equal([again.tail, again.head, again.foundEnd.verdict], [0, 15, 'clean-end']);
      again.close();
    });

    test(`${name}: the ring goes round many times, and ordinals go on`, async () => {
      const made = simulated({ hold, mapped });
      let region = await makeRegion(made);
      const messages = new Messages();
      for (let round = 0; round < 60; round += 1) {
        messages.store(region, 1 + (round % 3), 512 * (round % 5));
        await held(region);
        if (round % 4 === 3) {
          const [oldest] = messages.from(region.tail + 1).slice(-2);
          region.release(oldest?.firstOrdinal ?? 0);
          await held(region);
        }
        if (round % 13 === 12) {
          region.close();
          region = reopen(made);
        }
        assertHolds(region, messages.from(region.tail));
      }
      assert.ok(region.head > 100, 'many records');
      region.close();
    });
  }
}

test('freeBytes is what can be stored, to the last byte; more is a broken invariant', async () => {
  const made = simulated();
  const region = await makeRegion(made);
  const messages = new Messages();
  while (region.freeBytes >= 4096 + 80 + LIMITS.regionOverheadBytes) messages.store(region, 1, 4096);
  const left = region.freeBytes;
  // A message of exactly the rest: its header is no more than the overhead that is counted for it.
  const payload = Math.floor((left - SEGMENT_HEADER_BYTES - 80) / 512) * 512;
  messages.store(region, 1, payload);
  assertHolds(region, messages.all);
  assert.is(await codeOf(() => region.store(encodeMessage(region.head, 1, 4096), 1)), 'ERR_BROKEN_INVARIANT');
  assertHolds(region, messages.all);
  region.close();
  const again = reopen(made);
  assertHolds(again, messages.all);
  again.release(again.head);
  assert.ok(again.freeBytes > 31 * 1024, 'everything is free again');
  again.close();
});

test('records of the largest size go round the end of the smallest region that a config may name', async () => {
  const made = simulated({ sizeBytes: LIMITS.regionBytesMin, mapped: false });
  const region = await makeRegion(made);
  for (let sequence = 0; sequence < 20; sequence += 2) {
    const encoded = encodeMessage(sequence, 1, LIMITS.recordDataBytesMax);
    while (encoded.length + LIMITS.regionOverheadBytes > region.freeBytes) region.release(region.tail + 1);
    region.store(encoded, 1);
    const { segments } = readAll(region);
    assert.is(Buffer.compare(segments.at(-1)?.encoded ?? new Uint8Array(0), encoded), 0);
  }
  region.close();
  const again = reopen(made);
  assert.equal([again.head, again.foundEnd.verdict], [10, 'clean-end']);
  again.close();
});

test('the overhead that the limits state covers header and terminator', () => {
  assert.ok(2 * SEGMENT_HEADER_BYTES <= LIMITS.regionOverheadBytes);
});

test('release gives up whole messages: the tail is the first record of one', async () => {
  const region = await makeRegion(simulated());
  const messages = new Messages();
  for (let index = 0; index < 3; index += 1) messages.store(region, 3);
  region.release(2);
  assert.is(region.tail, 0);
  region.release(5);
  assert.is(region.tail, 3);
  assertHolds(region, messages.from(3));
  region.release(9);
  assert.equal([region.tail, region.head, region.heldBytes], [9, 9, 0]);
  assert.is(await codeOf(() => region.release(10)), 'ERR_BROKEN_INVARIANT');
  region.close();
});

test('what was given up after the last anchor does not come back: the newest segment says so', async () => {
  const made = simulated();
  const region = await makeRegion(made);
  const messages = new Messages();
  for (let index = 0; index < 4; index += 1) messages.store(region);
  region.release(4);
  messages.store(region);
  const after = reopen({ ...made, disk: made.disk.crash('page cache') });
  assert.is(after.tail, 4);
  assertHolds(after, messages.from(4));
  after.close();
});

test('durable: released space is free only when the anchor that gives it up was flushed', async () => {
  const made = simulated({ hold: 'durable' });
  const region = await makeRegion(made);
  const messages = new Messages();
  while (region.freeBytes > 5000) messages.store(region, 1, 4096);
  await held(region);
  const before = region.freeBytes;
  region.release(region.head);
  assert.is(region.freeBytes, before);
  await held(region);
  assert.ok(region.freeBytes > 31 * 1024);
  region.close();
});

test('durable: whenHeld waits for a flush that began after the store, and one flush serves all that came meanwhile', async () => {
  const made = simulated({ hold: 'durable' });
  const region = await makeRegion(made);
  const messages = new Messages();
  const told: number[] = [];
  const flushes = made.disk.count('flush');
  messages.store(region);
  region.whenHeld(() => told.push(1));
  for (let index = 2; index <= 6; index += 1) {
    messages.store(region);
    region.whenHeld(() => told.push(index));
  }
  assert.equal(told, []);
  await held(region);
  assert.equal(told, [1, 2, 3, 4, 5, 6]);
  assert.is(made.disk.count('flush') - flushes, 2);
  region.whenHeld(() => told.push(7));
  assert.is(told.length, 7, 'nothing to flush: at once');
  region.close();
});

test('memory: whenHeld calls back at once, and nothing is flushed', async () => {
  const made = simulated();
  const region = await makeRegion(made);
  const flushes = made.disk.count('flush');
  new Messages().store(region);
  let told = false;
  region.whenHeld(() => (told = true));
  assert.ok(told);
  assert.is(made.disk.count('flush'), flushes);
  region.close();
});

test('a failed flush or store is never repeated: the region takes nothing more, and the next opening makes durable what it finds (I10)', async () => {
  for (const operation of ['flush', 'write'] as const) {
    const made = simulated({ hold: 'durable' });
    const region = await makeRegion(made);
    const messages = new Messages();
    messages.store(region);
    await held(region);
    made.disk.failNext(operation, 'EIO');
    const encoded = encodeMessage(2, 2);
    const error = await thrownBy(async () => {
      region.store(encoded, 2);
      await held(region);
    });
    assert.ok(error instanceof FarshoreError);
    assert.is(error.code, 'ERR_NVRAM_FAILED');
    assert.match(error.message, /EIO/);
    assert.is(region.freeBytes, 0);
    assert.is(await codeOf(() => region.store(encodeMessage(4, 1), 1)), 'ERR_NVRAM_FAILED');
    assert.is(await codeOf(() => held(region)), 'ERR_NVRAM_FAILED');
    const flushes = made.disk.count('flush');
    region.release(2);
    assert.is(region.tail, 0, 'nothing is given up by a region that failed');
    region.close();
    assert.is(made.disk.count('flush'), flushes);
    const again = reopen(made);
    assert.is(again.tail, 0);
    const { segments } = readAll(again);
    assert.is(Buffer.compare(segments[0]?.encoded ?? new Uint8Array(0), messages.all[0]?.encoded ?? new Uint8Array(1)), 0);
    again.close();
  }
});

test('a segment that is damaged while it is held is told with its place, and those before it are handed out', async () => {
  const made = simulated();
  const region = await makeRegion(made);
  const messages = new Messages();
  for (let index = 0; index < 3; index += 1) messages.store(region);
  const [first] = messages.all;
  const secondAt = RING_OFFSET + SEGMENT_HEADER_BYTES + (first?.encoded.length ?? 0);
  const file = made.disk.open(PATH, {});
  const recordAt = secondAt + SEGMENT_HEADER_BYTES;
  file.writeSync(Uint8Array.of(0), recordAt + 80 + 100);
  const { segments, end } = readAll(region);
  assert.is(segments.length, 1);
  assert.is(end.verdict, 'unreadable');
  if (end.verdict === 'unreadable') {
    assert.is(end.offset, recordAt);
    assert.match(end.expected, /payload-checksum/);
  }
  region.close();
  const again = reopen(made);
  assert.equal([again.head, again.foundEnd.verdict], [2, 'unreadable']);
  // It goes on behind the last good segment, and the next opening is told of nothing any more.
  again.store(encodeMessage(2, 1), 1);
  again.close();
  const third = reopen(made);
  assert.equal([third.head, third.foundEnd.verdict], [3, 'clean-end']);
  third.close();
});

test('an unreadable end is told at every opening until something is stored: a restarted peer must not call it clean', async () => {
  const made = simulated();
  const region = await makeRegion(made);
  const messages = new Messages();
  for (let index = 0; index < 2; index += 1) messages.store(region);
  region.close();
  const file = made.disk.open(PATH, {});
  file.writeSync(Uint8Array.of(1, 2, 3), RING_OFFSET + SEGMENT_HEADER_BYTES + (messages.all[0]?.encoded.length ?? 0) + 20);
  for (let round = 0; round < 3; round += 1) {
    const again = reopen(made);
    assert.equal([again.head, again.foundEnd.verdict], [2, 'unreadable']);
    again.close();
  }
});

test('segments handed out while their predecessors are released: what was overwritten meanwhile is left out', async () => {
  const region = await makeRegion(simulated());
  const messages = new Messages();
  while (region.freeBytes > 4096 + 300) messages.store(region, 1, 4096);
  const walk = region.segments();
  assert.is(walk.next().value !== undefined, true);
  region.release(region.head);
  messages.store(region, 1, 8192);
  const rest = walk.next();
  assert.is(rest.done, true);
  if (rest.done === true) assert.is(rest.value.verdict, 'clean-end');
  region.close();
});

test('bind: the group is there after the next opening', async () => {
  const made = simulated();
  const region = await makeRegion(made);
  assert.is(region.groupId, null);
  region.bind(GROUP_ID);
  region.bind(GROUP_ID);
  assert.is(region.groupId, GROUP_ID);
  region.close();
  const again = reopen(made);
  assert.is(again.groupId, GROUP_ID);
  again.close();
});

test('missing, foreign, cut short, locked, of another size, of a later version', async () => {
  await withFolder(async (folder) => {
    const made: Made = { disk: new NodeDisk(), path: join(folder, 'region'), sizeBytes: tiny, hold: 'memory' };
    assert.equal(openRegion(made), { kind: 'missing' });
    assert.not.ok(existsSync(made.path), 'looking does not make it');
    const region = await makeRegion(made);
    assert.is(await codeOf(() => openRegion(made)), 'ERR_NVRAM_LOCKED');
    region.close();
    assert.is(await codeOf(() => openRegion({ ...made, sizeBytes: 2 * tiny })), 'ERR_NVRAM_SIZE');
    const good = readFileSync(made.path);
    truncateSync(made.path, tiny - 4096);
    assert.equal(openRegion(made), {
      kind: 'unreadable',
      isRegion: true,
      offset: tiny - 4096,
      expected: `a file of ${tiny} bytes`,
      found: `${tiny - 4096} bytes`,
    });
    writeFileSync(made.path, Buffer.alloc(tiny, 'notes '));
    assert.equal(openRegion(made), { kind: 'unreadable', isRegion: false, offset: 0, expected: 'magic "FSN1"', found: '0x6e6f7465' });
    writeFileSync(made.path, '');
    assert.is(openRegion(made).kind, 'unreadable');
    const noAnchor = Buffer.from(good);
    noAnchor.fill(7, 4096, RING_OFFSET);
    writeFileSync(made.path, noAnchor);
    assert.is((openRegion(made) as { offset?: number }).offset, 4096);
    for (const offset of [0, 4096, 8192]) {
      const later = Buffer.from(good);
      const block = later.subarray(offset, offset + 512);
      block.writeUInt32LE(2, 4);
      sealBlock(block, viewOf(block));
      writeFileSync(made.path, later);
      assert.is(await codeOf(() => openRegion(made)), 'ERR_NVRAM_VERSION');
      assert.is(Buffer.compare(readFileSync(made.path), later), 0, 'a later version is left as it is');
    }
    assert.is(await codeOf(() => openRegion({ ...made, path: folder })), 'ERR_NVRAM_OPEN');
  });
});

test('memory: another boot of the machine makes it unreadable, unless it was closed before; durable does not care', async () => {
  for (const [hold, closes, kind] of [
    ['memory', false, 'unreadable'],
    ['memory', true, 'open'],
    ['durable', false, 'open'],
  ] as const) {
    const made = simulated({ hold });
    const region = await makeRegion(made);
    new Messages().store(region);
    await held(region);
    if (closes) region.close();
    const disk = made.disk.crash('what is durable');
    const opened = openRegion({ ...made, disk });
    assert.is(opened.kind, kind, `${hold} ${closes}`);
    if (opened.kind === 'unreadable') assert.match(opened.found, /restarted/);
    if (opened.kind === 'open') {
      assert.is(opened.region.head, 2);
      opened.region.close();
    }
    // The same crash of the process alone loses nothing.
    const killed = openRegion({ ...made, disk: made.disk.crash('page cache') });
    assert.is(killed.kind, 'open');
  }
});

test('memory: a store after opening is worth no more than this boot, also when the region was closed cleanly before', async () => {
  const made = simulated();
  (await makeRegion(made)).close();
  const region = reopen(made);
  new Messages().store(region);
  for (let seed = 0; seed < 20; seed += 1) assert.is(openRegion({ ...made, disk: made.disk.crash('what is durable') }).kind, 'unreadable');
});

test('memory: a power cut in the middle of a close finds everything, or knows that it does not', async () => {
  const kinds = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) {
    let flushes = Number.POSITIVE_INFINITY;
    let after: TestDisk | null = null;
    const onAsked = ({ operation }: { operation: string }): void => {
      if (operation !== 'flush') return;
      flushes -= 1;
      if (flushes === 0) after = made.disk.crash('what is durable', { onAsked: () => {} });
    };
    const made = simulated({ disk: new TestDisk({ seed, onAsked }) });
    const region = await makeRegion(made);
    const messages = new Messages();
    messages.store(region, 6, 2048);
    flushes = 1 + (seed % 2);
    region.close();
    const opened = openRegion({ ...made, disk: after as unknown as TestDisk });
    kinds.add(opened.kind);
    if (opened.kind === 'open') assertHolds(opened.region, messages.all);
  }
  assert.equal([...kinds].toSorted(), ['open', 'unreadable']);
});

test('create: refuses what is there; with replace it is kept aside; the rest of the file is zeroes', async () => {
  await withFolder(async (folder) => {
    const disk = new NodeDisk();
    const path = join(folder, 'new', 'region');
    const options = { disk, path, sizeBytes: SIZE_BYTES, hold: 'memory', regionId: REGION_ID } as const;
    await createRegion(options);
    const { blocks, size } = statSync(path);
    assert.ok(size === SIZE_BYTES && blocks * 512 >= SIZE_BYTES, 'every byte is allocated');
    assert.ok(
      readFileSync(path)
        .subarray(RING_OFFSET)
        .every((byte) => byte === 0),
    );
    assert.is(await codeOf(() => createRegion(options)), 'ERR_NVRAM_EXISTS');
    writeFileSync(path, 'something else');
    await createRegion({ ...options, regionId: GROUP_ID, replace: true });
    assert.is(readFileSync(setAsidePath(path), 'utf8'), 'something else');
    const region = reopen(options);
    assert.is(region.regionId, GROUP_ID);
    region.close();
  });
});

needsTried(test, 'mount')('create: a full disk is told, nothing is left, and what was set aside makes room', async () => {
  await withSmallDisk(6 * 1024 * 1024, async (folder) => {
    const options = {
      disk: new NodeDisk(),
      path: join(folder, 'region'),
      sizeBytes: SIZE_BYTES,
      hold: 'memory',
      regionId: REGION_ID,
    } as const;
    const error = await thrownBy(() => createRegion({ ...options, sizeBytes: 2 * SIZE_BYTES }));
    assert.ok(error instanceof FarshoreError && error.code === 'ERR_NVRAM_CREATE' && /ENOSPC/.test(error.message), String(error));
    assert.not.ok(existsSync(options.path));
    await createRegion(options);
    await createRegion({ ...options, regionId: GROUP_ID, replace: true });
    assert.not.ok(existsSync(setAsidePath(options.path)));
    const region = reopen(options);
    assert.is(region.regionId, GROUP_ID);
    region.close();
  });
});

test('an anchor that says that more was held than can be found makes the end unreadable', async () => {
  const made = simulated();
  const region = await makeRegion(made);
  new Messages().store(region);
  region.close();
  const file = made.disk.open(PATH, {});
  const anchors = [4096, 8192].map((offset) => {
    const block = new Uint8Array(512);
    file.readSync(block, offset);
    const decoded = decodeAnchor(block);
    if (decoded.verdict !== 'readable') throw new Error(decoded.verdict);
    return { offset, content: decoded.content };
  });
  const newest = anchors.toSorted((a, b) => b.content.counter - a.content.counter)[0] as { offset: number; content: Anchor };
  assert.is(newest.content.headOrdinal, 2);
  const block = new Uint8Array(512);
  encodeAnchor(block, { ...newest.content, headOrdinal: 5 });
  file.writeSync(block, newest.offset);
  const again = reopen(made);
  assert.is(again.foundEnd.verdict, 'unreadable');
  assert.match((again.foundEnd as { expected?: string }).expected ?? '', /through ordinal 4/);
  again.close();
});

test('durable: an anchor never says that more was held than was flushed', async () => {
  const made = simulated({ hold: 'durable' });
  const region = await makeRegion(made);
  const messages = new Messages();
  messages.store(region);
  await held(region);
  messages.store(region);
  region.bind(GROUP_ID);
  const heads = [4096, 8192].map((offset) => {
    const decoded = decodeAnchor((made.disk.readFile(PATH) ?? new Uint8Array(0)).subarray(offset, offset + 512));
    return decoded.verdict === 'readable' && decoded.content.groupId === GROUP_ID ? decoded.content.headOrdinal : null;
  });
  assert.equal(
    heads.filter((head) => head !== null),
    [2],
  );
  await held(region);
  region.close();
});

test('durable: what is found in the page cache only, after a flush that failed, is made durable before it is held', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const made = simulated({ hold: 'durable', disk: new TestDisk({ seed }) });
    const region = await makeRegion(made);
    const messages = new Messages();
    messages.store(region, 6, 4096);
    made.disk.failNext('flush', 'EIO');
    assert.is(await codeOf(() => held(region)), 'ERR_NVRAM_FAILED');
    region.close();
    const again = reopen(made);
    assert.is(again.head, 6, 'a reader of the page cache sees it');
    const after = reopen({ ...made, disk: made.disk.crash('what is durable') });
    assertHolds(after, messages.all);
  }
});

test('a superblock of another region over its anchors is not taken for one region', async () => {
  const made = simulated();
  (await makeRegion(made)).close();
  const block = new Uint8Array(512);
  encodeSuperblock(block, { regionId: GROUP_ID, sizeBytes: tiny });
  made.disk.open(PATH, {}).writeSync(block, 0);
  const opened = openRegion(made);
  assert.is(opened.kind, 'unreadable');
  if (opened.kind === 'unreadable') assert.match(opened.expected, new RegExp(`region ${GROUP_ID}`));
});

test.run();
