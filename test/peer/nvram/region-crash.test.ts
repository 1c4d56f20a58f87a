/**
 * A process that is killed in the middle of a copy leaves any prefix of it, or, with a copy that runs backwards, any suffix. Every store and
 * every anchor of a program is cut at many places, some at every byte, and what is left is opened: everything held before is there.
 *
 * @timeLimit 120 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../../src/model/limits.ts';
import { RING_OFFSET } from '../../../src/peer/nvram/format.ts';
import { openRegion } from '../../../src/peer/nvram/open-region.ts';
import { TestDisk } from '../../support/test-disk.ts';
import { RegionModel } from './region-model.ts';
import { encodeMessage, makeRegion } from './support.ts';

const PATH = '/region';
const SIZE_BYTES = RING_OFFSET + 8 * 1024;
const MAPPED = { fileSystem: 'tmpfs', residentChance: 1 };

interface Put {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** One step of the program: the file before it, what it puts there, and what the region held before and after. */
interface Step {
  readonly what: 'store' | 'release';
  readonly image: Uint8Array;
  readonly puts: readonly Put[];
  readonly before: RegionModel;
  readonly after: RegionModel;
}

/** Fill a small ring, give up some of it, again and again, and note every byte that goes into the file. */
async function runProgram(steps: number): Promise<Step[]> {
  const disk = new TestDisk(MAPPED);
  const region = await makeRegion({ disk, path: PATH, sizeBytes: SIZE_BYTES, hold: 'memory' });
  const model = new RegionModel();
  const done: Step[] = [];
  const perform = (what: Step['what'], work: () => void): void => {
    const image = disk.readFile(PATH) ?? new Uint8Array(0);
    const before = model.copy();
    const puts: Put[] = [];
    disk.watcher = {
      asked: () => {},
      flushed: () => {},
      writing: (_path, position, bytes) => void puts.push({ position, bytes: bytes.slice() }),
    };
    work();
    done.push({ what, image, puts, before, after: model.copy() });
  };
  for (let step = 0; step < steps; step += 1) {
    const records = 1 + (step % 3);
    const encoded = encodeMessage(model.head, records, 512 * (step % 4));
    if (encoded.length + LIMITS.regionOverheadBytes > region.freeBytes || step % 5 === 4)
      perform('release', () => {
        model.released = region.tail + Math.ceil((region.head - region.tail) * 0.7);
        region.release(model.released);
      });
    if (encoded.length + LIMITS.regionOverheadBytes <= region.freeBytes)
      perform('store', () => {
        model.messages.push({ firstOrdinal: model.head, records, encoded });
        region.store(encoded, records);
        model.told = model.head;
      });
  }
  region.close();
  return done;
}

/** Open the file that a kill left. */
function openImage(image: Uint8Array, sizeBytes = SIZE_BYTES): ReturnType<typeof openRegion> {
  const disk = new TestDisk(MAPPED);
  disk.open(PATH, { create: true }).writeSync(image, 0);
  return openRegion({ disk, path: PATH, sizeBytes, hold: 'memory' });
}

/** @param keep first and last byte of the copy that was done */
function checkCut({ image, puts, before, after }: Step, index: number, keep: { from: number; to: number }): void {
  const left = image.slice();
  for (const { position, bytes } of puts.slice(0, index)) left.set(bytes, position);
  const { position, bytes } = puts[index] as Put;
  left.set(bytes.subarray(keep.from, keep.to), position + keep.from);
  const opened = openImage(left);
  if (opened.kind !== 'open') throw new Error(`cut of put ${index} at ${keep.from} to ${keep.to}: ${JSON.stringify(opened)}`);
  const model = after.copy();
  model.told = before.told;
  model.assertSurvived(opened.region);
}

test('a kill in the middle of any copy leaves everything that was held, and nothing else', async () => {
  const steps = await runProgram(60);
  assert.ok(
    steps.some(({ what, puts }) => what === 'release' && puts.length > 0),
    'anchors were written',
  );
  assert.ok(
    steps.some(({ puts }) => puts.length > 3),
    'a segment went round the end of the ring',
  );
  for (const step of steps) {
    for (const [index, { bytes }] of step.puts.entries()) {
      for (const cut of [0, 1, 7, 16, 40, 95, bytes.length >> 1, bytes.length - 1, bytes.length]) {
        if (cut > bytes.length) continue;
        checkCut(step, index, { from: 0, to: cut });
        checkCut(step, index, { from: cut, to: bytes.length });
      }
    }
  }
});

test('the same at every byte of one store that goes round the end of the ring, and of one anchor', async () => {
  const steps = await runProgram(60);
  const store = steps.find(({ puts }) => puts.length > 3);
  const anchor = steps.find(({ what, puts }) => what === 'release' && puts.length > 0);
  assert.ok(store && anchor);
  for (const step of [store, anchor]) {
    for (const [index, { bytes }] of step.puts.entries()) {
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        checkCut(step, index, { from: 0, to: cut });
        checkCut(step, index, { from: cut, to: bytes.length });
      }
    }
  }
});

test('the header is what makes a segment: without it, whatever else is there, the end is clean', async () => {
  const [step] = (await runProgram(3)).filter(({ what }) => what === 'store');
  assert.ok(step);
  const header = step.puts.at(-1);
  assert.is(header?.bytes.length, 96);
  const left = step.image.slice();
  for (const { position, bytes } of step.puts.slice(0, -1)) left.set(bytes, position);
  const opened = openImage(left);
  assert.ok(opened.kind === 'open' && opened.region.foundEnd.verdict === 'clean-end' && opened.region.head === step.before.head);
});

test('a header over records of an earlier lap is not taken for its segment: the digest binds them', async () => {
  // Segments of one size that divides the ring: those of each lap stand exactly over those of the lap before.
  const segmentBytes = 96 + 2 * (80 + 512);
  const sizeBytes = RING_OFFSET + 16 * segmentBytes;
  const disk = new TestDisk(MAPPED);
  const options = { disk, path: PATH, sizeBytes, hold: 'memory' } as const;
  const region = await makeRegion(options);
  const store = (): void => {
    region.release(region.head);
    region.store(encodeMessage(8 * region.head, 2), 2);
  };
  for (let index = 0; index < 40; index += 1) store();
  const image = disk.readFile(PATH) ?? new Uint8Array(0);
  const puts: Put[] = [];
  disk.watcher = {
    asked: () => {},
    flushed: () => {},
    writing: (_path, position, bytes) => void puts.push({ position, bytes: bytes.slice() }),
  };
  store();
  const header = puts.find(({ bytes }) => bytes.length === 96 && bytes[0] !== 0) as Put;
  image.set(header.bytes, header.position);
  const opened = openImage(image, sizeBytes);
  assert.ok(opened.kind === 'open');
  if (opened.kind !== 'open') return;
  const { head, foundEnd } = opened.region;
  assert.is(head, 80);
  assert.is(foundEnd.verdict, 'unreadable');
  if (foundEnd.verdict === 'unreadable') assert.match(foundEnd.expected, /stored with/);
});

test.run();
