/** What a clean stop leaves: read back exactly, or known to be unclean or damaged; never something else. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CorruptionError } from '../../src/model/errors.ts';
import {
  newStreamState,
  readStreamState,
  removeCleanMarker,
  writeCleanMarker,
  writeStreamState,
  type LoadedStream,
} from '../../src/primary/stream-state.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { TestDisk } from '../support/test-disk.ts';
import { DyingDisk } from '../support/secondary-host-dying-disk.ts';

const DIRECTORY = '/state';
const FILES = ['backlog.bin', 'stream-state.json', 'clean-stop'];
const GENERATION = {
  number: 1,
  id: '00000000000000bb',
  afterDataSet: null,
  afterSequence: null,
  chain: '0'.repeat(32),
  firstDataSet: 0,
  firstSequence: 0,
};
const BLANK = newStreamState({ groupId: '0'.repeat(32), stream: '00000000000000aa', generation: GENERATION });

type Written = Parameters<typeof writeStreamState>[2];

/** Two stops that differ in everything. */
const FIRST: Written = { ...BLANK, nextDataSet: 4, nextSequence: 40, bytesTaken: 4000, chain: '4'.repeat(32) };
const SECOND: Written = {
  ...BLANK,
  nextDataSet: 9,
  nextSequence: 90,
  bytesTaken: 9000,
  chain: '9'.repeat(32),
  dataSets: [{ dataSet: 8, firstSequence: 80, records: 2, acknowledged: [{ from: 81, to: 81 }] }],
};
const BACKLOGS = { first: [new Uint8Array(900).fill(4)], second: [new Uint8Array(700).fill(8), new Uint8Array(5000).fill(9)] };

async function diskWith(state: Written, backlog: readonly Uint8Array[]): Promise<TestDisk> {
  const disk = new TestDisk({ seed: 3 });
  disk.makeDirectory(DIRECTORY);
  await writeStreamState(disk, DIRECTORY, state, backlog);
  writeCleanMarker(disk, DIRECTORY);
  return disk;
}

/** What a start would go on with: the next number, or that it must not. */
function verdict(disk: TestDisk): number | 'unclean' | 'corrupt' {
  let loaded: LoadedStream | null;
  try {
    loaded = readStreamState(disk, DIRECTORY);
  } catch (error) {
    if (error instanceof CorruptionError && error.code === 'ERR_STATE_CORRUPT') return 'corrupt';
    throw error;
  }
  if (loaded === null) return 'unclean';
  const { backlogBytes: _bytes, backlogSha256: _sha, ...state } = loaded.state;
  const expected = state.nextSequence === 40 ? { state: FIRST, backlog: BACKLOGS.first } : { state: SECOND, backlog: BACKLOGS.second };
  assert.equal(state, expected.state);
  assert.equal(Buffer.from(loaded.backlog), Buffer.concat(expected.backlog));
  return state.nextSequence;
}

test('what was written is read back, backlog and all', async () => {
  assert.is(verdict(await diskWith(SECOND, BACKLOGS.second)), 90);
});

test('no marker is written over a state that is read back as something else', async () => {
  const disk = await diskWith(FIRST, BACKLOGS.first);
  removeCleanMarker(disk, DIRECTORY);
  const readFile = disk.readFile.bind(disk);
  disk.readFile = (path) => readFile(path)?.subarray(0, 20) ?? null;
  assert.throws(() => writeCleanMarker(disk, DIRECTORY), /stream-state\.json is damaged/);
  disk.readFile = readFile;
  assert.is(verdict(disk), 'unclean');
});

test('without its marker, or with the marker of another stop, the stop was unclean', async () => {
  const disk = await diskWith(FIRST, BACKLOGS.first);
  const marker = disk.readFile(`${DIRECTORY}/clean-stop`) ?? new Uint8Array(0);
  removeCleanMarker(disk, DIRECTORY);
  assert.is(verdict(disk), 'unclean');
  await writeStreamState(disk, DIRECTORY, SECOND, BACKLOGS.second);
  assert.is(verdict(disk), 'unclean');
  disk.replaceFile(`${DIRECTORY}/clean-stop`, marker);
  assert.is(verdict(disk), 'unclean');
});

test('a file that is missing, cut short, grown, empty or of another stop is never believed', async () => {
  for (const name of FILES) {
    const path = `${DIRECTORY}/${name}`;
    const other = (await diskWith(FIRST, BACKLOGS.first)).readFile(path) ?? new Uint8Array(0);
    const damages: [string, (bytes: Uint8Array) => Uint8Array | null][] = [
      ['missing', () => null],
      ['empty', () => new Uint8Array(0)],
      ['cut short', (bytes) => bytes.subarray(0, bytes.length - 1)],
      ['grown', (bytes) => Buffer.concat([bytes, Buffer.from([0])])],
      ['of another stop', () => other],
      ['zeroes', (bytes) => new Uint8Array(bytes.length)],
    ];
    for (const [damage, of] of damages) {
      const disk = await diskWith(SECOND, BACKLOGS.second);
      const bytes = of(disk.readFile(path) ?? new Uint8Array(0));
      if (bytes === null) disk.unlink(path);
      else disk.replaceFile(path, bytes);
      assert.ok(['unclean', 'corrupt'].includes(String(verdict(disk))), `${name} ${damage}: ${verdict(disk)}`);
    }
  }
});

test('no flipped bit in any of the files is believed', async () => {
  const good = await diskWith(SECOND, BACKLOGS.second);
  for (const name of FILES) {
    const path = `${DIRECTORY}/${name}`;
    const bytes = good.readFile(path) ?? new Uint8Array(0);
    const step = Math.max(1, Math.floor(bytes.length / 250));
    for (let at = 0; at < bytes.length; at += step) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      good.replaceFile(path, damaged);
      assert.ok(['unclean', 'corrupt'].includes(String(verdict(good))), `${name}, bit ${at % 8} of byte ${at}: ${verdict(good)}`);
    }
    good.replaceFile(path, bytes);
  }
  assert.is(verdict(good), 90);
});

/** Run on a disk that dies before operation k, for k = 1, 2, ... until it lives; `judge` sees what the next process finds. */
async function dyingAt(
  from: () => Promise<TestDisk>,
  how: Kept,
  work: (disk: TestDisk) => Promise<void> | void,
  judge: (disk: TestDisk, finished: boolean) => void,
): Promise<number> {
  for (let k = 1; ; k += 1) {
    for (let seed = 1; seed <= 12; seed += 1) {
      const disk = new DyingDisk({ seed: 100 * k + seed }, await from());
      disk.crashAfter(k, how);
      await disk.unlessDead(async () => work(disk.current));
      const finished = disk.crashes === 0;
      // After a kill the page cache is what is read now, and a power cut may still follow.
      judge(disk.current, finished);
      judge(disk.current.crash(), finished);
      if (finished) return k - 1;
    }
  }
}

test('a power cut or a kill at any operation of a stop: unclean until the marker is there, then exactly that stop', async () => {
  const running = async (): Promise<TestDisk> => {
    const disk = await diskWith(FIRST, BACKLOGS.first);
    removeCleanMarker(disk, DIRECTORY);
    return disk;
  };
  const stop = async (disk: TestDisk): Promise<void> => {
    await writeStreamState(disk, DIRECTORY, SECOND, BACKLOGS.second);
    writeCleanMarker(disk, DIRECTORY);
  };
  for (const how of ['what is durable', 'page cache'] as const) {
    const operations = await dyingAt(running, how, stop, (disk, finished) => {
      const found = verdict(disk);
      assert.ok(finished ? found === 90 : found === 90 || found === 'unclean', `${found}`);
    });
    assert.ok(operations >= 8, `${operations} operations`);
  }
});

test('a power cut at any operation of the removal of the marker: clean as before, or unclean; durably unclean when it is done', async () => {
  for (const how of ['what is durable', 'page cache'] as const) {
    await dyingAt(
      () => diskWith(FIRST, BACKLOGS.first),
      how,
      (disk) => removeCleanMarker(disk, DIRECTORY),
      (disk, finished) => {
        const found = verdict(disk);
        assert.ok(finished ? found === 'unclean' : found === 40 || found === 'unclean', `${found}`);
      },
    );
  }
});

test.run();
