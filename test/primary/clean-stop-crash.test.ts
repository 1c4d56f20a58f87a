/**
 * A primary whose power is cut, or that is killed, before every single disk operation of a start, some writes and a clean stop: the
 * next start goes on with exactly what was numbered and written, or refuses; it never goes on with less.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FarshoreError } from '../../src/model/errors.ts';
import { initPrimary } from '../../src/primary/init.ts';
import { Primary } from '../../src/primary/primary.ts';
import type { ReplicatedOrder } from '../../src/primary/replicated-order.ts';
import type { StreamState } from '../../src/primary/stream-state.ts';
import { decodeRecords, encodeMessage } from '../../src/record/wire.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import type { Kept } from '../../src/simulation/disk.ts';
import { TestDisk } from '../support/test-disk.ts';
import { NotedRequest } from '../support/primary-volume.ts';
import { DyingDisk } from '../support/secondary-host-dying-disk.ts';

const KiB = 1024;
const DIRECTORY = '/state';
const VOLUMES: readonly VolumeConfig[] = [
  { vlun: 1, name: 'a', sizeBytes: 64 * KiB, path: '/volumes/a', store: 'pwrite' },
  { vlun: 5, name: 'b', sizeBytes: 32 * KiB, path: '/volumes/b', store: 'pwrite' },
];

/** What must be the same after a stop and a start. */
interface Position {
  readonly stream: Omit<StreamState, 'backlogBytes' | 'backlogSha256'>;
  readonly backlog: string;
}

function positionOf(order: ReplicatedOrder, primary: Primary): Position {
  return { stream: order.streamState(primary.state), backlog: Buffer.concat(order.backlog()).toString('hex') };
}

function start(disk: TestDisk): Promise<Primary> {
  return Primary.start({
    disk,
    group: 'g',
    stateDirectory: DIRECTORY,
    volumes: VOLUMES,
    nbdListen: [],
    replicationListen: [],
    flushReply: 'local',
    cutPolicy: { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes: 8192, recordsMax: 100 },
    backlogLimitBytes: 1024 * KiB,
    objectiveMs: 1000,
    standalone: false,
    log: () => {},
  });
}

/** Submit and wait for the answers; a dead disk gives none. */
async function answered(disk: TestDisk, primary: Primary, requests: readonly NotedRequest[]): Promise<void> {
  primary.application?.submit(requests);
  while (!disk.dead && requests.some((request) => request.answer === null)) await new Promise((resolve) => setImmediate(resolve));
  if (disk.dead) await new Promise(() => {});
}

/** What one life writes: overlapping, over both volumes, with a flush in between; each life other bytes. */
function writesOf(life: number): NotedRequest[] {
  const value = 10 * life;
  return [
    new NotedRequest({ lengthBytes: 4096, value: value + 1 }),
    new NotedRequest({ exportIndex: 1, offset: 8192, lengthBytes: 4096, value: value + 2 }),
    new NotedRequest({ offset: 2048, lengthBytes: 4096, value: value + 3, fua: true }),
    new NotedRequest({ command: 'flush' }),
    new NotedRequest({ command: 'trim', exportIndex: 1, offset: 10_240, lengthBytes: 1024 }),
    new NotedRequest({ offset: 32_768, lengthBytes: 8192, value: value + 4 }),
  ];
}

/** The volumes as the application wrote them through this life. */
function imagesThrough(life: number): Uint8Array[] {
  const images = VOLUMES.map((volume) => new Uint8Array(volume.sizeBytes));
  for (let each = 1; each <= life; each += 1) {
    for (const { command, exportIndex, offset, lengthBytes, data } of writesOf(each)) {
      if (command === 'write') images[exportIndex]?.set(data ?? [], offset);
      if (command === 'trim') images[exportIndex]?.fill(0, offset, offset + lengthBytes);
    }
  }
  return images;
}

interface Life {
  /** Something was asked of it. */
  written: boolean;
  /** The order as the stop writes it; it stays readable after the process is dead. */
  order: ReplicatedOrder | null;
  primary: Primary | null;
}

async function live(disk: TestDisk, life: number, told: Life): Promise<void> {
  const primary = await start(disk);
  // A dead process runs on until it waits for its disk: what it does then never happened.
  if (disk.dead) return;
  told.primary = primary;
  told.order = primary.order;
  told.written = true;
  const writes = writesOf(life);
  await answered(disk, primary, writes);
  assert.ok(
    writes.every((request) => request.answer === 0),
    'every write is answered',
  );
  await primary.stop();
}

const newLife = (): Life => ({ written: false, order: null, primary: null });

async function prepare(): Promise<{ disk: TestDisk; position: Position }> {
  const disk = new TestDisk({ seed: 1 });
  disk.makeDirectory('/volumes');
  await initPrimary({ disk, group: 'g', stateDirectory: DIRECTORY, volumes: VOLUMES, zeroExisting: false, onProgress: () => {} });
  const told = newLife();
  await live(disk, 1, told);
  return { disk, position: positionOf(told.order as ReplicatedOrder, told.primary as Primary) };
}

/** What the next start does: goes on from a position, or the code with which it refuses. */
async function nextStart(disk: TestDisk): Promise<Position | string> {
  let primary: Primary;
  try {
    primary = await start(disk);
  } catch (error) {
    if (error instanceof FarshoreError) return error.code;
    throw error;
  }
  const position = positionOf(primary.order as ReplicatedOrder, primary);
  primary.order?.end();
  return position;
}

function sameVolumes(disk: TestDisk, life: number, what: string): void {
  for (const [index, image] of imagesThrough(life).entries()) {
    const found = disk.readFile(VOLUMES[index]?.path ?? '') ?? new Uint8Array(0);
    assert.ok(Buffer.compare(found, image) === 0, `${what}: volume ${VOLUMES[index]?.name} is as after life ${life}`);
  }
}

async function judge(disk: TestDisk, before: Position, told: Life, what: string): Promise<'before' | 'after' | 'refused'> {
  // The next start may itself be the last thing that happens before a power cut: look at both.
  const found = await nextStart(disk);
  if (found === 'ERR_UNCLEAN_STOP') return 'refused';
  assert.type(found, 'object', `${what}: the start refuses only with ERR_UNCLEAN_STOP, not ${JSON.stringify(found)}`);
  const after = told.order === null || told.primary === null ? null : positionOf(told.order, told.primary);
  if (JSON.stringify(found) === JSON.stringify(before)) {
    assert.not(told.written, `${what}: it goes on as if nothing had been written`);
    sameVolumes(disk, 1, what);
    return 'before';
  }
  assert.equal(found, after, `${what}: it goes on exactly where the stop ended`);
  sameVolumes(disk, 2, what);
  return 'after';
}

async function everyOperation(how: Kept, thenPowerCut: boolean): Promise<void> {
  const prepared = await prepare();
  const seen = { before: 0, after: 0, refused: 0 };
  for (let k = 1; ; k += 1) {
    const disk = new DyingDisk({ seed: k, reorders: k % 2 === 0 }, prepared.disk);
    disk.crashAfter(k, how);
    const told = newLife();
    await disk.unlessDead(() => live(disk.current, 2, told));
    const crashed = disk.crashes > 0;
    if (!crashed) disk.crash(how);
    if (thenPowerCut) disk.crash('what is durable');
    const outcome = await judge(disk.current, prepared.position, told, `before operation ${k}`);
    seen[outcome] += 1;
    if (crashed) continue;
    assert.is(outcome, 'after', 'without a crash the stream goes on');
    assert.ok(seen.before > 2 && seen.refused > 10, JSON.stringify(seen));
    return;
  }
}

test('what a start reads is what the stop wrote, record for record', async () => {
  const { disk, position } = await prepare();
  const found = await nextStart(disk);
  assert.equal(found, position);
  const encoded = Buffer.from(position.backlog, 'hex');
  const { records, violation } = decodeRecords(encodeMessage({ kind: 'records', encoded }), {
    generation: 1,
    stream: position.stream.stream,
  });
  assert.is(violation, null);
  assert.equal(
    records.map((record) => record.sequence),
    records.map((_, index) => index),
  );
  assert.equal([records.length, records.at(-1)?.sync?.chain], [position.stream.nextSequence, position.stream.chain]);
  sameVolumes(disk, 1, 'after a clean stop');
});

test('a power cut before every operation', async () => {
  await everyOperation('what is durable', false);
});

test('a kill before every operation', async () => {
  await everyOperation('page cache', false);
});

test('a kill before every operation, and then a power cut', async () => {
  await everyOperation('page cache', true);
});

test('a start that was cut off before it served anything does not make the stop unclean, or says so; it never loses a record', async () => {
  const { disk: prepared, position } = await prepare();
  for (let k = 1; k < 200; k += 1) {
    const disk = new DyingDisk({ seed: k }, prepared);
    disk.crashAfter(k, 'what is durable');
    const primary = await disk.unlessDead(() => start(disk.current));
    primary?.order?.end();
    if (disk.crashes === 0) return;
    const found = await nextStart(disk.current);
    if (found !== 'ERR_UNCLEAN_STOP') assert.equal(found, position, `before operation ${k}`);
  }
  assert.unreachable('a start takes a bounded number of operations');
});

test.run();
