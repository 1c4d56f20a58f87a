import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scanJournal } from '../../journals/scan.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { TestDisk } from '../support/test-disk.ts';
import { create, DIRECTORY, listen, open, scan, SMALL } from './support.ts';

const codeOf = (thrown: unknown): string => (thrown as { code: string }).code;

async function rejected(work: Promise<unknown>): Promise<Error & { code: string; hint?: string }> {
  try {
    await work;
  } catch (thrown) {
    return thrown as Error & { code: string };
  }
  throw new Error('it was expected to fail');
}

test('a new ring is durable: free headers, a watermark that says nothing, files of the right size', async () => {
  const disk = new TestDisk();
  await create(disk);
  const after = disk.crash();
  assert.equal(after.list(DIRECTORY), ['slot-0000.journal', 'slot-0001.journal', 'slot-0002.journal', 'slot-0003.journal', 'watermark']);
  for (let slot = 0; slot < 4; slot += 1) {
    const path = `${DIRECTORY}/slot-000${slot}.journal`;
    const bytes = after.durableBytes(path) ?? new Uint8Array();
    assert.is(bytes.length, SMALL.slotBytes);
    const { header, tail } = scanJournal(bytes, { slot, path });
    assert.ok(header.verdict === 'readable' && header.dataSet === null && header.slot === slot && header.slots === 4);
    assert.is(tail.verdict, 'clean-end');
  }
  assert.is(open(after).readWatermark(), null);
});

test('slots are written through with real zeroes, not only allocated', async () => {
  let writtenBytes = 0;
  const disk = new TestDisk({
    onAsked: (asked) => {
      if (asked.operation === 'write') writtenBytes += asked.lengthBytes;
    },
  });
  await create(disk);
  assert.is(writtenBytes, 4 * SMALL.slotBytes + 8192);
});

test('a ring is never created over another', async () => {
  const disk = new TestDisk();
  await create(disk);
  const error = await rejected(create(disk));
  assert.is(error.code, 'ERR_JOURNALS_EXIST');
  assert.is(disk.list(DIRECTORY).length, 5, 'the old ring is untouched');
});

for (const operation of ['allocate', 'write', 'flush', 'open', 'syncDirectory'] as const) {
  for (const path of [`${DIRECTORY}/slot-0002.journal`, `${DIRECTORY}/watermark`]) {
    test(`ENOSPC in ${operation} of ${path} removes everything that was made`, async () => {
      const disk = new TestDisk();
      disk.failNext(operation, 'ENOSPC', operation === 'syncDirectory' ? DIRECTORY : path);
      const error = await rejected(create(disk));
      assert.is(error.code, 'ERR_JOURNAL_CREATE');
      assert.match(error.message, 'ENOSPC');
      assert.match(error.hint ?? '', 'Free space');
      assert.equal(disk.list(DIRECTORY), []);
      await create(disk);
    });
  }
}

test('open refuses a missing journal or watermark by name, and makes nothing', async () => {
  for (const [name, code] of [
    ['slot-0001.journal', 'ERR_JOURNAL_MISSING'],
    ['watermark', 'ERR_WATERMARK_MISSING'],
  ]) {
    const disk = new TestDisk();
    await create(disk);
    disk.unlink(`${DIRECTORY}/${name}`);
    assert.throws(
      () => open(disk),
      (error: Error) => codeOf(error) === code && error.message.includes(`${DIRECTORY}/${name}`),
    );
    assert.not.ok(disk.exists(`${DIRECTORY}/${name}`));
  }
});

test('open refuses another number or size of slots, with found and expected', async () => {
  const disk = new TestDisk();
  await create(disk);
  const larger = geometryOf({ slots: 4, slotBytes: 128 * 1024 });
  assert.throws(
    () => open(disk, listen(), larger),
    (error: Error) => codeOf(error) === 'ERR_JOURNAL_SIZE' && /65536 bytes, expected 131072/.test(error.message),
  );
  const fewer = geometryOf({ slots: 3, slotBytes: SMALL.slotBytes });
  assert.throws(
    () => open(disk, listen(), fewer),
    (error: Error) => codeOf(error) === 'ERR_JOURNAL_GEOMETRY' && /of 3 slots.*of 4 slots/.test(error.message),
  );
  disk.rename(`${DIRECTORY}/slot-0001.journal`, `${DIRECTORY}/slot-0002.journal`);
  disk.rename(`${DIRECTORY}/slot-0003.journal`, `${DIRECTORY}/slot-0001.journal`);
  assert.throws(
    () => open(disk),
    (error: Error) => codeOf(error) === 'ERR_JOURNAL_GEOMETRY' && /slot-0001.*found slot 3/.test(error.message),
  );
});

test('open of a ring that is in use is refused; after close it opens', async () => {
  const disk = new TestDisk();
  await create(disk);
  const ring = open(disk);
  assert.throws(
    () => open(disk),
    (error: Error) => codeOf(error) === 'ERR_JOURNALS_LOCKED',
  );
  await new Promise<void>((resolve) => ring.close(() => resolve()));
  open(disk);
});

test('a read error in the scan is told with the file', async () => {
  const disk = new TestDisk();
  await create(disk);
  const ring = open(disk);
  disk.failNext('read', 'EIO', `${DIRECTORY}/slot-0002.journal`);
  const error = await rejected(scan(ring));
  assert.is(error.code, 'ERR_JOURNAL_READ');
  assert.match(error.message, 'slot-0002.journal');
});

test.run();
