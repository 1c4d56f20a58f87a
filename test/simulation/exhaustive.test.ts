/**
 * The small worlds themselves: every crash of short histories without a broken promise (I1, I2, I4, I5, I7), bounded for every run of the
 * tests; the whole is `farshore simulate --exhaustive`. And that what is enumerated is what the fault model allows: no more and no less.
 *
 * @timeLimit 240 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SimulatedDisk } from '../../src/simulation/disk.ts';
import { CrashPoint } from '../../src/simulation/exhaustive/crash-point.ts';
import {
  countChoices,
  FIRST_CRASH,
  visitChoices,
  type ChoiceBounds,
  type ChoiceOf,
} from '../../src/simulation/exhaustive/crash-choices.ts';
import { exploreWorlds, traceWorld } from '../../src/simulation/exhaustive/exhaustive.ts';
import { exhaustiveText } from '../../src/simulation/exhaustive/exhaustive-text.ts';
import { COMMANDS_MAX, countsOfCommands, DATA_SETS_MAX, PLANS } from '../../src/simulation/exhaustive/histories.ts';
import { keyOf } from '../../src/simulation/exhaustive/sector-hash.ts';
import { chooseGroups, worldOf, worldsOf, WORLD_NUMBERS } from '../../src/simulation/exhaustive/worlds.ts';
import { HEAP } from '../../src/simulation/memory.ts';
import { Random } from '../../src/simulation/random.ts';
import { World } from '../../src/simulation/virtual-time.ts';

/** Groups of histories: one of so many in every run of the tests. */
const ONE_GROUP_OF = 24;
const SECTOR = 512;
const EVERYTHING: ChoiceBounds = { disksMax: Infinity, newestSectors: 0 };

test('a share of the small worlds breaks no promise', async () => {
  const summary = await exploreWorlds({ threads: 2, plans: 3, failuresMax: 3, oneGroupOf: ONE_GROUP_OF, onProgress: () => {} });
  process.stdout.write(`${exhaustiveText(summary)}\n`);
  assert.is(summary.violations.length, 0, exhaustiveText(summary));
  assert.ok(summary.statesJudged > 7_000, `${summary.statesJudged} states were judged`);
  assert.is(summary.statesJudged, summary.powerCuts + summary.kills + summary.secondCrashes, 'each state is counted once');
  for (const [name, count] of Object.entries(summary)) if (typeof count === 'number') assert.ok(count > 0, `${name} is not 0`);
});

test('a world gives the same states again, and its trace', async () => {
  const number = [...worldsOf(chooseGroups(1)[8] as ReturnType<typeof chooseGroups>[number])].at(-1)?.number ?? -1;
  const first = await traceWorld(number);
  const second = await traceWorld(number);
  assert.ok(first.lines.length > 20, `${first.lines.length} lines`);
  assert.equal(first.lines, second.lines);
  assert.ok(first.summary.statesJudged > 10, `${first.summary.statesJudged} states`);
  assert.is(first.summary.statesJudged, second.summary.statesJudged);
});

test('the groups of all plans hold every history, every delivery and every number once', () => {
  const counts = countsOfCommands();
  const shapes = COMMANDS_MAX + 1;
  assert.is(counts.length, shapes + shapes ** 2 + shapes ** DATA_SETS_MAX);
  const numbers = new Set<number>();
  for (const group of chooseGroups(PLANS.length)) {
    for (const { number, name } of worldsOf(group)) {
      assert.not(numbers.has(number), `world ${number} stands in two groups`);
      numbers.add(number);
      if (number % 997 === 0) assert.is(worldOf(number).name, name);
    }
  }
  assert.ok(Math.max(...numbers) < WORLD_NUMBERS);
  assert.ok(numbers.size >= counts.length * PLANS.length * 6, `${numbers.size} worlds`);
  assert.throws(() => worldOf(WORLD_NUMBERS), /there is no small world 13440/);
});

/** A disk with two files, some writes that were not flushed, and writes under way. */
function undecidedDisk(random: Random): SimulatedDisk {
  const world = new World();
  world.life = { name: 'test', dead: false };
  const disk = new SimulatedDisk({ world, random, arena: HEAP, aligned: false });
  for (const path of ['/a', '/b']) {
    const file = disk.open(path, { create: true });
    file.writeSync(bytesOf(random, 4), 0);
    file.flushSync();
    file.closeSync();
  }
  disk.syncDirectory('/');
  const [a, b] = ['/a', '/b'].map((path) => disk.open(path, { durableWrites: path === '/b' }));
  for (let count = 1 + random.int(2); count > 0; count -= 1) a?.writeSync(bytesOf(random, 1 + random.int(2)), random.int(3) * SECTOR);
  b?.write([bytesOf(random, 1 + random.int(2))], random.int(3) * SECTOR, () => {});
  return disk;
}

function bytesOf(random: Random, sectors: number): Uint8Array {
  const bytes = new Uint8Array(sectors * SECTOR);
  for (let sector = 0; sector < sectors; sector += 1) bytes.fill(random.int(4), sector * SECTOR, (sector + 1) * SECTOR);
  return bytes;
}

function contentOf(disk: SimulatedDisk): string {
  return ['/a', '/b'].map((path) => Buffer.from(disk.image(path, 'durable')?.bytes() ?? []).toString('hex')).join();
}

test('what is enumerated is exactly what the simulated disk may leave after a power cut', () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = new Random(seed);
    const disk = undecidedDisk(random);
    const point = new CrashPoint(disk, 'now');
    const enumerated = new Map<string, number>();
    point.powerCuts(EVERYTHING, (cut) => {
      const content = contentOf(point.diskAfterPowerCut(cut, HEAP));
      assert.not(enumerated.has(content), 'each disk comes once');
      enumerated.set(content, keyOf(cut.lanes));
    });
    assert.is(enumerated.size, point.legalDisks);
    assert.is(new Set(enumerated.values()).size, enumerated.size, 'each disk has a key of its own');
    const drawn = new Set<string>();
    for (let draw = 0; draw < 3_000; draw += 1) drawn.add(contentOf(disk.after('what is durable', { arena: HEAP })));
    for (const content of drawn) assert.ok(enumerated.has(content), `seed ${seed}: a disk that is legal is not enumerated`);
    assert.is(drawn.size, enumerated.size, `seed ${seed}: every enumerated disk is legal`);
  }
});

test('a kill leaves only what the simulated disk may leave', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const disk = undecidedDisk(new Random(seed));
    const point = new CrashPoint(disk, 'now');
    const both = (killed: SimulatedDisk): string =>
      contentOf(killed) + ['/a', '/b'].map((path) => Buffer.from(killed.image(path, 'cached')?.bytes() ?? []).toString('hex')).join();
    const drawn = new Set<string>();
    for (let draw = 0; draw < 3_000; draw += 1) drawn.add(both(disk.after('page cache', { arena: HEAP })));
    point.kills((fates) => assert.ok(drawn.has(both(point.diskAfterKill(fates, HEAP))), `seed ${seed}: ${point.describeKill(fates)}`));
  }
});

test('choices: all of few, and of many what is stated', () => {
  const choicesOf = (sectors: ChoiceOf): Set<string> => {
    const seen = new Set<string>();
    visitChoices(sectors, FIRST_CRASH, (choice) => void seen.add(choice.join(' ')));
    return seen;
  };
  const few = Array.from({ length: Math.log2(FIRST_CRASH.disksMax) }, (_, index) => ({ writes: [-1, index] }));
  assert.is(countChoices(few), FIRST_CRASH.disksMax);
  assert.is(choicesOf(few).size, FIRST_CRASH.disksMax);
  const many = Array.from({ length: 12 }, (_, index) => ({ writes: [-1, Math.floor(index / 4)] }));
  const seen = choicesOf(many);
  const zeroes = Array.from(many, () => 0);
  const ones = Array.from(many, () => 1);
  const changed = (base: readonly number[], from: number, to: number, value: number): string =>
    base.map((kept, index) => (index >= from && index < to ? value : kept)).join(' ');
  for (let index = 0; index < many.length; index += 1) {
    assert.ok(seen.has(changed(zeroes, index, index + 1, 1)), `sector ${index} alone`);
    assert.ok(seen.has(changed(ones, index, index + 1, 0)), `all but sector ${index}`);
    assert.ok(seen.has(changed(zeroes, 0, index, 1)), `a prefix of ${index}`);
    assert.ok(seen.has(changed(zeroes, index, many.length, 1)), `a suffix from ${index}`);
  }
  for (let write = 0; write < 3; write += 1) {
    assert.ok(seen.has(changed(zeroes, 4 * write, 4 * write + 4, 1)), `write ${write} alone`);
    assert.ok(seen.has(changed(ones, 4 * write, 4 * write + 4, 0)), `all but write ${write}`);
  }
});

test('a violation is told with its path and the command that shows it again', () => {
  const counters = { histories: 1, worlds: 1, crashPoints: 1, statesReached: 1, statesJudged: 1, powerCuts: 1, kills: 0, secondCrashes: 0 };
  const violation = {
    world: 17,
    name: 'w',
    rule: 'I1 prefix',
    message: 'I1 prefix: older',
    stack: '',
    path: ['w', 'before write x'],
    lines: [],
  };
  const text = exhaustiveText({
    ...counters,
    recoveries: 2,
    levelled: 0,
    promotions: 0,
    seconds: 1,
    statesPerSecond: 1,
    violations: [{ ...violation, command: 'farshore simulate --exhaustive --world 17 --trace world-17.txt' }],
  });
  assert.match(text, '1 worlds broke a promise');
  assert.match(text, 'before write x');
  assert.match(text, 'farshore simulate --exhaustive --world 17');
});

test.run();
