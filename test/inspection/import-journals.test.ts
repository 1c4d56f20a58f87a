/** What was exported comes back byte for byte; a ring takes only what cannot harm it, all or nothing. */
import { crc32 } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath, sparePath, watermarkPath } from '../../journals/files.ts';
import { BLOCK_BYTES, encodeHeader } from '../../journals/format.ts';
import { scanJournal } from '../../journals/scan.ts';
import { importJournals, type ImportReport } from '../../src/inspection/portable/import-journals.ts';
import { UNFINISHED_NAME } from '../../src/inspection/portable/import-folder.ts';
import { inspectRing } from '../../src/inspection/ring/inspect-ring.ts';
import { ringJson } from '../../src/inspection/ring/ring-json.ts';
import { openPortable } from '../../src/inspection/portable/portable-reader.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { buildImage, LATER_IDENTITY, SMALL } from '../journals/support.ts';
import { codeOf, messageOfFailure } from '../support/scratch.ts';
import { TestDisk } from '../support/test-disk.ts';
import { ALL, exportTo, filesIn, freeImage, oddJournals, only, recordsOf, watermarkBytes, writeRing, writeWhole } from './portable-ring.ts';

const RING = '/ring';
const FILE = '/all.fsx';

const into = (disk: Disk, directory: string, path = FILE, dryRun = false): Promise<ImportReport> =>
  importJournals({ disk, path, directory, dryRun });

async function exported(journals = oddJournals(), selection = ALL): Promise<TestDisk> {
  const disk = new TestDisk();
  await writeRing(disk, RING, { journals });
  await exportTo(disk, RING, FILE, selection);
  return disk;
}

/** Import into a new folder, and compare what came out with what went in. */
async function roundTrip(disk: TestDisk, selection = ALL): Promise<void> {
  await into(disk, '/new');
  await exportTo(disk, '/new', '/again.fsx', selection);
  assert.equal(Buffer.from(disk.readFile('/again.fsx') ?? []), Buffer.from(disk.readFile(FILE) ?? [1]), 'the same file again');
  const { file, contents } = openPortable(disk, FILE);
  file.closeSync();
  for (const { slot, missing } of contents.entries) {
    if (missing) continue;
    const [before, after] = [RING, '/new'].map((folder) => disk.readFile(journalPath(folder, slot)) ?? new Uint8Array()) as [
      Uint8Array,
      Uint8Array,
    ];
    const scans = [before, after].map((bytes) => scanJournal(bytes, { slot, path: '' }));
    assert.equal(scans[1], scans[0], `slot ${slot} says the same`);
    assert.is(after.length, before.length);
    const end = Math.min(before.length, Math.ceil(((scans[0]?.tail.offset ?? 0) + 1) / BLOCK_BYTES) * BLOCK_BYTES);
    assert.equal(Buffer.from(after.subarray(0, end)), Buffer.from(before.subarray(0, end)), `slot ${slot}: the same bytes`);
  }
}

test('a new ring holds the same bytes through the terminator, and its export is the same file', async () => {
  const disk = await exported();
  await roundTrip(disk);
  assert.equal(disk.list('/new'), disk.list(RING));
  assert.equal(filesIn(disk, '/new').get('watermark'), filesIn(disk, RING).get('watermark'));
});

test('one data set, and a range: the other slots are free, and the export is the same file', async () => {
  for (const selection of [only(41), only(42), only(41, 43)]) {
    const disk = await exported(oddJournals(), selection);
    await roundTrip(disk, selection);
    const free = scanJournal(disk.readFile(journalPath('/new', 0)) ?? new Uint8Array(), { slot: 0, path: '' });
    assert.ok(free.header.verdict === 'readable' && free.header.dataSet === null);
    assert.is(free.tail.verdict, 'clean-end');
  }
});

const DAMAGE: Readonly<Record<string, (disk: TestDisk) => Promise<void>>> = {
  'a header that cannot be read': (disk) => flip(disk, journalPath(RING, 1), 70),
  'a complete mark that cannot be read': (disk) => flip(disk, journalPath(RING, 1), 4096 + 20),
  'a flipped bit in a payload of a flagged data set': (disk) => flip(disk, journalPath(RING, 1), 9000),
  'nothing but ones': (disk) => writeWhole(disk, journalPath(RING, 2), new Uint8Array(SMALL.slotBytes).fill(0xff)),
  'nothing but zeroes': (disk) => writeWhole(disk, journalPath(RING, 2), new Uint8Array(SMALL.slotBytes)),
  'a file cut short inside its records': (disk) => cut(disk, journalPath(RING, 1), 9777),
  'a file cut short inside its header': (disk) => cut(disk, journalPath(RING, 1), 100),
  'an empty file': (disk) => cut(disk, journalPath(RING, 1), 0),
  'a file that is too long': (disk) => writeWhole(disk, journalPath(RING, 2), new Uint8Array(SMALL.slotBytes + 5000).fill(3)),
  'a missing file': async (disk) => disk.unlink(journalPath(RING, 2)),
  'a missing watermark': async (disk) => disk.unlink(watermarkPath(RING)),
  'a watermark that cannot be read': (disk) => writeWhole(disk, watermarkPath(RING), new Uint8Array(8192).fill(9)),
  'a watermark cut short': (disk) => cut(disk, watermarkPath(RING), 5000),
  'a free header over bytes that are no record': async (disk) => {
    const image = freeImage(2);
    image.fill(0x5a, 8192, 9000);
    await writeWhole(disk, journalPath(RING, 2), image);
  },
  'a header of a later version': async (disk) => {
    const path = journalPath(RING, 3);
    const image = disk.readFile(path)?.slice() ?? new Uint8Array();
    image.set(laterHeader());
    await writeWhole(disk, path, image);
  },
  'records that won over an older header': async (disk) => {
    const image = buildImage({ dataSet: 37, records: recordsOf(41, 4) });
    await writeWhole(disk, journalPath(RING, 1), image);
  },
};

/** Of slots 0 to 3, where they are not those of one damaged journal in slot 1. */
const VERDICTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['nothing but ones', 'nothing but zeroes', 'a file that is too long', 'a missing file'].map((what) => [
      what,
      'clean end, clean end, damaged, clean end',
    ]),
  ),
  ...Object.fromEntries(
    ['a missing watermark', 'a watermark that cannot be read', 'a watermark cut short', 'records that won over an older header'].map(
      (what) => [what, 'clean end, clean end, unreadable, clean end'],
    ),
  ),
  'a free header over bytes that are no record': 'clean end, clean end, unreadable, clean end',
  'a header of a later version': 'clean end, clean end, unreadable, unreadable',
};

async function flip(disk: TestDisk, path: string, offset: number): Promise<void> {
  const bytes = disk.readFile(path)?.slice() ?? new Uint8Array();
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
  await writeWhole(disk, path, bytes);
}

async function cut(disk: TestDisk, path: string, length: number): Promise<void> {
  await writeWhole(disk, path, disk.readFile(path)?.slice(0, length) ?? new Uint8Array());
}

/** A header block of format version 2: its checksum is right. */
function laterHeader(): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  encodeHeader(block, { ...LATER_IDENTITY, slot: 3, slots: 4, slotBytes: SMALL.slotBytes, dataSet: 43, firstSequence: 4300 });
  const view = new DataView(block.buffer);
  view.setUint32(4, 2, true);
  view.setUint32(8, 0, true);
  view.setUint32(8, crc32(block), true);
  return block;
}

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`${what} travels as it is, and is told`, async () => {
    const disk = new TestDisk();
    await writeRing(disk, RING, { journals: oddJournals() });
    await damage(disk);
    const { notes, entries } = await exportTo(disk, RING, FILE);
    for (const { slot, verdict } of entries)
      assert.is(
        notes.some((note) => note.startsWith(journalPath(RING, slot))),
        verdict !== 'clean end',
        `slot ${slot}: ${verdict}`,
      );
    const verdicts = entries.map(({ verdict }) => verdict).join(', ');
    assert.is(verdicts, VERDICTS[what] ?? 'clean end, damaged, unreadable, clean end');
    assert.is(entries.length, 4);
    await roundTrip(disk);
    assert.equal(disk.list('/new'), disk.list(RING));
  });
}

test('a folder that is neither empty nor a ring is refused', async () => {
  const disk = await exported();
  disk.makeDirectory('/home');
  await writeWhole(disk, '/home/letter.txt', Uint8Array.of(1));
  assert.is(await codeOf(() => into(disk, '/home')), 'ERR_IMPORT_NOT_EMPTY');
  const file = (): never => {
    throw Object.assign(new Error('ENOTDIR: not a directory, scandir'), { code: 'ENOTDIR' });
  };
  assert.equal(disk.list('/home'), ['letter.txt']);
  disk.makeDirectory('/empty');
  assert.is((await into(disk, '/empty')).kind, 'new ring');
  assert.is(await codeOf(() => into(Object.assign(disk, { list: file }), '/home')), 'ERR_IMPORT_NOT_EMPTY');
});

test('a state folder stands for the journals in it', async () => {
  const disk = await exported(oddJournals(), only(43));
  await writeRing(disk, '/state/journals', { journals: new Map() });
  await writeWhole(disk, '/state/state.json', Uint8Array.of(1));
  const report = await into(disk, '/state');
  assert.equal([report.kind, report.directory], ['existing ring', '/state/journals']);
});

test('journal ls says the same of what was imported', async () => {
  const disk = await exported();
  await into(disk, '/new');
  const [before, after] = await Promise.all(
    [RING, '/new'].map(async (directory) => {
      const report = await inspectRing({ disk, located: { kind: 'ring', directory, stateDirectory: null } });
      return JSON.stringify(ringJson(report)).replaceAll(directory, 'FOLDER');
    }),
  );
  assert.is(after, before);
  assert.match(after ?? '', '"action":"');
});

test('a dry run says the same and changes nothing', async () => {
  const disk = await exported();
  const report = await into(disk, '/new', FILE, true);
  assert.equal([report.dryRun, report.kind, report.journals.length], [true, 'new ring', 4]);
  assert.not.ok(disk.exists('/new'));
  await writeRing(disk, '/old', { journals: new Map() });
  const before = filesIn(disk, '/old');
  await exportTo(disk, RING, '/some.fsx', only(43));
  const some = await into(disk, '/old', '/some.fsx', true);
  assert.equal([some.kind, some.journals[0]?.outcome], ['existing ring', 'imported']);
  assert.equal(filesIn(disk, '/old'), before);
});

test('free and retired slots of a ring take journals; what is there already is left, and the watermark stays', async () => {
  const disk = await exported(oddJournals(), only(42, 43));
  const retired = buildImage({ dataSet: 38, flagged: true, records: recordsOf(38, 30) });
  await writeRing(disk, '/old', { journals: new Map([[38, retired]]) });
  const before = filesIn(disk, '/old');
  const report = await into(disk, '/old');
  assert.equal(
    report.journals.map(({ slot, outcome }) => [slot, outcome]),
    [
      [2, 'imported'],
      [3, 'imported'],
    ],
  );
  const after = filesIn(disk, '/old');
  for (const name of ['watermark', 'slot-0000.journal', 'slot-0001.journal']) assert.equal(after.get(name), before.get(name), name);
  assert.equal([...after.keys()], [...before.keys()], 'no spare is left');
  for (const slot of [2, 3]) {
    const scans = [RING, '/old'].map((folder) =>
      scanJournal(disk.readFile(journalPath(folder, slot)) ?? new Uint8Array(), { slot, path: '' }),
    );
    assert.equal(scans[1], scans[0]);
  }
  const again = await into(disk, '/old');
  assert.equal(
    again.journals.map(({ outcome }) => outcome),
    ['there already', 'there already'],
  );
  assert.equal(filesIn(disk, '/old'), after);
});

interface Refusal {
  readonly code: string;
  readonly message?: RegExp;
  /** What is exported, and from which ring. */
  readonly source?: ReadonlyMap<number, Uint8Array>;
  readonly selection?: typeof ALL;
  readonly target?: ReadonlyMap<number, Uint8Array>;
  readonly watermark?: number | null;
  readonly change?: (disk: TestDisk) => Promise<void>;
}

const whole = (dataSet: number): Uint8Array => buildImage({ dataSet, flagged: true, records: recordsOf(dataSet) });

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'a slot with a data set above the watermark': {
    code: 'ERR_IMPORT_OCCUPIED',
    message: /slot-0002\.journal is not replaced: it holds data set 46, above the watermark, 43/,
    target: new Map([[46, whole(46)]]),
    watermark: 43,
  },
  'the same data set with other bytes': { code: 'ERR_IMPORT_OCCUPIED', target: new Map([[42, whole(42)]]) },
  'a slot whose records are above the watermark, under a retired header': {
    code: 'ERR_IMPORT_OCCUPIED',
    message: /data set 46/,
    target: new Map([[38, buildImage({ dataSet: 38, records: recordsOf(46) })]]),
    watermark: 43,
  },
  'a slot whose header cannot be read': {
    code: 'ERR_IMPORT_OCCUPIED',
    message: /its header cannot be read \(byte 8: expected/,
    target: new Map([[38, whole(38)]]),
    change: (disk) => flip(disk, journalPath('/old', 2), 70),
  },
  'a slot whose complete mark cannot be read': {
    code: 'ERR_IMPORT_OCCUPIED',
    target: new Map([[38, whole(38)]]),
    change: (disk) => flip(disk, journalPath('/old', 2), 4096 + 20),
  },
  'a free header over bytes that are no record': {
    code: 'ERR_IMPORT_OCCUPIED',
    change: async (disk) => {
      const image = freeImage(2);
      image.fill(1, 8192, 8200);
      await writeWhole(disk, journalPath('/old', 2), image);
    },
  },
  'a journal of another size': { code: 'ERR_JOURNAL_SIZE', change: (disk) => cut(disk, journalPath('/old', 2), 5000) },
  'a missing journal': { code: 'ERR_JOURNAL_MISSING', change: async (disk) => disk.unlink(journalPath('/old', 2)) },
  'a missing watermark': { code: 'ERR_WATERMARK_MISSING', change: async (disk) => disk.unlink(watermarkPath('/old')) },
  'an unreadable watermark': {
    code: 'ERR_WATERMARK_UNREADABLE',
    change: (disk) => writeWhole(disk, watermarkPath('/old'), new Uint8Array(8192)),
  },
  'a ring of another stream': {
    code: 'ERR_IMPORT_FOREIGN',
    change: (disk) => writeWhole(disk, watermarkPath('/old'), watermarkBytes(41, LATER_IDENTITY)),
  },
  'a ring of another group': {
    code: 'ERR_IMPORT_FOREIGN',
    change: (disk) => writeWhole(disk, watermarkPath('/old'), watermarkBytes(41, { ...LATER_IDENTITY, groupId: 'e'.repeat(32) })),
  },
  'a ring that is bound to no group': {
    code: 'ERR_IMPORT_FOREIGN',
    change: (disk) =>
      writeWhole(disk, watermarkPath('/old'), watermarkBytes(null, { groupId: '0'.repeat(32), generation: 0, stream: '0'.repeat(16) })),
  },
  'a ring of more slots': {
    code: 'ERR_IMPORT_FOREIGN',
    message: /another geometry/,
    change: async (disk) => {
      for (let slot = 0; slot < 8; slot += 1) {
        const image = new Uint8Array(SMALL.slotBytes);
        encodeHeader(image, { ...LATER_IDENTITY, slot, slots: 8, slotBytes: SMALL.slotBytes, dataSet: null, firstSequence: null });
        await writeWhole(disk, journalPath('/old', slot), image);
      }
    },
  },
  'a data set above the window': { code: 'ERR_IMPORT_UNSOUND', message: /above the ring's window, which ends at 41/, watermark: 37 },
  'a damaged journal': {
    code: 'ERR_IMPORT_UNSOUND',
    message: /slot 2 in .*it is damaged/,
    source: new Map([[42, damagedWhole(42)]]),
  },
  'a journal in another slot than its own': {
    code: 'ERR_IMPORT_UNSOUND',
    source: new Map([
      [42, whole(42)],
      [43, whole(42)],
    ]),
    selection: ALL,
  },
  'a ring that a host uses': {
    code: 'ERR_JOURNALS_LOCKED',
    change: async (disk) => assert.ok(disk.lock(watermarkPath('/old')) !== null),
  },
};

function damagedWhole(dataSet: number): Uint8Array {
  const image = whole(dataSet);
  image.fill(0xee, 8192 + 300, 8192 + 310);
  return image;
}

for (const [what, { code, message, source, selection, target, watermark, change }] of Object.entries(REFUSALS)) {
  test(`refused, and nothing is changed: ${what}`, async () => {
    const disk = await exported(new Map(source ?? oddJournals()), selection ?? only(42));
    await writeRing(disk, '/old', { journals: target ?? new Map(), watermark: watermark === undefined ? 41 : watermark });
    await change?.(disk);
    const before = filesIn(disk, '/old');
    assert.is(await codeOf(() => into(disk, '/old')), code);
    assert.is(await codeOf(() => into(disk, '/old', FILE, true)), code, 'a dry run says the same');
    if (message !== undefined) assert.match(await messageOfFailure(() => into(disk, '/old')), message);
    assert.equal(filesIn(disk, '/old'), before);
  });
}

test('a new folder on a disk that becomes full: what was made is removed, and the export stays', async () => {
  const disk = await exported();
  disk.failNext('allocate', 'ENOSPC', '/new/slot-0002.journal');
  assert.match(await messageOfFailure(() => into(disk, '/new')), 'could not be written to /new/slot-0002.journal: ENOSPC');
  assert.equal(disk.list('/new'), []);
  await into(disk, '/new');
});

test('one journal that is refused keeps the others out too', async () => {
  const disk = await exported(oddJournals(), only(42, 43));
  await writeRing(disk, '/old', { journals: new Map([[47, whole(47)]]) });
  const before = filesIn(disk, '/old');
  assert.is(await codeOf(() => into(disk, '/old')), 'ERR_IMPORT_OCCUPIED');
  assert.equal(filesIn(disk, '/old'), before);
});

for (const operation of ['open', 'allocate', 'write', 'flush', 'close', 'rename', 'syncDirectory', 'unlink', 'replaceFile'] as const) {
  test(`a disk that fails in ${operation}: said, nothing harmed, and it goes on when it is run again`, async () => {
    const disk = await exported(oddJournals(), only(42, 43));
    await writeRing(disk, '/old', { journals: new Map() });
    for (const folder of ['/old', '/new']) {
      const before = disk.exists(folder) ? filesIn(disk, folder) : new Map<string, Buffer>();
      disk.failNext(operation, 'EIO', (path) => path.startsWith(folder));
      const code = await codeOf(() => into(disk, folder));
      disk.heal();
      if (code !== 'none') {
        const after = disk.exists(folder) ? filesIn(disk, folder) : new Map<string, Buffer>();
        for (const [name, bytes] of before) if (operation !== 'syncDirectory') assert.equal(after.get(name), bytes, `${folder}/${name}`);
        assert.not.ok(
          [...after.keys()].some((name) => name.endsWith('.spare')),
          'no spare is left',
        );
      }
      await into(disk, folder);
      assert.not.ok(disk.exists(`${folder}/${UNFINISHED_NAME}`));
      for (const slot of [2, 3]) {
        const [there, wanted] = [folder, RING].map((directory) =>
          scanJournal(disk.readFile(journalPath(directory, slot)) ?? new Uint8Array(), { slot, path: '' }),
        );
        assert.equal(there, wanted, `${folder}, slot ${slot}`);
        assert.not.ok(disk.exists(sparePath(journalPath(folder, slot))));
      }
    }
  });
}

test.run();
