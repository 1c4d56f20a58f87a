/** The bench with real processes: a short run measures, and a copy that was changed fails it. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exitCodeOf, runBench } from '../../bench/bench.ts';
import { findMemoryLimit } from '../../bench/memory-limit.ts';
import { OptionError, planBench } from '../../bench/options.ts';
import { renderMarkdown } from '../../bench/report/markdown.ts';
import { withBenchScope } from '../../bench/support/bench-scope.ts';
import { findTools, TOOLS, type ToolVersions } from '../../bench/support/tools.ts';
import { withFolder } from '../support/scratch.ts';
import { needsTools } from '../support/tools.ts';

const RUN = fileURLToPath(new URL('../../bench/run.js', import.meta.url));
const SMALL = ['--rounds', '1', '--seconds', '0.5', '--size', '16', '--parts', 'side-by-side', '--states', 'large'];
const peerTest = needsTools(test, 'fio', 'nbdkit');

test('a round of a wrong option, and a machine without fio, end with exit code 2', () => {
  const wrong = spawnSync(process.execPath, [RUN, '--servers', 'farshore,nbdkit'], { encoding: 'utf8' });
  // Without fio the tools are looked at first; either way nothing is measured.
  assert.is(wrong.status, 2, wrong.stderr);
  const bare = spawnSync(process.execPath, [RUN, '--quick'], { encoding: 'utf8', env: { PATH: '/nonexistent' } });
  assert.is(bare.status, 2);
  assert.match(bare.stderr, /fio is missing/);
});

test('missing tools skip their servers by name, and the options are checked', () => {
  const none = Object.fromEntries(TOOLS.map((name) => [name, null])) as ToolVersions;
  const plan = planBench(['--servers', 'farshore,nbdkit-file,mirror-background'], none);
  assert.equal(
    plan.servers.map(({ name }) => name),
    ['farshore'],
  );
  assert.equal(plan.skipped, [
    { name: 'nbdkit-file', why: 'needs nbdkit' },
    { name: 'mirror-background', why: 'needs qemu-storage-daemon, qemu-nbd' },
  ]);
  assert.ok(plan.rounds >= 5 && plan.parts.length === 4 && plan.states.length === 4, 'the whole bench without options');
  assert.is(planBench(['--quick'], none).rounds, 3);
  assert.equal(planBench(['--quick'], none).parts, ['side-by-side', 'layers', 'latency']);
  assert.equal(planBench(['--layers', '--latency'], none).parts, ['layers', 'latency']);
  for (const args of [
    ['--rounds', '0'],
    ['--rounds', '1.5'],
    ['--seconds', 'x'],
    ['--size', '12'],
    ['--workloads', 'none'],
    ['--nonsense'],
    ['word'],
  ]) {
    assert.throws(
      () => planBench(args, none),
      (error: unknown) => error instanceof OptionError,
      args.join(' '),
    );
  }
});

test('memory is limited only where control groups of version 2 hand the controller on', async () => {
  await withFolder((folder) => {
    const root = join(folder, 'cgroup');
    mkdirSync(root);
    const mounts = `proc /proc proc rw 0 0\ncgroup2 ${root} cgroup2 rw 0 0\n`;
    assert.match(JSON.stringify(findMemoryLimit('tmpfs /x cgroup rw 0 0')), /no control groups of version 2/);
    writeFileSync(join(root, 'cgroup.subtree_control'), 'cpu io\n');
    assert.match(JSON.stringify(findMemoryLimit(mounts)), /does not hand the memory controller on/);
    writeFileSync(join(root, 'cgroup.subtree_control'), 'cpu memory\n');
    assert.equal(findMemoryLimit(mounts), { kind: 'possible', root });
  });
});

peerTest('a short run against nbdkit measures, compares, writes its results, and leaves nothing behind', async () => {
  await withFolder((folder) => {
    const out = join(folder, 'out');
    const parent = join(folder, 'tmp');
    mkdirSync(parent);
    const args = [...SMALL, '--servers', 'farshore,nbdkit-file', '--workloads', 'write-4k-32,fsync-32', '--out', out, '--json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], {
      encoding: 'utf8',
      env: { ...process.env, FARSHORE_BENCH_TMP: parent },
    });
    assert.is(status, 0, stderr);
    const results = JSON.parse(stdout) as Awaited<ReturnType<typeof runBench>>;
    assert.equal(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')), results);
    assert.is(results.samples.length, 4);
    for (const sample of results.samples) {
      assert.ok(sample.operations > 0 && sample.operationsPerSecond > 0 && (sample.completion?.p50Us ?? 0) > 0, JSON.stringify(sample));
      if (sample.workload === 'fsync-32') {
        const expected = sample.operations / 32;
        assert.ok(Math.abs(sample.flushes - expected) <= 2, `${sample.flushes} flushes for ${sample.operations} writes`);
        assert.ok(sample.sync !== null && sample.sync.p50Us > 0);
      }
      const roles = sample.server === 'farshore' ? ['primary', 'secondary', 'fio'] : ['server', 'fio'];
      assert.equal(Object.keys(sample.cpuUsPerOperation), roles);
      assert.ok(
        roles.every((role) => (sample.cpuUsPerOperation[role] ?? 0) > 0),
        'each process did something',
      );
      assert.ok((sample.writtenPerByte ?? 0) > 0 && Object.values(sample.rssPeakBytes).every((bytes) => bytes > 1e6));
    }
    assert.equal(results.comparisons, [{ round: 0, server: 'farshore', state: 'large', equal: true, difference: null }]);
    assert.is(results.ratios.length, 2);
    assert.ok(readFileSync(join(out, 'results.md'), 'utf8').includes('| 4k random write, depth 32 | large |'));
    assert.ok(readFileSync(join(out, 'chart.svg'), 'utf8').startsWith('<svg '));
    assert.equal(spawnSync('ls', ['-A', parent], { encoding: 'utf8' }).stdout, '');
  });
});

peerTest('Ctrl-C in the middle ends every process and removes every file', async () => {
  await withFolder(async (folder) => {
    const parent = join(folder, 'tmp');
    mkdirSync(parent);
    const args = ['--quick', '--size', '16', '--parts', 'side-by-side', '--servers', 'farshore', '--out', join(folder, 'out')];
    const bench = spawn(process.execPath, [RUN, ...args], { env: { ...process.env, FARSHORE_BENCH_TMP: parent } });
    const ended = new Promise<number | null>((resolve) => void bench.once('exit', resolve));
    let said = '';
    bench.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      // Both hosts run then, and the next fio begins.
      if (text.includes('round 1/3 farshore')) bench.kill('SIGINT');
    });
    assert.is(await ended, 130, said);
    assert.match(said, /interrupted \(SIGINT\)/);
    assert.equal(readdirSync(parent), []);
    assert.equal(readdirSync(folder), ['tmp'], 'no results of half a run');
    assert.equal(commandLinesWith(parent), []);
  });
});

peerTest('one changed byte of the copy fails the whole bench', async () => {
  const plan = planBench([...SMALL, '--rounds', '2', '--servers', 'farshore,nbdkit-file', '--workloads', 'write-4k-32'], findTools());
  let folder = '';
  const results = await withBenchScope((scope) => {
    folder = scope.folder;
    return runBench(scope, plan, {
      say: () => undefined,
      beforeCompare: async ({ copyPath }) => {
        const byte = Buffer.of((readFileSync(copyPath ?? '')[12_345] ?? 0) ^ 0x01);
        const file = openSync(copyPath ?? '', 'r+');
        writeSync(file, byte, 0, 1, 12_345);
        closeSync(file);
      },
    });
  });
  assert.is(exitCodeOf(results), 1);
  assert.is(results.failure, null);
  assert.is(results.comparisons.length, 1, 'no further round is run');
  assert.match(results.comparisons[0]?.difference ?? '', /differ: byte 12346/);
  assert.match(renderMarkdown(results), /THE COPY DIFFERS: THIS RUN FAILED/);
  assert.not.ok(existsSync(folder));
});

/** Command lines of processes that name a path. */
function commandLinesWith(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        // It has just ended.
        return '';
      }
    })
    .filter((line) => line.includes(path));
}

test.run();
