/** The bench's peers with real processes: each can be measured, mirrors and copies end equal, and what cannot be measured is named. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BenchResults } from '../../bench/support/results.ts';
import { withFolder } from '../support/scratch.ts';
import { needsTools } from '../support/tools.ts';

const RUN = fileURLToPath(new URL('../../bench/run.js', import.meta.url));
const SMALL = ['--rounds', '1', '--seconds', '0.3', '--size', '16'];
const MIRRORS = ['mirror-background', 'mirror-background', 'mirror-write-blocking', 'mirror-write-blocking'];
const peersTest = needsTools(test, 'fio', 'nbdkit', 'qemu-nbd', 'qemu-storage-daemon', 'nbdcopy', 'rsync');

peersTest("nbdkit memory, qemu-nbd and both of QEMU's mirrors, hot and cold; every way to copy a volume", async () => {
  await withFolder((folder) => {
    const out = join(folder, 'out');
    const parent = join(folder, 'tmp');
    mkdirSync(parent);
    const servers = ['nbdkit-memory', 'qemu-nbd', 'mirror-background', 'mirror-write-blocking'];
    const choice = [
      '--parts',
      'side-by-side,copies',
      '--servers',
      servers.join(','),
      '--workloads',
      'write-4k-32',
      '--states',
      'large,cold',
    ];
    const { status, stderr } = spawnSync(process.execPath, [RUN, ...SMALL, ...choice, '--out', out], {
      encoding: 'utf8',
      env: { ...process.env, FARSHORE_BENCH_TMP: parent },
    });
    assert.is(status, 0, stderr);
    const results = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as BenchResults;
    const cells = results.samples.map(({ server, state }) => `${server} ${state}`);
    assert.equal(
      cells,
      servers.flatMap((server) => (server === 'nbdkit-memory' ? [`${server} large`] : [`${server} large`, `${server} cold`])),
    );
    assert.ok(results.samples.every(({ operations }) => operations > 0));
    assert.equal(results.skipped, [{ name: 'nbdkit-memory, volume cold', why: 'its volume is memory' }]);
    assert.equal(
      results.comparisons.map(({ server, equal }) => `${server} ${equal}`),
      [...MIRRORS, 'farshore', 'nbdcopy', 'rsync', 'qemu-mirror'].map((name) => `${name} true`),
    );
    assert.ok(results.copies.every(({ megabytesPerSecond }) => megabytesPerSecond > 0));
    assert.equal(spawnSync('ls', ['-A', parent], { encoding: 'utf8' }).stdout, '');
  });
});

test.run();
