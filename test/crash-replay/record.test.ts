/** The recorder's parts without processes: history and workload, what a recording refuses, what is packed of a volume, what is printed. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { crc32, gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { watermarkPath } from '../../journals/files.ts';
import { CRASH_POINTS } from '../../src/crash-replay/record/crash-points.ts';
import { readManifest, type FixtureVolume } from '../../src/crash-replay/fixture-files.ts';
import { crashVolumePath, packFile, packRanges, unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { findFlippedBit } from '../../src/crash-replay/pack/flipped-bit.ts';
import { packHost, type PackOptions } from '../../src/crash-replay/pack/pack-host.ts';
import { touchedRanges } from '../../src/crash-replay/pack/pack-volumes.ts';
import { programVersion } from '../../src/crash-replay/program-version.ts';
import { namedVolumes, volumeCount } from '../../src/crash-replay/record/record-arguments.ts';
import { recordFixture, type RecordOptions } from '../../src/crash-replay/record/record.ts';
import { describePoints, describeRecord } from '../../src/crash-replay/record/record-text.ts';
import { RecordedHistory } from '../../src/crash-replay/record/recorded-history.ts';
import { RecordingWorkload } from '../../src/crash-replay/record/recording-workload.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import type { NbdClient } from '../../src/nbd/client.ts';
import { controlSocketPath } from '../../src/state/state-folder.ts';
import { withFolder } from '../support/scratch.ts';
import { writeDataRing } from './data-ring.ts';

const VOLUMES = [
  { name: 'vol1', vlun: 0, sizeBytes: 131_072 },
  { name: 'vol2', vlun: 1, sizeBytes: 131_072 },
];

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof FarshoreError) return error.code;
    throw error;
  }
  return 'none';
}

/** A client that stores into memory; what was asked, in order. */
function memoryClient(image: Buffer, asked: string[]): NbdClient {
  const client = {
    write: async (offset: number, data: Uint8Array) => {
      asked.push('write');
      image.set(data, offset);
    },
    writeZeroes: async (offset: number, lengthBytes: number) => {
      asked.push('zero');
      image.fill(0, offset, offset + lengthBytes);
    },
    trim: async (offset: number, lengthBytes: number) => {
      asked.push('trim');
      image.fill(0, offset, offset + lengthBytes);
    },
    flush: async () => void asked.push('flush'),
  };
  return client as unknown as NbdClient;
}

async function runWorkload(seed: number): Promise<{ history: RecordedHistory; images: Buffer[]; asked: string[] }> {
  const history = new RecordedHistory(seed, VOLUMES);
  const images = VOLUMES.map(({ sizeBytes }) => Buffer.alloc(sizeBytes));
  const asked: string[] = [];
  const workload = new RecordingWorkload(
    history,
    images.map((image) => memoryClient(image, asked)),
  );
  for (let turn = 0; turn < 12; turn += 1) await workload.transaction();
  return { history, images, asked };
}

test('the history makes the volumes of what was written, and a seed makes the history', async () => {
  const [first, again, other] = [await runWorkload(7), await runWorkload(7), await runWorkload(8)];
  const { history, images, asked } = first;
  const expected = history.imagesAfter(history.writes.length);
  for (const [vlun, image] of images.entries()) assert.ok(expected.get(vlun)?.equals(image));
  assert.equal(again.history.writes, history.writes);
  assert.not.equal(other.history.writes, history.writes);
  assert.is(asked.filter((word) => word === 'flush').length, 12);
  assert.ok(asked.includes('zero') && asked.includes('trim'));
  const blocks = history.writes.flatMap(({ vlun, lba, blocks: count }) =>
    Array.from({ length: count }, (_, block) => `${vlun} ${lba + block}`),
  );
  assert.ok(new Set(blocks).size < blocks.length, 'writes overlap');
  for (const [number, { kind }] of history.writes.entries())
    assert.is(history.checksumOf(number), kind === 'write' ? crc32(history.payloadOf(number)) : null);
  const write = history.writes.findIndex(({ kind }) => kind === 'write');
  assert.match(history.payloadOf(write).toString(), `seed 7 write ${write} `);
});

test('a transaction touches every volume and ends with a long write over an earlier one', async () => {
  const { history, asked } = await runWorkload(3);
  let from = 0;
  for (const [index, word] of asked.entries()) {
    if (word !== 'flush') continue;
    const writes = history.writes.slice(from, from + index - asked.slice(0, index).lastIndexOf('flush') - 1);
    from += writes.length;
    assert.equal(new Set(writes.map(({ vlun }) => vlun)), new Set([0, 1]));
    assert.is(writes.at(-1)?.kind, 'write');
    const last = writes.at(-1);
    assert.ok(last !== undefined && last.blocks * 512 >= 2048);
    const overlapped = writes
      .slice(0, -1)
      .filter(({ vlun, lba, blocks }) => vlun === last.vlun && lba < last.lba + last.blocks && last.lba < lba + blocks);
    assert.ok(overlapped.length > 0, 'no order can be seen in it');
    assert.ok(last.lba >= 0 && (last.lba + last.blocks) * 512 <= 131_072);
    assert.ok(writes.reduce((sum, { blocks }) => sum + 80 + blocks * 512, 0) < 32_768);
  }
  assert.is(from, history.writes.length);
});

const RECORD: RecordOptions = {
  out: '',
  name: null,
  crashPoint: 'nowhere',
  at: null,
  seed: 1,
  volumes: 1,
  slots: 4,
  recover: null,
  recipe: 'test',
  say: () => {},
};

test('a recording refuses a folder that is in use, and points that are not there', async () => {
  await withFolder(async (folder) => {
    writeFileSync(join(folder, 'file'), '');
    assert.is(await codeOf(() => recordFixture({ ...RECORD, out: folder })), 'ERR_FIXTURE_OUT');
    assert.is(await codeOf(() => recordFixture({ ...RECORD, out: join(folder, 'file', 'deeper') })), 'ERR_FIXTURE_OUT');
    const out = join(folder, 'new');
    assert.is(await codeOf(() => recordFixture({ ...RECORD, out })), 'ERR_FIXTURE_CRASH_POINT');
    assert.is(await codeOf(() => recordFixture({ ...RECORD, out, crashPoint: 'two-volumes-half-destaged' })), 'ERR_FIXTURE_CRASH_POINT');
    assert.is(
      await codeOf(() => recordFixture({ ...RECORD, out, crashPoint: 'complete-and-partial', slots: 2 })),
      'ERR_FIXTURE_CRASH_POINT',
    );
    assert.equal(readdirSync(out), []);
  });
});

test('--volumes is a number for a recording, and names for a pack', () => {
  assert.is(volumeCount(undefined), 2);
  assert.is(volumeCount(['3']), 3);
  for (const wrong of [['0'], ['9'], ['x'], ['1', '2'], ['none']]) assert.throws(() => volumeCount(wrong), /a recording takes a number/);
  assert.equal(namedVolumes(undefined), []);
  assert.equal(namedVolumes(['none']), []);
  assert.equal(namedVolumes(['db1=/srv/a=b.img']), [{ name: 'db1', path: '/srv/a=b.img' }]);
  assert.throws(() => namedVolumes(['db1']), /NAME=PATH/);
});

test('what is printed fits into 80 columns, and names every point', () => {
  const lines = describePoints(CRASH_POINTS);
  for (const line of lines) assert.ok(line.length <= 80, line);
  for (const { name } of CRASH_POINTS) assert.ok(lines.includes(`  ${name}`));
  const journals = [{ slot: 3, dataSet: 12, label: 'give up: partial', action: 'discard' as const }];
  const common = {
    directory: 'out',
    name: 'x',
    crashPoint: null,
    recover: 'promote',
    journals,
    watermarkBefore: null,
    writes: null,
    writesThrough: null,
    withRegion: null,
  } as const;
  assert.equal(describeRecord({ ...common, outcome: 'refuse', error: 'ERR_X', through: null }), [
    'watermark: nothing is destaged',
    'slot  data set  decision',
    '   3        12  discard (give up: partial)',
    'a promote refuses: ERR_X',
    'written to out',
  ]);
});

test('packing a file gives the same bytes every time', async () => {
  await withFolder(async (folder) => {
    writeFileSync(join(folder, 'file'), Buffer.alloc(100_000, 'some text '));
    for (const name of ['one', 'two']) await packFile(join(folder, 'file'), join(folder, name));
    const [one, two] = ['one', 'two'].map((name) => readFileSync(join(folder, name)));
    assert.ok(one?.equals(two ?? Buffer.alloc(0)));
    // Neither a time nor a system is in it.
    assert.equal(
      [...(one ?? Buffer.alloc(0)).subarray(4, 10)].filter((byte) => byte !== 0),
      [2, 255],
    );
    assert.is(gunzipSync(one ?? Buffer.alloc(0)).length, 100_000);
  });
});

function packOptions(stateDirectory: string, out: string): PackOptions {
  return { stateDirectory, out, journals: null, volumes: [], withoutData: false, name: 'report', recover: 'start', say: () => {} };
}

test('of a large volume only what data sets above the watermark touch is packed, and it comes back in its place', async () => {
  await withFolder(async (folder) => {
    const { stateDirectory, journals } = writeDataRing(folder, 21);
    const path = join(folder, 'db1.img');
    writeFileSync(path, Buffer.alloc(262_144, 'live '));
    const host = {
      stateDirectory,
      journals: { directory: journals, geometry: { slots: 4, slotBytes: 65_536, capacityBytes: 0, recordsMax: 0 } },
      volumes: [],
    };
    const ranges = touchedRanges(host, 0, 262_144);
    assert.ok(ranges.length > 1);
    for (const [index, { offset, lengthBytes }] of ranges.entries()) {
      assert.ok(offset % 512 === 0 && lengthBytes % 512 === 0 && offset + lengthBytes <= 262_144);
      const before = ranges[index - 1];
      if (before !== undefined) assert.ok(before.offset + before.lengthBytes < offset);
    }
    assert.equal(touchedRanges(host, 7, 262_144), []);
    // A clip at the volume's end.
    assert.ok(touchedRanges(host, 0, 4096).every(({ offset, lengthBytes }) => offset + lengthBytes <= 4096));
    const out = join(folder, 'out');
    await packHost({ ...packOptions(stateDirectory, out), volumes: [{ name: 'db1', path }] });
    assert.is(readManifest(out).volumes[0]?.content, 'whole');
    assert.is(readManifest(out).volumes[1]?.content, 'none');
    const manifest = JSON.parse(readFileSync(join(out, 'fixture.json'), 'utf8')) as { volumes: FixtureVolume[] };
    manifest.volumes[0] = { name: 'db1', vlun: 0, sizeBytes: 262_144, content: 'ranges', ranges };
    writeFileSync(join(out, 'fixture.json'), JSON.stringify(manifest));
    await packRanges(path, ranges, crashVolumePath(out, manifest.volumes[0]));
    const copy = await unpackCrash(out, join(folder, 'copy'));
    const image = readFileSync(copy.volumes[0]?.path ?? '');
    const live = readFileSync(path);
    const expected = Buffer.alloc(262_144);
    for (const { offset, lengthBytes } of ranges) expected.set(live.subarray(offset, offset + lengthBytes), offset);
    assert.ok(image.equals(expected));
  });
});

test('a pack refuses a running host, a folder that is no state folder, and volumes of other names or sizes', async () => {
  await withFolder(async (folder) => {
    const { stateDirectory, journals } = writeDataRing(folder, 2);
    const out = join(folder, 'out');
    const options = packOptions(stateDirectory, out);
    assert.is(await codeOf(() => packHost({ ...options, stateDirectory: folder })), 'ERR_FIXTURE_STATE');
    assert.is(await codeOf(() => packHost({ ...options, volumes: [{ name: 'other', path: 'x' }] })), 'ERR_FIXTURE_VOLUME');
    writeFileSync(join(folder, 'short'), Buffer.alloc(512));
    assert.is(await codeOf(() => packHost({ ...options, volumes: [{ name: 'db1', path: join(folder, 'short') }] })), 'ERR_FIXTURE_VOLUME');
    assert.equal(readdirSync(out), [], 'half a pack is left');
    const lock = new NodeDisk().lock(watermarkPath(journals));
    assert.is(await codeOf(() => packHost(options)), 'ERR_FIXTURE_RUNNING');
    lock?.release();
    const server = createServer((_, response) => response.end('{}'));
    await new Promise<void>((resolve) => server.listen(controlSocketPath(stateDirectory), resolve));
    assert.is(await codeOf(() => packHost(options)), 'ERR_FIXTURE_RUNNING');
    await new Promise((resolve) => server.close(resolve));
    assert.is(await codeOf(() => packHost(options)), 'none');
    assert.equal(
      readdirSync(out).filter((name) => !['README.md', 'crash', 'expected.json', 'fixture.json'].includes(name)),
      [],
    );
  });
});

test('a damaged state is packed as it is, and says so', async () => {
  await withFolder(async (folder) => {
    const { stateDirectory } = writeDataRing(folder, 2);
    const path = join(stateDirectory, 'host-state.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"hostEpoch": 0', '"hostEpoch": 1'));
    const out = join(folder, 'out');
    const report = await packHost({ ...packOptions(stateDirectory, out), withoutData: true });
    assert.is(report.error, 'ERR_STATE_CORRUPT');
    assert.is(
      await codeOf(() => packHost({ ...packOptions(stateDirectory, join(folder, 'two')), volumes: [{ name: 'db1', path }] })),
      'ERR_FIXTURE_VOLUME',
    );
    truncateSync(path, 20);
    assert.is((await packHost({ ...packOptions(stateDirectory, join(folder, 'three')), withoutData: true })).error, 'ERR_STATE_CORRUPT');
  });
});

test('a flipped bit is found by what it does to a checksum', () => {
  const bytes = Buffer.alloc(5000, 'of any content ');
  const checksum = crc32(bytes);
  for (const [byte, bit] of [
    [0, 0],
    [17, 7],
    [4999, 3],
  ] as const) {
    const damaged = Buffer.from(bytes);
    damaged[byte] = (damaged[byte] ?? 0) ^ (1 << bit);
    assert.equal(findFlippedBit(bytes.length, checksum ^ crc32(damaged)), { byte, bit });
  }
  assert.is(findFlippedBit(bytes.length, 0), null);
  assert.is(findFlippedBit(16, crc32(Buffer.alloc(16, 1)) ^ crc32(Buffer.alloc(16, 9))), null);
});

test('the version is the one of the package', () => {
  assert.match(programVersion(), /^\d+\.\d+\.\d+/);
  assert.not.ok(existsSync(join(import.meta.dirname, 'package.json')));
});

test.run();
