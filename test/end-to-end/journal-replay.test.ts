/**
 * A secondary is killed under load again and again. From what each kill left, `farshore journal replay --through N` brings copies of
 * its volumes, for every complete N above the watermark, to exactly the volumes that the application's own history says: a crash leaves
 * parts of one data set at most above the watermark (docs/decisions/0005). Copies that were brought further are not brought back.
 *
 * @timeLimit 300 s
 * @invariant I1 I3 I4
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath } from '../../journals/files.ts';
import { scanJournal } from '../../journals/scan.ts';
import { judgeWatermark } from '../../journals/watermark.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { carryOutReplay, prepareReplay } from '../../src/inspection/replay/replay.ts';
import { Random } from '../../src/simulation/random.ts';
import { FARSHORE_PROGRAM, runProgram, sleep, type CommandResult } from '../support/host-process.ts';
import { withHosts, type Hosts } from '../support/hosts.ts';
import { OrderedWorkload } from '../support/ordered-workload.ts';
import { thrownBy } from '../support/scratch.ts';

const SEED = Number(process.env['FARSHORE_SEED'] ?? 20260102);
const KILLS_MIN = process.env['FARSHORE_LONG'] === '1' ? 20 : 4;
const KILLS_MAX = process.env['FARSHORE_LONG'] === '1' ? 20 : 12;
const VOLUMES = [
  { name: 'db1', sizeMiB: 4 },
  { name: 'log', sizeMiB: 2, vlun: 5 },
];

function farshore(args: readonly string[]): Promise<CommandResult> {
  return runProgram(process.execPath, [FARSHORE_PROGRAM, ...args]);
}

/** What one kill left, read without any code of the inspection: where each data set ends in the application's history. */
class Crash {
  readonly stateDirectory: string;
  readonly watermark: number;
  /** Complete data sets above the watermark, without a hole. */
  readonly complete: readonly number[];
  readonly #folder: string;
  readonly #workload: OrderedWorkload;
  /** Commands of the application until the end of each data set. */
  readonly #counts = new Map<number, number>();
  readonly #history = new Map<number, readonly Buffer[]>();

  constructor(hosts: Hosts, workload: OrderedWorkload, kill: number) {
    this.#folder = hosts.folder;
    this.#workload = workload;
    this.stateDirectory = join(hosts.folder, `crash-${kill}`);
    execFileSync('cp', ['-a', hosts.secondary.stateDirectory, this.stateDirectory]);
    const point = judgeWatermark(readFileSync(join(this.directory, 'watermark')), 'watermark').newest.point;
    this.watermark = point?.dataSet ?? -1;
    if (point !== null) this.#note(point.dataSet, point.finalSequence);
    const slots = readdirSync(this.directory).filter((name) => name.endsWith('.journal')).length;
    const complete: number[] = [];
    for (let dataSet = this.watermark + 1; this.#isComplete(dataSet, slots); dataSet += 1) complete.push(dataSet);
    this.complete = complete;
  }

  get directory(): string {
    return join(this.stateDirectory, 'journals');
  }

  /** The application's volumes at the end of a data set. */
  history(dataSet: number): readonly Buffer[] {
    let images = this.#history.get(dataSet);
    if (images === undefined) {
      const count = dataSet === -1 ? 0 : (this.#counts.get(dataSet) ?? Number.NaN);
      images = this.#workload.imagesAfter(count).map((image) => Buffer.from(image));
      this.#history.set(dataSet, images);
    }
    return images;
  }

  /** Copies of the volumes as the kill left them, or as the watermark's history says; how `--volumes` names them. */
  copies(of: 'the crash' | 'the watermark'): string[] {
    const images = of === 'the watermark' ? this.history(this.watermark) : [];
    return VOLUMES.map(({ name }, index) => {
      const path = join(this.#folder, `copy-${name}.img`);
      if (of === 'the crash') copyFileSync(join(this.stateDirectory, `${name}.img`), path);
      else writeFileSync(path, images[index] as Buffer);
      return `${name}=${path}`;
    });
  }

  /** Which of the copies' blocks differ from the history at a data set: volume and LBA of the first; null: none. */
  differenceFrom(dataSet: number): string | null {
    const images = this.history(dataSet);
    for (const [index, { name }] of VOLUMES.entries()) {
      const found = readFileSync(join(this.#folder, `copy-${name}.img`));
      const expected = images[index] as Buffer;
      if (found.equals(expected)) continue;
      const at = found.findIndex((byte, offset) => byte !== expected[offset]);
      return `${name}: block ${Math.floor(at / 512)}`;
    }
    return null;
  }

  /** All its numbers are in its journal, the sync command's among them. */
  #isComplete(dataSet: number, slots: number): boolean {
    const slot = dataSet % slots;
    const { records } = scanJournal(readFileSync(journalPath(this.directory, slot)), { slot, path: '' });
    const own = records.filter((record) => record.type !== 'pad' && record.dataSet === dataSet);
    const sync = own.find(({ type }) => type === 'sync');
    if (sync === undefined || new Set(own.map(({ sequence }) => sequence)).size !== sync.sequence - sync.firstSequence + 1) return false;
    this.#note(dataSet, sync.sequence);
    return true;
  }

  /** Each command has one number, and each data set one more for its sync command. */
  #note(dataSet: number, finalSequence: number): void {
    this.#counts.set(dataSet, finalSequence + 1 - (dataSet + 1));
  }
}

interface Totals {
  kills: number;
  /** Complete data sets above the watermark, each of which was replayed, and those of them below the highest. */
  complete: number;
  belowHighest: number;
  /** Copies that had been brought further, and were not brought back. */
  notBack: number;
}

/** Every complete data set of one crash, in this process: the command is a thin shell around it. */
async function everyDataSet(crash: Crash, totals: Totals): Promise<void> {
  const disk = new NodeDisk();
  const replay = async (volumes: readonly string[], through: number, volumesAtWatermark = false): Promise<void> => {
    const options = { disk, path: crash.directory, volumes, through, volumesAtWatermark, sourcePaths: [] };
    await carryOutReplay(disk, await prepareReplay(options));
  };
  const last = crash.complete.at(-1);
  for (const through of crash.complete) {
    totals.complete += 1;
    await replay(crash.copies('the crash'), through);
    assert.is(crash.differenceFrom(through), null, `from the crash at watermark ${crash.watermark} through data set ${through}`);
    if (last === undefined || through === last) continue;
    totals.belowHighest += 1;
    const copies = crash.copies('the watermark');
    await replay(copies, through, true);
    assert.is(crash.differenceFrom(through), null, `from the watermark ${crash.watermark} through data set ${through}`);
    await replay(copies, last);
    const error = await thrownBy(() => replay(copies, through));
    if (error === undefined) assert.is(crash.differenceFrom(through), null, `back from data set ${last} to ${through}`);
    else if (!(error instanceof FarshoreError) || error.code !== 'ERR_REPLAY_MIXED')
      throw new Error(`back to ${through}`, { cause: error });
    else totals.notBack += 1;
  }
}

/** The command itself: the plan first, a dry run that changes nothing, then the copies at the last complete data set. */
async function theCommand(crash: Crash): Promise<void> {
  const last = crash.complete.at(-1) as number;
  const copies = crash.copies('the crash').flatMap((copy) => ['--volumes', copy]);
  const dry = await farshore(['journal', 'replay', crash.stateDirectory, ...copies, '--dry-run']);
  assert.is(dry.exitCode, 0, dry.stderr);
  assert.match(dry.stdout, new RegExp(`copies are then at data set ${last},`));
  for (const [index, image] of crash.copies('the crash').entries()) assert.is(image, copies[2 * index + 1], 'the copies are as they were');
  const done = await farshore(['journal', 'replay', crash.directory, '--verify', '--volumes', ...crash.copies('the crash')]);
  assert.is(done.exitCode, 0, done.stderr);
  assert.match(done.stdout, new RegExp(`flushed, read back and compared: the copies are at data set ${last}\n$`));
  assert.is(crash.differenceFrom(last), null);
  const back = await farshore(['journal', 'replay', crash.directory, ...copies, '--through', String(last + 1000), '--json']);
  assert.is(back.exitCode, 5, back.stdout + back.stderr);
  assert.is((JSON.parse(back.stdout) as { error: { code: string } }).error.code, 'ERR_REPLAY_THROUGH');
}

/** Beside the living host: neither its journals nor its volumes; and when it is dead, not its volumes that the config names. */
async function besideTheLiving(hosts: Hosts, crash: Crash): Promise<void> {
  const { secondary } = hosts;
  const running = await farshore([
    'journal',
    'replay',
    secondary.stateDirectory,
    ...crash.copies('the crash').flatMap((copy) => ['--volumes', copy]),
  ]);
  assert.is(running.exitCode, 5, running.stdout + running.stderr);
  assert.match(running.stderr, /ERR_REPLAY_RUNNING/);
  const live = VOLUMES.flatMap(({ name }) => ['--volumes', `${name}=${secondary.volumePath(name)}`]);
  const onto = await farshore(['journal', 'replay', crash.directory, ...live]);
  assert.is(onto.exitCode, 5, onto.stdout + onto.stderr);
  assert.match(onto.stderr, /ERR_REPLAY_COPY.*is in use/s);
  await secondary.kill();
  const stopped = await farshore(['journal', 'replay', secondary.stateDirectory, '-c', secondary.configPath, ...live]);
  assert.is(stopped.exitCode, 5, stopped.stdout + stopped.stderr);
  assert.match(stopped.stderr, /ERR_REPLAY_COPY.*is a source volume of the config/s);
  await secondary.start();
}

test('every complete data set of every kill: the history at it', async () => {
  const random = new Random(SEED);
  await withHosts({ volumes: VOLUMES, slots: 8, slotMiB: 1, links: 2, dataSets: { minAge: '1ms', maxSize: '512KiB' } }, async (hosts) => {
    const { primary, secondary } = hosts;
    await hosts.start();
    const workload = new OrderedWorkload({ host: primary, volumes: VOLUMES, seed: SEED, blocksMax: 256, flushEvery: 40, zeroShare: 0.03 });
    await workload.start();
    const totals: Totals = { kills: 0, complete: 0, belowHighest: 0, notBack: 0 };
    let last: Crash | null = null;
    while (totals.kills < KILLS_MIN || (totals.belowHighest < 2 && totals.kills < KILLS_MAX)) {
      await sleep(150 + random.next() * 500);
      await secondary.kill('SIGKILL');
      totals.kills += 1;
      last = new Crash(hosts, workload, totals.kills);
      await secondary.start();
      await everyDataSet(last, totals);
      if (last.complete.length > 0 && totals.kills % 4 === 1) await theCommand(last);
    }
    await besideTheLiving(hosts, last as Crash);
    await workload.stop();
    process.stdout.write(`${JSON.stringify({ commands: workload.count, ...totals })}\n`);
    assert.ok(totals.belowHighest > 0, 'some data set below the highest complete one was replayed');
    assert.ok(totals.notBack > 0, 'copies that were brought further are not brought back');
    await hosts.drainedAndSame();
  });
});

test.run();
