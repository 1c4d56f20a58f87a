/** The programs that measure a layer do what they say they measure: small runs in real processes. */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runAlone, startAlone } from '../../../bench/layers/alone.ts';
import type { CoreAnswer } from '../../../bench/layers/core-run.ts';
import type { DestageAnswer } from '../../../bench/layers/destage-run.ts';
import type { JournalAnswer } from '../../../bench/layers/journal-run.ts';
import type { LinkAnswer } from '../../../bench/layers/link-end.ts';
import type { RecoveryAnswer } from '../../../bench/layers/recovery-run.ts';
import { withBenchScope } from '../../../bench/support/bench-scope.ts';

const MIB = 1024 * 1024;
const PREPARED = 7;

/** 4 KiB blocks of a volume that are no longer as they were prepared. */
function changedBlocks(path: string): number {
  const bytes = readFileSync(path);
  let changed = 0;
  for (let at = 0; at < bytes.length; at += 4096) if (bytes.subarray(at, at + 4096).some((byte) => byte !== PREPARED)) changed += 1;
  return changed;
}

test('recovery finds every record of full journals, and stores them', () =>
  withBenchScope(async (scope) => {
    const folder = scope.newFolder('recovery');
    const task = { folder, slots: 3, slotBytes: MIB, recordBytes: 4096, volumeBytes: 8 * MIB };
    const filled = await runAlone<RecoveryAnswer>(scope, 'recovery-run', { ...task, step: 'fill' });
    assert.is(changedBlocks(join(folder, 'volume')), 0);
    const scanned = await runAlone<RecoveryAnswer>(scope, 'recovery-run', { ...task, step: 'scan' });
    assert.is(changedBlocks(join(folder, 'volume')), 0, 'a scan stores nothing');
    const recovered = await runAlone<RecoveryAnswer>(scope, 'recovery-run', { ...task, step: 'recover' });
    // Each slot holds as many writes as fit, and the sync.
    const perSlot = Math.floor((MIB - 8192 - 4096 - 120) / (4096 + 80)) + 1;
    assert.is(scanned.records, 3 * perSlot);
    assert.is(recovered.records, 3 * perSlot);
    assert.is(filled.encodedBytes, 3 * ((perSlot - 1) * (4096 + 80) + 120));
    const changed = changedBlocks(join(folder, 'volume'));
    assert.ok(changed > perSlot && changed <= 3 * (perSlot - 1), `${changed} blocks were stored`);
  }));

test('journal commits carry every record, destage stores by both methods, the machines bring all writes through', () =>
  withBenchScope(async (scope) => {
    const directory = join(scope.newFolder('ring'), 'journals');
    const journal = { directory, slots: 2, slotBytes: MIB, batchRecords: 16, seconds: 0.2 };
    const committed = await runAlone<JournalAnswer>(scope, 'journal-run', journal);
    assert.ok(committed.commits > 0 && committed.records > committed.commits && committed.records <= committed.commits * 16);
    for (const store of ['pwrite', 'mmap']) {
      const path = join(scope.newFolder(store), 'volume');
      const task = { path, volumeBytes: 8 * MIB, store, recordBytes: 4096, dataSets: 2, writes: 50 };
      await runAlone(scope, 'destage-run', { ...task, step: 'prepare' });
      const { records } = await runAlone<DestageAnswer>(scope, 'destage-run', { ...task, step: 'destage' });
      assert.is(records, 100);
      const changed = changedBlocks(path);
      assert.ok(changed > 50 && changed <= 100, `${store}: ${changed} blocks were stored`);
    }
    const core = await runAlone<CoreAnswer>(scope, 'core-run', { batchWrites: 32, seconds: 0.1 });
    assert.ok(core.destaged > 0 && core.taken >= core.writes * 0.98, JSON.stringify(core));
  }));

test('a link and a plain socket carry bytes between two processes', () =>
  withBenchScope(async (scope) => {
    for (const way of ['checked', 'tcp']) {
      const kind = { way, recordBytes: 4096, batchRecords: 1, seconds: 0.2 };
      const [sender, { port }] = await startAlone<{ port: number }>(scope, 'link-end', { ...kind, end: 'send', port: 0 });
      const received = await runAlone<LinkAnswer>(scope, 'link-end', { ...kind, end: 'receive', port });
      assert.ok(received.bytes > 0, way);
      while (!sender.hasEnded) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.is(sender.child.exitCode, 0, sender.output);
    }
  }));

test('the long line: no delay until it is asked for, then 25 ms each way, and no byte out of order', () =>
  withBenchScope(async (scope) => {
    const folder = scope.newFolder('line');
    const [target, listen] = [join(folder, 'target'), join(folder, 'listen')];
    const server = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => server.listen(target, resolve));
    const [proxy] = await startAlone(scope, '../latency/delay-proxy', { listen, target, delayMs: 25 });
    const socket = connect(listen);
    const fast = [await roundTrip(socket, Buffer.alloc(1)), await roundTrip(socket, Buffer.alloc(1))];
    proxy.child.kill('SIGUSR2');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok((await roundTrip(socket, Buffer.alloc(1))) >= 50);
    // Half of it is on the line when the delay ends: the rest must not overtake it.
    const bytes = Buffer.from(Uint32Array.from({ length: 256 * 1024 }, (_, index) => index).buffer);
    setTimeout(() => proxy.child.kill('SIGUSR2'), 10);
    await roundTrip(socket, bytes);
    assert.ok(Math.min(...fast) < 50, `${fast.join(', ')} ms without delay`);
    socket.destroy();
    server.close();
  }));

/** Send bytes, wait until they come back, compare them; milliseconds. */
async function roundTrip(socket: Socket, bytes: Buffer): Promise<number> {
  const startedAt = performance.now();
  const pieces: Buffer[] = [];
  let received = 0;
  await new Promise<void>((resolve) => {
    const take = (piece: Buffer): void => {
      pieces.push(piece);
      received += piece.length;
      if (received < bytes.length) return;
      socket.off('data', take);
      resolve();
    };
    socket.on('data', take);
    socket.write(bytes);
  });
  assert.ok(Buffer.concat(pieces).subarray(0, bytes.length).equals(bytes), 'the bytes came back in order');
  return performance.now() - startedAt;
}

test.run();
