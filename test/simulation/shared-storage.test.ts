/** What a takeover is simulated with: storage that two hosts reach, and processes that are stopped and go on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SimulatedDisk } from '../../src/simulation/disk.ts';
import { HEAP } from '../../src/simulation/memory.ts';
import { Random } from '../../src/simulation/random.ts';
import { attachStorage } from '../../src/simulation/shared-storage.ts';
import { type Life, World } from '../../src/simulation/virtual-time.ts';

const filled = (value: number): Uint8Array => new Uint8Array(1024).fill(value);

/** A secondary's disk with a journal and a state of its own, and a peer's with a state. */
function twoHosts(seed = 1): { world: World; own: SimulatedDisk; storage: SimulatedDisk } {
  const world = new World();
  const disk = (first: number): SimulatedDisk => {
    const made = new SimulatedDisk({ world, random: new Random(first), arena: HEAP, aligned: false });
    for (const folder of ['/state', '/journals', '/volumes', '/nvram']) made.makeDirectory(folder);
    return made;
  };
  const [storage, own] = [disk(seed), disk(seed + 100)];
  for (const [made, path, value] of [
    [storage, '/journals/a', 1],
    [storage, '/state/host', 2],
    [own, '/state/host', 3],
  ] as const)
    made.replaceFile(path, filled(value));
  return { world, own, storage };
}

test('a host sees its own state and the volumes and journals of the other, and what the other writes to them', () => {
  const { own, storage } = twoHosts();
  const taker = attachStorage(own, storage);
  assert.is(taker.readFile('/state/host')?.[0], 3);
  assert.is(taker.readFile('/journals/a')?.[0], 1);
  storage.open('/journals/a', {}).writeSync(filled(7), 0);
  assert.is(taker.readFile('/journals/a')?.[0], 7);
  taker.open('/journals/a', {}).writeSync(filled(8), 0);
  assert.is(storage.readFile('/journals/a')?.[0], 8);
});

test('a power cut of one host takes what was not flushed from both, and the other goes on with the same file', () => {
  const seen = new Set<number>();
  for (let seed = 1; seed < 40; seed += 1) {
    const { own, storage } = twoHosts(seed);
    const taker = attachStorage(own, storage);
    const file = storage.open('/journals/a', {});
    taker.open('/journals/a', {}).writeSync(filled(9), 0);
    const next = taker.crash('what is durable');
    const left = next.readFile('/journals/a')?.[0] ?? 0;
    seen.add(left);
    assert.is(storage.readFile('/journals/a')?.[0], left);
    file.writeSync(filled(5), 0);
    assert.is(next.readFile('/journals/a')?.[0], 5);
  }
  assert.equal([...seen].toSorted(), [1, 9]);
});

test('what a process does after it ended reaches nobody', () => {
  const { own, storage } = twoHosts();
  const taker = attachStorage(own, storage);
  const file = storage.open('/journals/a', {});
  const next = storage.crash('page cache');
  file.writeSync(filled(6), 0);
  assert.is(taker.readFile('/journals/a')?.[0], 1);
  assert.is(next.readFile('/journals/a')?.[0], 1);
});

test('a lock of the other host is seen where it is told', () => {
  const { own, storage } = twoHosts();
  assert.ok(storage.lock('/journals'));
  assert.is(attachStorage(own, storage, { locksOfOthers: storage.locks }).lock('/journals'), null);
  assert.ok(attachStorage(own, storage).lock('/journals'));
});

test('a power cut of the storage is none of the host that attaches it', () => {
  const { own, storage } = twoHosts();
  const cut = storage.crash('what is durable');
  assert.is(attachStorage(own, cut).bootId(), own.bootId());
  assert.is.not(cut.bootId(), own.bootId());
});

test('nothing of a stopped process happens until it goes on, and then in its order; time goes on, and a timer can be cancelled', () => {
  const world = new World();
  const life: Life = { name: 'a', dead: false };
  const other: Life = { name: 'b', dead: false };
  const said: string[] = [];
  const say = (delayUs: number, text: string, who: Life): { cancelled: boolean } =>
    world.schedule(delayUs, text, () => said.push(`${text}@${world.nowUs}`), who);
  say(10, 'one', life);
  const cancelled = say(20, 'two', life);
  say(30, 'three', life);
  say(40, 'other', other);
  world.stop(life);
  while (world.step());
  assert.equal(said, ['other@40']);
  cancelled.cancelled = true;
  world.resume(life);
  say(5, 'four', life);
  while (world.step());
  assert.equal(said, ['other@40', 'one@40', 'three@40', 'four@45']);
});

test.run();
