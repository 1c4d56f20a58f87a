/** The demo's application against a server that keeps everything in memory: what it wrote, what is read back, and what is found. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CopyCheck, type Judgement } from '../../src/demo/check-copy.ts';
import { History } from '../../src/demo/history.ts';
import { connectVolume, readFromFiles, readOverNbd } from '../../src/demo/read-volumes.ts';
import { Workload } from '../../src/demo/workload.ts';
import { NbdServer } from '../../src/nbd/server.ts';
import { MemoryBackend, memoryExport } from '../support/memory-backend.ts';

const VOLUMES = [
  { name: 'db1', blocks: 8192 },
  { name: 'db2', blocks: 4096 },
];

interface Served {
  readonly folder: string;
  readonly socket: string;
  readonly backend: MemoryBackend;
  readonly server: NbdServer;
}

async function served(work: (at: Served) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-test-'));
  const socket = join(folder, 'nbd');
  const backend = new MemoryBackend({ exports: VOLUMES.map(({ name, blocks }) => memoryExport(name, blocks * 512)) });
  const server = new NbdServer({ backend, listen: [{ kind: 'unix', path: socket }] });
  await server.start();
  try {
    await work({ folder, socket, backend, server });
  } finally {
    await server.stop({ timeoutMs: 0 });
    rmSync(folder, { recursive: true, force: true });
  }
}

async function writeRounds(
  { socket }: Served,
  options: { seed: number; rounds: number },
): Promise<{ history: History; workload: Workload }> {
  const history = new History(options.seed, VOLUMES);
  const clients = [await connectVolume(socket, 'db1'), await connectVolume(socket, 'db2')];
  const workload = new Workload(history, clients);
  for (let round = 0; round < options.rounds; round += 1) await workload.round();
  return { history, workload };
}

async function judged({ socket }: Served, history: History): Promise<Judgement> {
  const check = new CopyCheck(history);
  await readOverNbd(socket, VOLUMES, check);
  return check.judge();
}

test('everything that was replied to is read back, and each kind of request was there', async () => {
  await served(async (at) => {
    const { history } = await writeRounds(at, { seed: 1, rounds: 24 });
    const found = await judged(at, history);
    assert.is(found.equal, true, found.faults.join('; '));
    assert.is(found.writesKeptMax, history.writes.length);
    assert.is(history.acknowledged, history.writes.length);
    assert.is(history.rounds, 24);
    const { seen } = at.backend;
    for (const kind of ['write', 'writeZeroes', 'trim', 'flush', 'fua'] as const) assert.ok(seen[kind] > 0, kind);
    assert.ok(history.writes.some((one) => one.blocks > 256) && history.writes.some((one) => one.blocks === 1));
    assert.ok(history.writes.some((one) => one.firstBlock % 8 !== 0) && history.writes.some((one) => one.volume === 1));
  });
});

test('the same seed asks for the same', async () => {
  const asked: string[] = [];
  for (const seed of [7, 7, 8]) {
    await served(async (at) => {
      const { history } = await writeRounds(at, { seed, rounds: 6 });
      asked.push(
        JSON.stringify(history.writes.map(({ volume, round, kind, firstBlock, blocks }) => [volume, round, kind, firstBlock, blocks])),
      );
    });
  }
  assert.is(asked[0], asked[1]);
  assert.is.not(asked[0], asked[2]);
});

test('a server that dies in the last round: some requests are lost, and what is there is one moment', async () => {
  await served(async (at) => {
    const { history, workload } = await writeRounds(at, { seed: 3, rounds: 5 });
    const before = history.acknowledged;
    const lost = await workload.roundWithKill(() => void at.server.stop({ timeoutMs: 0 }));
    assert.ok(lost > 0 && lost < 32, `${lost} lost`);
    assert.ok(history.acknowledged > before && history.acknowledged < history.writes.length);
    const files = VOLUMES.map(({ name }, index) => {
      writeFileSync(join(at.folder, name), at.backend.memory[index]!);
      return join(at.folder, name);
    });
    const check = new CopyCheck(history);
    await readFromFiles(files, VOLUMES, check);
    const found = check.judge();
    assert.is(found.equal, true, found.faults.join('; '));
    assert.ok(found.writesKeptMax >= history.acknowledged);
  });
});

test('one wrong byte in what is served is found, and where', async () => {
  await served(async (at) => {
    const { history } = await writeRounds(at, { seed: 4, rounds: 4 });
    at.backend.memory[1]!.writeUInt8(at.backend.memory[1]!.readUInt8(4000 * 512 + 3) ^ 0x10, 4000 * 512 + 3);
    const found = await judged(at, history);
    assert.is(found.equal, false);
    assert.is(found.wrongBlocks, 1);
    assert.match(found.faults[0] ?? '', /^volume db2, block 4000 \(byte 2048000\): expected .+, found .+/);
  });
});

test('a file that is too short is not read as zeroes', async () => {
  await served(async (at) => {
    const history = new History(5, VOLUMES);
    const files = VOLUMES.map(({ name, blocks }, index) => {
      writeFileSync(join(at.folder, name), Buffer.alloc((blocks - index) * 512));
      return join(at.folder, name);
    });
    const check = new CopyCheck(history);
    await readFromFiles(files, VOLUMES, check);
    assert.equal(
      [check.judge().wrongBlocks, check.judge().faults[0]],
      [1, 'volume db2, block 4095 (byte 2096640): expected zeroes, as before the first write, found nothing: it was not read'],
    );
  });
});

test.run();
