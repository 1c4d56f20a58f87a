/** The clients that people have, against our server over a Unix socket and TCP; each is skipped by name where it is missing. */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NbdServer } from '../../src/nbd/server.ts';
import { MemoryBackend, memoryExport } from '../support/memory-backend.ts';

const test = suite('real NBD clients');
const SIZE_BYTES = 16 * 1024 * 1024;
const CLIENT_MS = 15_000;

const folder = mkdtempSync(join(tmpdir(), 'farshore-nbd-clients-'));
const backend = new MemoryBackend({
  replies: 'later',
  exports: [memoryExport('db1', SIZE_BYTES), memoryExport('logs', 65_536, { readOnly: true })],
});
const socketPath = join(folder, 'nbd.sock');
const server = new NbdServer({
  backend,
  listen: [
    { kind: 'tcp', host: '127.0.0.1', port: 0 },
    { kind: 'unix', path: socketPath },
  ],
});

test.before(() => server.start());
test.before.each(() => void backend.memory[0]?.fill(0));
test.after(async () => {
  await server.stop({ timeoutMs: 1_000 });
  rmSync(folder, { recursive: true, force: true });
});

function unixUri(exportName = ''): string {
  return `nbd+unix:///${exportName}?socket=${socketPath}`;
}

function tcpUri(exportName = ''): string {
  const address = server.addresses()[0];
  return address?.kind === 'tcp' ? `nbd://127.0.0.1:${address.port}/${exportName}` : '';
}

function isInstalled(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Run a client with a time limit; its standard output, or an error with everything it said. */
function run(tool: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: CLIENT_MS, killSignal: 'SIGKILL', cwd: folder });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${tool} ${args.join(' ')} ended with ${signal ?? code}: ${output}${errors}`));
    });
  });
}

function testWith(tool: string, what: string, body: () => Promise<void>): void {
  if (isInstalled(tool)) test(`${tool}: ${what}`, body);
  else test.skip(`${tool}: ${what} (${tool} is not installed)`, body);
}

testWith('nbdinfo', 'sees flags, size, block sizes, descriptions and contexts of every export', async () => {
  for (const uri of [unixUri(), tcpUri()]) {
    const { exports } = JSON.parse(await run('nbdinfo', ['--list', '--json', uri])) as { exports: Record<string, unknown>[] };
    assert.equal(
      exports.map((entry) => [entry['export-name'], entry['description'], entry['export-size'], entry['is_read_only']]),
      [
        ['db1', 'memory db1', SIZE_BYTES, false],
        ['logs', 'memory logs', 65_536, true],
      ],
    );
    for (const entry of exports) {
      assert.equal(entry['contexts'], ['base:allocation']);
      for (const able of ['cache', 'df', 'fast_zero', 'flush', 'fua', 'multi_conn', 'trim', 'zero']) {
        // libnbd counts changes out where an export is read-only; what matters there is that it may be read.
        if (entry['export-name'] === 'db1') assert.is(entry[`can_${able}`], true, able);
      }
      assert.equal(
        [entry['block_size_minimum'], entry['block_size_preferred'], entry['block_size_maximum']],
        [512, 4096, 32 * 1024 * 1024],
      );
    }
  }
});

testWith('nbdinfo', 'finds one extent of data with --map', async () => {
  const map = JSON.parse(await run('nbdinfo', ['--map', '--json', unixUri('db1')])) as Record<string, unknown>[];
  assert.equal(
    map.map((extent) => [extent['offset'], extent['length'], extent['type']]),
    [[0, SIZE_BYTES, 0]],
  );
});

testWith('nbdcopy', 'copies a file in and out over several connections', async () => {
  const content = Buffer.from(Array.from({ length: SIZE_BYTES / 4 }, (_, index) => (index * 2_654_435_761) >>> 24));
  const file = Buffer.concat([content, content, content, content]);
  writeFileSync(join(folder, 'in.img'), file);
  await run('nbdcopy', ['--flush', 'in.img', tcpUri()]);
  assert.ok(backend.memory[0]?.equals(file), 'the volume equals the file');
  await run('nbdcopy', [unixUri(), 'out.img']);
  assert.ok(readFileSync(join(folder, 'out.img')).equals(file), 'the copy equals the file');
});

testWith('qemu-io', 'writes with FUA, discards, writes zeroes and reads patterns', async () => {
  const commands = [
    'write -P 0xa5 -f 64k 128k',
    'read -P 0xa5 64k 128k',
    'discard 64k 4k',
    'write -z -u 68k 4k',
    'write -z -f 72k 4k',
    'read -P 0 64k 12k',
    'read -P 0xa5 76k 116k',
    'flush',
  ];
  const before = { ...backend.seen };
  for (const uri of [unixUri('db1'), tcpUri('db1')]) {
    const output = await run('qemu-io', ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), uri]);
    assert.not.match(output, /Pattern verification failed|error/i);
  }
  // qemu-io of some versions sets FUA with every `write -z` too.
  assert.ok(backend.seen.fua - before.fua >= 4);
  assert.is(backend.seen.trim - before.trim, 2);
  assert.is(backend.seen.writeZeroes - before.writeZeroes, 4);
});

testWith('qemu-io', 'is refused on a read-only export', async () => {
  await run('qemu-io', ['-r', '-f', 'raw', '-c', 'read -P 0 0 4k', unixUri('logs')]);
  const refused = await run('qemu-io', ['-f', 'raw', '-c', 'write 0 4k', unixUri('logs')]).catch((error: Error) => error.message);
  assert.match(refused, /ended with 1/);
});

testWith('qemu-img', 'info and compare', async () => {
  backend.memory[0]?.fill(0x3c, 1024 * 1024, 3 * 1024 * 1024);
  writeFileSync(join(folder, 'same.img'), backend.memory[0] as Buffer);
  const info = JSON.parse(await run('qemu-img', ['info', '--output=json', '-f', 'raw', unixUri('db1')])) as Record<string, unknown>;
  assert.is(info['virtual-size'], SIZE_BYTES);
  assert.match(await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', 'same.img', tcpUri('db1')]), /Images are identical/);
});

testWith('fio', 'random writes at depth 32 and 8 jobs, verified', async () => {
  const job = [
    '--name=verify',
    '--ioengine=nbd',
    '--rw=randwrite',
    '--bs=4k',
    '--iodepth=32',
    '--verify=crc32c',
    '--do_verify=1',
    '--verify_fatal=1',
    '--output-format=terse',
  ];
  await run('fio', [...job, `--uri=${unixUri()}`, '--size=8m', '--norandommap', '--serialize_overlap=1', '--fsync=64']);
  await run('fio', [...job, `--uri=${tcpUri()}`, '--size=2m', '--numjobs=8', '--offset_increment=2m', '--thread']);
  assert.is(server.counters.protocolViolations, 0);
});

testWith('nbdsh', 'reads with DF and sees errnos', async () => {
  const script =
    'h.pwrite(b"x" * 512, 512, 1)\nassert h.pread_structured(512, 512, lambda *a: 0, 4) == b"x" * 512\ntry:\n    h.pread(512, 256)\n    raise SystemExit(1)\nexcept nbd.Error as e:\n    assert e.errno == "EINVAL", e\n';
  // It is a shell script that takes the first python3 on the PATH; the nbd module belongs to the system's.
  await run('env', [
    `PATH=/usr/bin:/bin:${process.env.PATH ?? ''}`,
    'nbdsh',
    '-u',
    unixUri('db1'),
    '-c',
    'h.set_strict_mode(0)',
    '-c',
    script,
  ]);
});

test('no buffer stays lent', () => {
  assert.is(server.pool.lent, 0);
});

test.run();
