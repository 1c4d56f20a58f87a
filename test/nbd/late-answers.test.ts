/** A backend that answers late and in any order finds every payload as it was received, whatever its client sent meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/simulation/random.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import type { NbdBackend, NbdRequest } from '../../src/nbd/contract.ts';
import { NbdServer } from '../../src/nbd/server.ts';

const BLOCK = 512;
const SIZE_BYTES = 256 * 1024 * 1024;
/** 512 bytes to 300 KB, and now and then the large ones that are read right into their buffers. */
const BLOCKS = [1, 8, 8, 8, 8, 32, 128, 600, 2048, 4096];

/** Each block of a write tells its own place and the write's number. */
function fill(bytes: Buffer, offset: number, stamp: number): void {
  for (let at = 0; at < bytes.length; at += BLOCK) {
    bytes.fill(stamp & 255, at, at + BLOCK);
    bytes.writeUInt32LE((offset + at) / BLOCK, at);
    bytes.writeUInt32LE(stamp, at + BLOCK - 4);
  }
}

class LateBackend implements NbdBackend {
  readonly held: NbdRequest[] = [];
  readonly random: Random;
  wrong = 0;
  answered = 0;
  largest = 0;
  readonly #holdMax: number;

  constructor(random: Random, holdMax: number) {
    this.random = random;
    this.#holdMax = holdMax;
  }

  exports() {
    return [{ name: '', description: '', sizeBytes: SIZE_BYTES, readOnly: false }];
  }

  submit(requests: readonly NbdRequest[]): void {
    this.held.push(...requests);
    this.largest = Math.max(this.largest, this.held.length);
    while (this.held.length > this.#holdMax) this.answerOne();
  }

  answerOne(): void {
    const [request] = this.held.splice(this.random.int(this.held.length), 1);
    if (request === undefined) return;
    const data = Buffer.from((request.data ?? new Uint8Array(0)).slice());
    const stamp = data.length === 0 ? 0 : data.readUInt32LE(BLOCK - 4);
    const expected = Buffer.alloc(data.length);
    fill(expected, request.offset, stamp);
    if (!expected.equals(data) || data.length !== request.lengthBytes) this.wrong += 1;
    this.answered += 1;
    request.complete(0);
  }
}

async function writeAll(options: { seed: number; holdMax: number; clients: number; writes: number }): Promise<LateBackend> {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-late-'));
  const random = new Random(options.seed);
  const backend = new LateBackend(random, options.holdMax);
  const listen = { kind: 'unix', path: join(folder, 'nbd.sock') } as const;
  const server = new NbdServer({ backend, listen: [listen] });
  await server.start();
  const drain = setInterval(() => {
    // At the end nothing new pushes the last ones out.
    if (backend.held.length > 0) backend.answerOne();
  }, 1);
  try {
    let stamp = 0;
    const one = async (): Promise<void> => {
      const client = await NbdClient.connect({ address: listen });
      const underWay = new Set<Promise<void>>();
      for (let count = 0; count < options.writes; count += 1) {
        const bytes = Buffer.alloc(random.pick(BLOCKS) * BLOCK);
        const offset = random.int((SIZE_BYTES - bytes.length) / BLOCK) * BLOCK;
        stamp += 1;
        fill(bytes, offset, stamp);
        const write: Promise<void> = client.write(offset, bytes).then(() => void underWay.delete(write));
        underWay.add(write);
        if (underWay.size >= 64) await Promise.race(underWay);
      }
      await Promise.all(underWay);
      await client.close();
    };
    await Promise.all(Array.from({ length: options.clients }, one));
    assert.is(server.pool.lent, 0, 'every buffer is given back');
  } finally {
    clearInterval(drain);
    await server.stop({ timeoutMs: 0 });
    rmSync(folder, { recursive: true, force: true });
  }
  return backend;
}

for (const holdMax of [0, 5, 40, 150]) {
  test(`answers to ${holdMax} requests are late: every payload is whole`, async () => {
    const backend = await writeAll({ seed: 11 + holdMax, holdMax, clients: 3, writes: 400 });
    assert.is(backend.answered, 1200);
    assert.is(backend.wrong, 0);
    assert.ok(backend.largest >= Math.min(holdMax, 100), `${backend.largest} were held at once`);
  });
}

test.run();
