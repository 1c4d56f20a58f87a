/**
 * An import that is killed or loses its power at any of its steps: what was there before is there still, and the same command run again ends it.
 * @invariant I5
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { scanJournal } from '../../journals/scan.ts';
import { judgeWatermark } from '../../journals/watermark.ts';
import { importJournals } from '../../src/inspection/portable/import-journals.ts';
import { UNFINISHED_NAME } from '../../src/inspection/portable/import-folder.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { Random } from '../../src/simulation/random.ts';
import { buildImage, SMALL } from '../journals/support.ts';
import { AlwaysRandom, TestDisk } from '../support/test-disk.ts';
import { exportTo, filesIn, oddJournals, only, recordsOf, watermarkBytes, writeRing } from './portable-ring.ts';

const FILE = '/some.fsx';
const KEPT: readonly Kept[] = ['page cache', 'what is durable'];

/** A disk with an export, and a ring at data set 41 that lacks what the export holds. */
async function prepare(watch: { asked: () => void }): Promise<TestDisk> {
  const disk = new TestDisk({ onAsked: () => watch.asked() });
  await writeRing(disk, '/source', { journals: oddJournals() });
  await exportTo(disk, '/source', FILE, only(42, 43));
  const retired = buildImage({ dataSet: 39, flagged: true, records: recordsOf(39, 25) });
  await writeRing(disk, '/ring', { journals: new Map([[39, retired]]) });
  disk.syncDirectory('/');
  return disk;
}

interface Crashed {
  readonly disk: TestDisk;
  readonly step: number;
  readonly what: string;
}

/** Run an import once for each of its steps and kinds of crash, and crash it as that step begins. */
async function everyCrash(directory: string, judge: (crashed: Crashed) => Promise<void>): Promise<number> {
  let steps = 0;
  for (const kept of KEPT) {
    for (let step = 1, reached = true; reached; step += 1) {
      for (const random of [new AlwaysRandom(0), new AlwaysRandom(0.99), new Random(step)]) {
        const watch = { asked: () => {} };
        const disk = await prepare(watch);
        let asked = 0;
        const run: { ended: boolean; next: TestDisk | null } = { ended: false, next: null };
        watch.asked = () => {
          asked += 1;
          if (asked === step) run.next = disk.crash(kept, { random, onAsked: () => {} });
        };
        const end = (): void => void (run.ended = true);
        void importJournals({ disk, path: FILE, directory, dryRun: false }).then(end, end);
        // What is asynchronous on a dead disk is never heard of again.
        while (!run.ended && run.next === null) await new Promise((resolve) => setImmediate(resolve));
        reached = run.next !== null;
        if (run.next === null) break;
        steps += 1;
        await judge({ disk: run.next, step, what: `step ${step}, ${kept}` });
      }
    }
  }
  return steps;
}

function slotOf(disk: TestDisk, directory: string, slot: number) {
  return scanJournal(disk.readFile(journalPath(directory, slot)) ?? new Uint8Array(), { slot, path: '' });
}

test('a ring keeps what it holds, whole, at every crash; and each slot holds the old journal or the new one', async () => {
  const pristine = await prepare({ asked: () => {} });
  const before = filesIn(pristine, '/ring');
  const steps = await everyCrash('/ring', async ({ disk, what }) => {
    const after = filesIn(disk, '/ring');
    for (const name of ['slot-0000.journal', 'slot-0001.journal', 'watermark'])
      assert.equal(after.get(name), before.get(name), `${what}: ${name}`);
    for (const slot of [2, 3]) {
      const name = `slot-000${slot}.journal`;
      const isNew = JSON.stringify(slotOf(disk, '/ring', slot)) === JSON.stringify(slotOf(disk, '/source', slot));
      assert.ok(isNew || after.get(name)?.equals(before.get(name) ?? Buffer.alloc(0)) === true, `${what}: slot ${slot} is old or new`);
    }
    await importJournals({ disk, path: FILE, directory: '/ring', dryRun: false });
    for (const slot of [2, 3]) assert.equal(slotOf(disk, '/ring', slot), slotOf(disk, '/source', slot), `${what}: slot ${slot} after all`);
    assert.equal([...filesIn(disk, '/ring').keys()], [...before.keys()], `${what}: nothing is left over`);
  });
  assert.ok(steps > 60, `${steps} crashes`);
});

test('a new folder is a ring only when it is whole, at every crash', async () => {
  let unfinished = 0;
  const steps = await everyCrash('/new', async ({ disk, what }) => {
    const finished = disk.exists(watermarkPath('/new'));
    if (!finished) unfinished += 1;
    const check = (): void => {
      for (const slot of [2, 3]) assert.equal(slotOf(disk, '/new', slot), slotOf(disk, '/source', slot), `${what}: slot ${slot}`);
      for (const slot of [0, 1]) {
        const { header } = slotOf(disk, '/new', slot);
        assert.ok(
          header.verdict === 'readable' && header.dataSet === null && header.slotBytes === SMALL.slotBytes,
          `${what}: slot ${slot}`,
        );
      }
      assert.equal(filesIn(disk, '/new').get('watermark'), filesIn(disk, '/source').get('watermark'), what);
    };
    if (finished) check();
    await importJournals({ disk, path: FILE, directory: '/new', dryRun: false });
    check();
    assert.not.ok(disk.exists(`/new/${UNFINISHED_NAME}`), what);
  });
  assert.ok(steps > 100 && unfinished > 80, `${steps} crashes, ${unfinished} of them before the end`);
});

test('what was reported as imported survives a power cut', async () => {
  for (const directory of ['/ring', '/new']) {
    const disk = await prepare({ asked: () => {} });
    await importJournals({ disk, path: FILE, directory, dryRun: false });
    const after = disk.crash('what is durable', { random: new AlwaysRandom(0) });
    for (const slot of [2, 3]) assert.equal(slotOf(after, directory, slot), slotOf(after, '/source', slot), `${directory}, slot ${slot}`);
    assert.not.ok(after.exists(`${directory}/${UNFINISHED_NAME}`));
  }
});

test('a slot is taken only on the word of a watermark that is durable (I5)', async () => {
  const disk = new TestDisk();
  await writeRing(disk, '/source', { journals: new Map([[46, buildImage({ dataSet: 46, records: recordsOf(46) })]]), watermark: 42 });
  await exportTo(disk, '/source', FILE, only(46));
  const held = buildImage({ dataSet: 42, flagged: true, records: recordsOf(42) });
  await writeRing(disk, '/ring', { journals: new Map([[42, held]]), watermark: 41 });
  disk.syncDirectory('/');
  // A host was killed when it had just written the watermark that retires data set 42: so far it stands in the page cache.
  const file = disk.open(watermarkPath('/ring'), {});
  file.writeSync(watermarkBytes(42), 0);
  file.closeSync();
  await importJournals({ disk, path: FILE, directory: '/ring', dryRun: false });
  const after = disk.crash('what is durable', { random: new AlwaysRandom(0) });
  const { newest } = judgeWatermark(after.readFile(watermarkPath('/ring')) ?? new Uint8Array(), '');
  assert.is(newest.point?.dataSet, 42, 'or data set 42 is lost: its slot holds another');
});

test('a ring that an interrupted import had finished is never thrown away', async () => {
  const disk = await prepare({ asked: () => {} });
  await importJournals({ disk, path: FILE, directory: '/new', dryRun: false });
  // Killed before its last step, and a host went on with the ring since.
  disk.open(`/new/${UNFINISHED_NAME}`, { create: true }).closeSync();
  const slot0 = buildImage({ dataSet: 44, records: recordsOf(44) });
  const file = disk.open(journalPath('/new', 0), {});
  file.writeSync(slot0, 0);
  file.flushSync();
  file.closeSync();
  const report = await importJournals({ disk, path: FILE, directory: '/new', dryRun: false });
  assert.is(report.kind, 'existing ring');
  assert.equal(disk.readFile(journalPath('/new', 0)), slot0);
  assert.not.ok(disk.exists(`/new/${UNFINISHED_NAME}`));
});

test.run();
