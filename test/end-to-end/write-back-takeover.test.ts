/**
 * The secondary is gone for good, and its peer takes its place: after a kill, after a power cut, together with the primary, and of a
 * secondary that is only stopped and goes on afterwards, at moments around its destage. Nothing acknowledged is lost; the old secondary
 * writes nothing any more and is refused.
 *
 * @timeLimit 600 s
 * @invariant I1 I2 I3 I8
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/simulation/random.ts';
import { AcknowledgeWatch } from '../support/acknowledge-watch.ts';
import { cutJournals, readTrace } from '../support/cut-journals.ts';
import { harassed } from '../support/harassed-host.ts';
import { sleep, spawnTracked, within, type Host } from '../support/host-process.ts';
import { withProxy } from '../support/link-chaos.ts';
import { OrderedWorkload } from '../support/ordered-workload.ts';
import { withPeeredHosts, type PeeredHosts, type PeeredHostsOptions } from '../support/peered-hosts.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';
import { needsTools } from '../support/tools.ts';

const LONG = process.env['FARSHORE_LONG'] === '1';
const SEED = Number(process.env['FARSHORE_SEED'] ?? 20260702);
const VOLUMES = [
  { name: 'db1', sizeMiB: 8 },
  { name: 'log', sizeMiB: 4, vlun: 5 },
];
const SCENE: PeeredHostsOptions = {
  volumes: VOLUMES,
  links: 2,
  slots: 6,
  slotMiB: 2,
  regionMiB: 8,
  dataSets: { minAge: '2ms', maxAge: '20ms', maxSize: '1MiB' },
};
const SLOW = harassed({ commitDelayMs: 5 });

interface PromotionJson {
  readonly keptDataSet: string | null;
  readonly keptSequence: string | null;
}

function ordered(hosts: PeeredHosts, seed: number): OrderedWorkload {
  return new OrderedWorkload({ host: hosts.primary, volumes: VOLUMES, seed, blocksMax: 32, flushEvery: 20, zeroShare: 0.03 });
}

/** Each data set has one sync command, and all other numbers are the application's commands. */
function commandsThrough(point: { dataSet: number; finalSequence: number }): number {
  return point.finalSequence + 1 - (point.dataSet + 1);
}

/** The volumes are exactly what the application's history says at the end of the kept data set. */
function assertHistory(workload: OrderedWorkload, host: Host, report: PromotionJson): void {
  const point = { dataSet: Number(report.keptDataSet ?? -1), finalSequence: Number(report.keptSequence ?? -1) };
  const images = workload.imagesAfter(commandsThrough(point));
  for (const [index, { name }] of VOLUMES.entries())
    assert.ok(
      readFileSync(host.volumePath(name)).equals(images[index] as Buffer),
      `${name} is the primary's at the end of data set ${report.keptDataSet}`,
    );
}

test('the secondary is killed for good under load: the peer takes over, the load goes on, everything arrives', async () => {
  for (const how of ['kill', 'power cut'] as const) {
    await withPeeredHosts(SCENE, async (hosts) => {
      const { primary, secondary, peer, folder } = hosts;
      const trace = join(folder, 'trace');
      await hosts.init();
      await Promise.all([primary.start(), secondary.start(['--trace', trace], { program: SLOW }), peer.start()]);
      await hosts.replicating();
      await hosts.writeBack();
      const workload = new StampedWorkload({ host: primary, seed: SEED, connections: 2, depth: 4, flushEvery: 9, zeroShare: 0.03 });
      await workload.start();
      await sleep(900);
      await secondary.kill('SIGKILL');
      const cuts = how === 'kill' ? [] : cutJournals(join(secondary.stateDirectory, 'journals'), readTrace(trace));
      await hosts.takeOver();
      await hosts.replicating();
      await sleep(500);
      await workload.stop();
      await hosts.drainedAndSame();
      process.stdout.write(`${JSON.stringify({ how, writes: workload.writes, cuts: cuts.length })}\n`);
      assert.is(workload.differenceIn(secondary.volumePath('db1')), null);
      assert.match(peer.log, /takeover/i);
    });
  }
});

test('primary and secondary are killed: takeover, then promote; the volumes are the history at one data set, not older than what was acknowledged', async () => {
  const random = new Random(SEED);
  for (let round = 0; round < (LONG ? 12 : 2); round += 1) {
    await withPeeredHosts(SCENE, async (hosts) => {
      const { primary, secondary, peer } = hosts;
      const watch = new AcknowledgeWatch();
      await withProxy(hosts, { watch }, async () => {
        const trace = join(hosts.folder, 'trace');
        await hosts.init();
        assert.is((await primary.startRefused(['--trace', trace])).exitCode, 2, 'a primary has no journals');
        // The flag of the command itself, and one that delays the commits besides.
        const how = round % 2 === 0 ? { program: SLOW } : {};
        await Promise.all([primary.start(), secondary.start(['--trace', trace], how), peer.start()]);
        await hosts.replicating();
        await hosts.writeBack();
        const workload = ordered(hosts, SEED + round);
        await workload.start();
        await sleep(400 + random.next() * 600);
        const acknowledged = Number((await primary.status()).sequence.acknowledged);
        await Promise.all([primary.kill('SIGKILL'), secondary.kill('SIGKILL')]);
        await workload.stop().catch(() => {});
        if (round % 2 === 1) cutJournals(join(secondary.stateDirectory, 'journals'), readTrace(trace));
        const journaled = readTrace(trace).findLast(({ event }) => event === 'watermarkDurable');
        await hosts.takeOver();
        const report = await peer.commandJson<PromotionJson>(['promote']);
        process.stdout.write(`${JSON.stringify({ acknowledged, through: watch.through, ...report, journaled })}\n`);
        assert.ok(
          Number(report.keptSequence) >= acknowledged,
          `kept ${report.keptSequence}, but ${acknowledged} was acknowledged complete`,
        );
        assertHistory(workload, peer, report);
        assert.is((await peer.status()).state, 'promoted');
      });
    });
  }
});

/** Where a secondary is stopped. */
type Moment = 'anywhere' | 'at a destage store' | 'at a read of its host epoch';

/** Stop the secondary in the middle: by a signal now, or by strace at a system call on the shared storage. */
async function stopAt(secondary: Host, moment: Moment): Promise<void> {
  if (moment === 'anywhere') {
    secondary.signal('SIGSTOP');
    return;
  }
  const [path, calls] =
    moment === 'at a destage store'
      ? [secondary.volumePath('db1'), 'pwrite64,pwritev']
      : [join(secondary.stateDirectory, 'journals/watermark'), 'pread64,preadv'];
  const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:signal=SIGSTOP:when=3`];
  const strace = spawnTracked('strace', ['-f', '-p', String(secondary.pid), '-P', path, ...inject]);
  const gone = new Promise<void>((resolve) => void strace.once('exit', () => resolve()));
  let told = '';
  strace.stderr?.setEncoding('utf8').on('data', (text: string) => (told += text));
  for (let tries = 0; tries < 1000 && !/stopped by SIGSTOP/.test(told); tries += 1) await sleep(10);
  assert.match(told, /stopped by SIGSTOP/, `${secondary.name} was stopped ${moment}`);
  // The tracer lets go; what it stopped stays stopped.
  secondary.signal('SIGSTOP');
  strace.kill('SIGINT');
  await within(gone, 5000);
  assert.match(readFileSync(`/proc/${secondary.pid}/status`, 'utf8'), /^State:\s+[Tt]/m, `${secondary.name} is stopped ${moment}`);
}

async function stoppedAndBack(moment: Moment): Promise<void> {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { primary, secondary, peer } = hosts;
    await hosts.start({ program: SLOW });
    const workload = new StampedWorkload({ host: primary, seed: SEED, connections: 2, depth: 4, flushEvery: 5, zeroShare: 0.03 });
    await workload.start();
    await sleep(600);
    await stopAt(secondary, moment);
    await hosts.takeOver();
    await hosts.replicating();
    await sleep(300);
    await workload.stop();
    await hosts.drainedAndSame();
    // Nobody else writes now: what changes from here on, the old secondary did.
    peer.signal('SIGSTOP');
    const before = filesOnStorage(secondary);
    secondary.signal('SIGCONT');
    await sleep(3000);
    assert.equal(filesOnStorage(secondary), before, 'the old secondary writes nothing any more');
    peer.signal('SIGCONT');
    await hosts.replicating();
    await workload.start();
    await sleep(500);
    await workload.stop();
    await hosts.drainedAndSame();
    assert.is(workload.differenceIn(secondary.volumePath('db1')), null);
    if (secondary.isRunning) {
      const status = await secondary.status();
      assert.is(status.state, 'failed', `state of the old secondary: ${status.state}`);
      assert.match(status.reason ?? '', /ERR_HOST_SUPERSEDED/);
      await secondary.kill();
    }
    assert.match(secondary.log, /ERR_HOST_SUPERSEDED/);
    const again = await secondary.startRefused();
    assert.is(again.exitCode, 5, again.log);
    assert.match(again.log, /ERR_HOST_SUPERSEDED/);
  });
}

test('a secondary that is stopped while its place is taken and promoted writes nothing into what is served then', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { primary, secondary, peer } = hosts;
    await hosts.start();
    const workload = ordered(hosts, SEED);
    await workload.start();
    await sleep(700);
    const acknowledged = Number((await primary.status()).sequence.acknowledged);
    secondary.signal('SIGSTOP');
    await primary.kill('SIGKILL');
    await workload.stop().catch(() => {});
    await hosts.takeOver();
    const report = await peer.commandJson<PromotionJson>(['promote']);
    assert.ok(Number(report.keptSequence) >= acknowledged, `kept ${report.keptSequence}, but ${acknowledged} was acknowledged complete`);
    assertHistory(workload, peer, report);
    const client = await peer.connect('db1');
    await client.write(0, Buffer.alloc(4096, 0x77), { fua: true });
    await client.close();
    const before = filesOnStorage(secondary);
    // Nobody is left who could refuse it: only the host epoch on the shared storage tells it.
    secondary.signal('SIGCONT');
    await sleep(3000);
    assert.equal(filesOnStorage(secondary), before, 'the old secondary writes nothing any more');
    assert.match(secondary.log, /ERR_HOST_SUPERSEDED/);
    assert.is((await peer.status()).state, 'promoted');
  });
});

/** Digests of volumes, journals and watermark. */
function filesOnStorage(secondary: Host): string[] {
  const { volumes, journals } = secondary.config;
  const names = ['watermark', ...Array.from({ length: SCENE.slots ?? 0 }, (_, slot) => `slot-000${slot}.journal`)];
  const paths = [...volumes.map(({ path }) => path), ...names.map((name) => join(journals?.path ?? '', name))];
  return paths.map((path) => {
    const bytes = readFileSync(join(secondary.folder, path));
    return `${path} ${createHash('sha256').update(bytes).digest('hex')}`;
  });
}

test('a secondary that is stopped, replaced, and goes on again writes nothing and is refused', async () => {
  await stoppedAndBack('anywhere');
});

for (const moment of ['at a destage store', 'at a read of its host epoch'] as const)
  needsTools(
    test,
    'strace',
    'root',
  )(`the same, stopped ${moment}`, async () => {
    await stoppedAndBack(moment);
  });

test.run();
