/** A host over the crash disk dies at the operation that its crash point names, and leaves what a killed process leaves. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createRing } from '../../journals/create.ts';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { openRing } from '../../journals/ring.ts';
import { scanJournal } from '../../journals/scan.ts';
import type { JournalRing, ScannedJournal } from '../../journals/contract.ts';
import { decodeWatermark, BLOCK_BYTES } from '../../journals/format.ts';
import { CrashDisk } from '../../src/crash-replay/record/crash-disk.ts';
import { crashPointOf, CRASH_POINTS, promotionStepIn, recoverAfter, type CrashPoint } from '../../src/crash-replay/record/crash-points.ts';
import { watchVolumes } from '../../src/crash-replay/record/crash-volume.ts';
import { CrashWatch } from '../../src/crash-replay/record/crash-watch.ts';
import { withhold } from '../../src/crash-replay/record/withheld-link.ts';
import { alignedStart } from '../../src/disk/alignment.ts';
import { awaitDone } from '../../src/disk/await-done.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { PROMOTION_STEPS } from '../../src/protocol/promotion-plan.ts';
import { RecordWriter } from '../../src/record/record.ts';
import { decodeRecords } from '../../src/record/wire.ts';
import { createVolume } from '../../src/volume/create-volume.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import type { Volume, VolumeConfig } from '../../src/volume/contract.ts';
import { withFolder } from '../support/scratch.ts';

const IDENTITY = { groupId: '11'.repeat(16), generation: 1, stream: '2233445566778899' };
const CHAIN = 'c4'.repeat(16);
const GEOMETRY = geometryOf({ slots: 2, slotBytes: 65_536 });

class Died extends Error {}

function die(): never {
  throw new Died('killed');
}

/** The point of this name as if the host were that far already. */
function pointNow(name: string): CrashPoint {
  const { destaged: _destaged, ahead: _ahead, ...point } = crashPointOf(name) as CrashPoint;
  return point;
}

/** Records 0 .. of data set 0 of 4 KiB each, and its sync as the last. */
function recordAt(sequence: number, isSync = false): Uint8Array {
  const bytes = new Uint8Array(8192);
  const writer = new RecordWriter(bytes);
  const payload = Buffer.alloc(4096, `record ${sequence} `);
  const numbers = { dataSet: 0, firstSequence: 0, sequence };
  const lengthBytes = isSync
    ? writer.encodeSync(
        0,
        {
          dataSet: 0,
          firstSequence: 0,
          finalSequence: sequence,
          reason: 'flush',
          chain: CHAIN,
          incarnation: '00'.repeat(8),
          headBytes: 0,
          timeUs: 1,
        },
        IDENTITY,
      )
    : writer.encodeWrite(0, { type: 'write', vlun: 0, lba: 0, lengthBytes: 4096, timeUs: 1, payload }, numbers, IDENTITY);
  return bytes.slice(0, lengthBytes);
}

/** Commit record after record, then sync, flag and watermark, until the host dies or all is done. */
async function writeDataSet(folder: string, point: CrashPoint): Promise<{ died: boolean; journal: ScannedJournal; watermark: Buffer }> {
  const directory = join(folder, 'journals');
  await awaitDone((done) => createRing({ disk: new NodeDisk(), directory, geometry: GEOMETRY, alignedStart }, done));
  const watch = new CrashWatch(point, die);
  let landed: () => void = () => {};
  let failure: unknown = null;
  const events = { durable: () => landed(), completeFlagDurable: () => landed(), watermarkDurable: () => landed(), failed: () => {} };
  const disk = new CrashDisk(new NodeDisk(), watch);
  const ring = openRing({ disk, directory, geometry: GEOMETRY, alignedStart, events });
  const uncaught = (error: unknown): void => {
    failure = error;
    landed();
  };
  process.on('uncaughtException', uncaught);
  try {
    await scan(ring);
    for (const step of steps(ring)) {
      const done = new Promise<void>((resolve) => (landed = resolve));
      step();
      await done;
      if (failure !== null) throw failure as Error;
    }
  } catch (error) {
    if (!(error instanceof Died)) throw error;
    failure = error;
  } finally {
    process.off('uncaughtException', uncaught);
  }
  const path = journalPath(directory, 0);
  return {
    died: failure instanceof Died,
    journal: scanJournal(readFileSync(path), { slot: 0, path }),
    watermark: readFileSync(watermarkPath(directory)),
  };
}

async function scan(ring: JournalRing): Promise<void> {
  await new Promise((resolve) => ring.scan(resolve));
  ring.setIdentity(IDENTITY);
  for (let slot = 0; slot < GEOMETRY.slots; slot += 1) ring.retire(slot);
}

function steps(ring: JournalRing): (() => void)[] {
  const point = { dataSet: 0, finalSequence: 3, chain: CHAIN };
  const append =
    (sequence: number, isSync = false) =>
    (): void => {
      ring.append({ slot: 0, index: sequence, bytes: recordAt(sequence, isSync) });
      ring.commit();
    };
  return [
    () => {
      ring.openDataSet({ slot: 0, dataSet: 0, firstSequence: 0 });
      append(0)();
    },
    append(1),
    append(2),
    append(3, true),
    () => ring.setCompleteFlag({ slot: 0, point }),
    () => ring.writeWatermark(point),
    () => ring.writeWatermark({ ...point, dataSet: 1 }),
  ];
}

const LEFT: readonly {
  name: string;
  records: number;
  tail: 'clean-end' | 'unreadable';
  mark: ScannedJournal['completeMark']['verdict'];
}[] = [
  { name: 'journal-commit-before', records: 0, tail: 'clean-end', mark: 'not-set' },
  { name: 'journal-commit-torn', records: 0, tail: 'unreadable', mark: 'not-set' },
  { name: 'journal-commit-after', records: 1, tail: 'clean-end', mark: 'not-set' },
  { name: 'journal-second-commit-before', records: 1, tail: 'clean-end', mark: 'not-set' },
  { name: 'journal-second-commit-torn', records: 1, tail: 'unreadable', mark: 'not-set' },
  { name: 'journal-second-commit-after', records: 2, tail: 'clean-end', mark: 'not-set' },
  { name: 'complete-flag-before', records: 4, tail: 'clean-end', mark: 'not-set' },
  { name: 'complete-flag-torn', records: 4, tail: 'clean-end', mark: 'unreadable' },
  { name: 'complete-flag-after', records: 4, tail: 'clean-end', mark: 'set' },
  { name: 'watermark-before', records: 4, tail: 'clean-end', mark: 'set' },
];

for (const { name, records, tail, mark } of LEFT) {
  test(`${name}: the journal holds ${records} records and a ${tail} behind them`, async () => {
    await withFolder(async (folder) => {
      const { died, journal } = await writeDataSet(folder, pointNow(name));
      assert.ok(died);
      assert.is(journal.records.length, records);
      assert.is(journal.tail.verdict, tail);
      assert.is(journal.completeMark.verdict, mark);
    });
  });
}

test('a torn commit keeps every earlier record, and ends inside its last one', async () => {
  await withFolder(async (folder) => {
    const { journal } = await writeDataSet(folder, pointNow('journal-second-commit-torn'));
    assert.is(journal.tail.offset, 8192 + 80 + 4096);
    assert.match(journal.tail.verdict === 'unreadable' ? journal.tail.expected : '', 'payload-checksum');
  });
});

test('a torn watermark leaves one whole block', async () => {
  await withFolder(async (folder) => {
    const { watermark } = await writeDataSet(folder, { ...pointNow('watermark-torn'), nth: 2 });
    const verdicts = [0, 1].map((block) => decodeWatermark(watermark.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)).verdict);
    assert.equal(verdicts.toSorted(), ['readable', 'unreadable']);
  });
});

test('nothing happens to a host that does not come to its crash point', async () => {
  await withFolder(async (folder) => {
    const { died, journal } = await writeDataSet(folder, pointNow('promotion-step-4'));
    assert.not.ok(died);
    assert.is(journal.completeMark.verdict, 'set');
  });
});

test('a point waits until the host is as far as it says, counts, and waits for a quiet moment', () => {
  const point = { ...pointNow('complete-flag-after'), when: 'before', destaged: 2, ahead: 2, nth: 2, operation: 'watermark' } as const;
  const watch = new CrashWatch(point, die);
  const flags = (count: number): void => {
    for (let flag = 0; flag < count; flag += 1) watch.begin(['complete-flag']);
  };
  flags(3);
  watch.begin(['watermark']);
  watch.destaged = 2;
  watch.begin(['watermark']);
  flags(1);
  watch.begin(['watermark']);
  watch.begin(['watermark'], { busy: true });
  watch.begin(['store', 'second-store']);
  assert.throws(
    () => watch.begin(['watermark']),
    (error: unknown) => error instanceof Died,
  );
});

test('a write beside another one that is in flight is not counted', async () => {
  await withFolder(async (folder) => {
    const directory = join(folder, 'journals');
    await awaitDone((done) => createRing({ disk: new NodeDisk(), directory, geometry: GEOMETRY, alignedStart }, done));
    const disk = new CrashDisk(new NodeDisk(), new CrashWatch({ ...pointNow('journal-commit-before'), nth: 2 }, die));
    const files = [0, 1].map((slot) => disk.open(journalPath(directory, slot), {}));
    const write = (slot: number): Promise<void> => awaitDone((done) => files[slot]?.write([Buffer.alloc(16_384, 1)], 0, done));
    await Promise.all([write(0), write(1)]);
    assert.throws(
      () => files[1]?.write([Buffer.alloc(16_384, 1)], 0, () => {}),
      (error: unknown) => error instanceof Died,
    );
    for (const file of files) file.closeSync();
  });
});

interface Stored {
  readonly volumes: readonly Volume[];
  readonly images: () => Buffer[];
}

async function withTwoVolumes(name: string, work: (stored: Stored) => void): Promise<void> {
  await withFolder(async (folder) => {
    const configs = ['one', 'two'].map((volume, vlun): VolumeConfig => ({
      name: volume,
      vlun,
      sizeBytes: 65_536,
      path: join(folder, volume),
      store: 'auto',
    }));
    for (const config of configs) await createVolume({ disk: new NodeDisk(), config });
    const opened = openVolumes(new NodeDisk(), configs);
    try {
      const volumes = watchVolumes(opened, new CrashWatch(pointNow(name), die));
      work({ volumes, images: () => configs.map(({ path }) => readFileSync(path)) });
    } finally {
      for (const volume of opened) volume.close();
    }
  });
}

/** Two stores on the first volume, one on the other, both flushed. */
function destage([one, two]: readonly Volume[]): void {
  one?.storeSync(Buffer.alloc(1024, 'a'), 0);
  one?.storeSync(Buffer.alloc(1024, 'b'), 4096);
  two?.storeSync(Buffer.alloc(1024, 'c'), 0);
  one?.flushSync();
  two?.flushSync();
}

const STORED: Readonly<Record<string, readonly [number, number, number]>> = {
  'volume-store-before': [0, 0, 0],
  'volume-store-torn': [1024, 512, 0],
  'volume-store-after': [1024, 1024, 0],
  'two-volumes-half-destaged': [1024, 1024, 0],
  'volume-flush-before': [1024, 1024, 1024],
  'volume-flush-between': [1024, 1024, 1024],
  'volume-flush-after': [1024, 1024, 1024],
};

for (const [name, [first, second, third]] of Object.entries(STORED)) {
  test(`${name}: the volumes hold ${first}, ${second} and ${third} bytes of three records`, async () => {
    await withTwoVolumes(name, ({ volumes, images }) => {
      assert.throws(
        () => destage(volumes),
        (error: unknown) => error instanceof Died,
      );
      const [one = Buffer.alloc(0), two = Buffer.alloc(0)] = images();
      const count = (bytes: Buffer, letter: string): number => bytes.filter((byte) => byte === letter.charCodeAt(0)).length;
      assert.equal([count(one, 'a'), count(one, 'b'), count(two, 'c')], [first, second, third]);
    });
  });
}

test('a state that is torn has its new file beside the old one; after the write it is there', () => {
  return withFolder((folder) => {
    const path = join(folder, 'host-state.json');
    for (const [name, expected] of [
      ['promotion-step-2', 'old'],
      ['promotion-recorded', 'new'],
    ] as const) {
      writeFileSync(path, 'old');
      const disk = new CrashDisk(new NodeDisk(), new CrashWatch(pointNow(name), die));
      assert.throws(
        () => disk.replaceFile(path, Buffer.from('new')),
        (error: unknown) => error instanceof Died,
      );
      assert.is(readFileSync(path, 'utf8'), expected);
      if (expected === 'old') assert.is(readFileSync(`${path}.new`, 'utf8'), 'new');
    }
  });
});

test('a spare is renamed, or not', () => {
  return withFolder((folder) => {
    mkdirSync(join(folder, 'ring'));
    const path = journalPath(join(folder, 'ring'), 0);
    for (const [name, expected] of [
      ['spare-before-rename', 'old'],
      ['spare-after-rename', 'new'],
    ] as const) {
      writeFileSync(path, 'old');
      writeFileSync(`${path}.spare`, 'new');
      const disk = new CrashDisk(new NodeDisk(), new CrashWatch(pointNow(name), die));
      assert.throws(
        () => disk.rename(`${path}.spare`, path),
        (error: unknown) => error instanceof Died,
      );
      assert.is(readFileSync(path, 'utf8'), expected);
    }
  });
});

test('a link withholds one record of one data set, and nothing else', () => {
  const message = (...records: Uint8Array[]): Uint8Array => Buffer.concat(records);
  const kept = (name: string, from: Uint8Array): number[] | null => {
    const rest = withhold(from, new CrashWatch(pointNow(name), die));
    return rest === null ? null : decodeRecords(rest, IDENTITY).records.map(({ sequence }) => sequence);
  };
  const all = message(recordAt(0), recordAt(1), recordAt(2), recordAt(3, true));
  assert.equal(kept('write-withheld', all), [0, 2, 3]);
  assert.equal(kept('sync-withheld', all), [0, 1, 2]);
  assert.equal(kept('complete-flag-after', all), [0, 1, 2, 3]);
  // The data set is chosen with its first record.
  assert.equal(kept('write-withheld', message(recordAt(1))), [1]);
});

test('the table is sound: every name once, every promotion step, prepared points that replicate', () => {
  assert.is(new Set(CRASH_POINTS.map(({ name }) => name)).size, CRASH_POINTS.length);
  for (const { name, sentence, prepare, stage } of CRASH_POINTS) {
    assert.match(name, /^[a-z0-9-]+$/);
    assert.match(sentence, /^[A-Z].*\.$/);
    assert.is(prepare !== undefined, stage !== 'replicating', name);
    if (prepare !== undefined) assert.is(crashPointOf(prepare)?.stage, 'replicating', name);
  }
  for (const { step, name } of PROMOTION_STEPS) {
    assert.is(promotionStepIn(`promotion step ${step}: ${name}`), step);
    const point = crashPointOf(`promotion-step-${step}`);
    assert.is(point?.stage, 'promoting');
    assert.is(point === undefined ? null : recoverAfter(point), step <= 2 ? 'promote' : 'start');
  }
  assert.is(promotionStepIn('promoted'), null);
  assert.is(crashPointOf('nowhere'), undefined);
});

test.run();
