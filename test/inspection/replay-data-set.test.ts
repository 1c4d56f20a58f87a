/**
 * A replay by hand does not trust its plan: what it stores is verified again by itself, and flushed.
 *
 * @invariant I4 I9
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scanWindow } from '../../journals/file-scan.ts';
import { journalPath } from '../../journals/files.ts';
import { RECORDS_OFFSET } from '../../journals/format.ts';
import type { DiskFile } from '../../src/disk/disk.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { indexDataSet, OrderedReader } from '../../src/inspection/replay/replay-data-set.ts';
import type { ReplaySet } from '../../src/inspection/replay/replay-plan.ts';
import { codeOf, thrownBy, withFolder } from '../support/scratch.ts';
import { BLOCK, DeadSecondary, makeHistory, SLOTS, VOLUMES, type Command } from './replay-support.ts';

const COMMANDS: readonly Command[] = [
  { lba: 1, fill: 1 },
  { lba: 2, blocks: 2, fill: 2 },
  { vlun: 0, type: 'zero', lba: 3 },
  { lba: 1, fill: 3 },
];
const RECORD_BYTES = 80 + BLOCK;

async function withSet(work: (dead: DeadSecondary, set: ReplaySet) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const history = makeHistory([[{ lba: 0 }], COMMANDS]);
    const dead = new DeadSecondary(folder, history, 0);
    dead.writeJournal(1);
    const [before, made] = history;
    if (before === undefined || made === undefined) throw new Error('the history has two data sets');
    const { dataSet, firstSequence, point } = made;
    const path = journalPath(dead.directory, 1 % SLOTS);
    const common = { generation: 1, stream: '00000000000000aa', flagged: false, slot: 1, path };
    await work(dead, {
      ...common,
      dataSet,
      firstSequence,
      finalSequence: point.finalSequence,
      chain: point.chain,
      chainBefore: before.point.chain,
    });
  });
}

const TABLE = new Map(VOLUMES.map((entry) => [entry.vlun, entry]));

test('every record is noted by its number, with what it changes', async () => {
  await withSet(async (dead, set) => {
    dead.writeJournal(1, { order: [3, 4, 0, 2, 1] });
    const taken: number[] = [];
    const index = await indexDataSet({
      disk: dead.disk,
      set,
      volumes: TABLE,
      window: scanWindow(),
      take: ({ record }) => taken.push(record.sequence),
    });
    assert.equal(
      taken,
      [3, 0, 2, 1].map((at) => set.firstSequence + at),
      'once each, in the order of the file, without the sync',
    );
    assert.is(index.offsets[3], RECORDS_OFFSET);
    assert.equal(index.tallies.get(3), { commands: 3, changedBytes: 4 * BLOCK });
    assert.equal(index.tallies.get(0), { commands: 1, changedBytes: BLOCK });
    const sequences: number[] = [];
    new OrderedReader().readEach(dead.disk, index, ({ record, payload }) => {
      sequences.push(record.sequence);
      assert.is(payload?.[0] ?? 0, COMMANDS[record.sequence - set.firstSequence]?.fill ?? 0);
    });
    assert.equal(
      sequences,
      [0, 1, 2, 3].map((at) => set.firstSequence + at),
      'stored in the order of the numbers',
    );
  });
});

test('whatever is not as the plan says ends it, naming file and byte', async () => {
  const third = RECORDS_OFFSET + 2 * RECORD_BYTES + BLOCK;
  const sync = third + 80 + RECORD_BYTES;
  const cases: readonly [string, Partial<ReplaySet>, typeof TABLE, number, RegExp][] = [
    ['a chain that does not go on', { chainBefore: '1'.repeat(32) }, TABLE, sync, /expected chain [0-9a-f]{32}, found chain/],
    ['another chain than the plan', { chain: '1'.repeat(32), chainBefore: null }, TABLE, sync, /expected chain 1{32}, found chain/],
    ['another stream', { stream: '00000000000000ab' }, TABLE, RECORDS_OFFSET, /stream 00000000000000ab.*found.*stream 00000000000000aa/],
    ['another data set', { dataSet: 7 }, TABLE, RECORDS_OFFSET, /data set 7: expected.*found data set 1/],
    ['another beginning', { firstSequence: 1 }, TABLE, RECORDS_OFFSET, /first number 1, found.*first number 2/],
    ['an earlier end', { finalSequence: 5 }, TABLE, sync - RECORD_BYTES, /a sync command with number 5/],
    ['a later end', { finalSequence: 7 }, TABLE, sync, /a sync command with number 7 at the end, found sync 6/],
    ['an unknown volume', {}, new Map([...TABLE].slice(0, 1)), third, /a VLUN of the volume table, found number 4 with VLUN 0/],
    [
      'a smaller volume',
      {},
      new Map([...TABLE].map(([vlun, entry]) => [vlun, { ...entry, sizeBytes: 3 * BLOCK }])),
      RECORDS_OFFSET + RECORD_BYTES,
      /inside the 1536 bytes/,
    ],
  ];
  for (const [what, change, volumes, offset, message] of cases) {
    await withSet(async (dead, set) => {
      const error = await thrownBy(() => indexDataSet({ disk: dead.disk, set: { ...set, ...change }, volumes, window: scanWindow() }));
      if (!(error instanceof FarshoreError)) throw new Error(`${what}: expected a refusal`, { cause: error });
      assert.equal([error.code, error.exitCode, error.facts['offset']], ['ERR_REPLAY_DAMAGED', 6, offset], what);
      assert.match(error.message, message);
      assert.ok(error.message.startsWith(`${set.path}, byte ${offset}: `));
    });
  }
});

test('a number that is missing, and one that stands there twice', async () => {
  await withSet(async (dead, set) => {
    const index = (): Promise<unknown> => indexDataSet({ disk: dead.disk, set, volumes: TABLE, window: scanWindow() });
    dead.writeJournal(1, { order: [0, 1, 3, 4] });
    assert.match(String(await thrownBy(index)), /expected number 4, found no more records of this data set/);
    dead.writeJournal(1, { order: [0, 1, 1, 2, 0, 3, 4, 4] });
    assert.is(await codeOf(index), 'none', 'the same record twice is one');
  });
});

test('a record that changed since it was verified is not stored', async () => {
  await withSet(async (dead, set) => {
    const index = await indexDataSet({ disk: dead.disk, set, volumes: TABLE, window: scanWindow() });
    const other = makeHistory([[{ lba: 0 }], COMMANDS.map((command) => ({ ...command, fill: 77 }))]);
    const changed = new DeadSecondary(dead.folder, other, 0);
    changed.writeJournal(1);
    let stored = 0;
    const error = await thrownBy(() => new OrderedReader().readEach(dead.disk, index, () => (stored += 1)));
    assert.match(
      String(error),
      /byte 8192: data set 1: expected record 2 as it was verified a moment ago, found record 2 with other contents/,
    );
    assert.is(stored, 0);
  });
});

test('a block that does not read back as it was stored is told', async () => {
  await withSet(async (dead, set) => {
    for (const [volume, lba] of [
      ['data', 2],
      ['data', 1],
      ['log', 3],
    ] as const) {
      const watched = Object.create(dead.disk) as typeof dead.disk;
      const copies = dead.writeCopies('copy', 0);
      watched.open = (path, options) => {
        const file = dead.disk.open(path, options);
        // The last store to this block goes elsewhere, as on a disk that lies.
        return path === dead.copyPath('copy', volume) && options.readOnly !== true ? deaf(file, lba * BLOCK) : file;
      };
      const error = await thrownBy(() => dead.replay(copies, { disk: watched }));
      if (!(error instanceof FarshoreError)) throw new Error(`block ${lba}: expected an error`, { cause: error });
      assert.equal([error.code, error.exitCode], ['ERR_REPLAY_READ_BACK', 6]);
      assert.match(
        error.message,
        new RegExp(`volume ${volume} at .*: block ${lba} does not read back as data set ${set.dataSet} wrote it`),
      );
    }
  });
});

test('every copy is flushed after its last store', async () => {
  await withSet(async (dead) => {
    const asked: string[] = [];
    const watched = Object.create(dead.disk) as typeof dead.disk;
    watched.open = (path, options) =>
      watch(dead.disk.open(path, options), path.includes('copy-') && options.readOnly !== true ? asked : []);
    await dead.replay(dead.writeCopies('copy', 0), { disk: watched });
    for (const { name } of VOLUMES) {
      const own = asked.filter((line) => line.startsWith(dead.copyPath('copy', name))).map((line) => line.split(' ')[1]);
      assert.ok(own.includes('writeSync'), own.join());
      assert.ok(own.lastIndexOf('flushSync') > own.lastIndexOf('writeSync'), own.join());
    }
  });
});

/** A file that takes every store to one place for done. */
function deaf(file: DiskFile, position: number): DiskFile {
  return new Proxy(file, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown =>
        name === 'writeSync' && args[1] === position ? undefined : Reflect.apply(value, target, args);
    },
  });
}

/** A file whose calls are noted as `path method`. */
function watch(file: DiskFile, asked: string[]): DiskFile {
  return new Proxy(file, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        asked.push(`${target.path} ${String(name)}`);
        return Reflect.apply(value, target, args);
      };
    },
  });
}

test.run();
