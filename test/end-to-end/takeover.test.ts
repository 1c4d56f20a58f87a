/**
 * `farshore takeover` as an operator meets it: what it refuses, its fence, a running and a stopped peer, a kill in the middle of it, and
 * the life of the host afterwards, with a new peer. What becomes of acknowledged data under load stands in write-back-takeover.test.ts.
 *
 * @timeLimit 600 s
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { giveCommand } from '../../src/cli/control-client.ts';
import { Host, sleep, type CommandResult } from '../support/host-process.ts';
import { imagesOf } from '../support/host-copies.ts';
import { freePort } from '../support/hosts.ts';
import { withPeeredHosts, type PeeredHosts, type PeeredHostsOptions } from '../support/peered-hosts.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';

const SCENE: PeeredHostsOptions = { slots: 4, slotMiB: 2, regionMiB: 8, dataSets: { minAge: '2ms', maxAge: '20ms', maxSize: '1MiB' } };

async function takeover(host: Host, args: readonly string[] = []): Promise<CommandResult> {
  return host.command(['takeover', ...args], { timeoutMs: 60_000 });
}

function refusal(result: CommandResult, code: string, exitCode = 5): void {
  assert.is(result.exitCode, exitCode, `${result.stdout}${result.stderr}`);
  assert.match(result.stderr, code);
}

/** What a takeover that was refused must not have touched. */
function touched({ secondary, peer }: PeeredHosts): string {
  const journals = join(secondary.folder, secondary.config.journals?.path ?? '');
  const state = readFileSync(join(peer.stateDirectory, 'host-state.json'), 'utf8');
  return `${state}${readFileSync(join(journals, 'watermark')).toString('base64')}${imagesOf(secondary)}`;
}

async function writeSome(hosts: PeeredHosts): Promise<StampedWorkload> {
  const workload = new StampedWorkload({ host: hosts.primary, connections: 2, depth: 4, flushEvery: 9 });
  await workload.start();
  await sleep(400);
  await workload.stop();
  return workload;
}

test('refused: while the secondary is connected, without a fence, with one that fails; and nothing is changed', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { secondary, peer, primary } = hosts;
    refusal(await takeover(secondary), 'ERR_ROLE', 2);
    await hosts.start();
    refusal(await takeover(peer, ['--fenced']), 'ERR_SECONDARY_CONNECTED');
    refusal(await takeover(primary), 'ERR_ROLE', 2);
    await writeSome(hosts);
    await secondary.kill();
    const before = touched(hosts);
    refusal(await takeover(peer), 'ERR_FENCE_NEEDED');
    await peer.untilStatus('goes on as a peer', ({ role }) => role === 'peer');
    await peer.stop();
    for (const [fence, words] of [
      [['sh', '-c', 'echo cannot reach the BMC; exit 7'], 'exit code 7'],
      [['/nowhere/fence'], 'ENOENT'],
    ] as const) {
      peer.config.fence = [...fence];
      for (const isRunning of [false, true]) {
        if (isRunning) await peer.start();
        const result = await takeover(peer);
        refusal(result, 'ERR_FENCE_FAILED');
        assert.match(result.stderr.replace(/\s+/g, ' '), words);
        if (isRunning) assert.match(peer.log, fence[0] === 'sh' ? 'fence: cannot reach the BMC' : 'ENOENT');
      }
      await peer.stop();
    }
    assert.is(touched(hosts), before);
    // As if nothing had been asked: both go on.
    await Promise.all([secondary.start(), peer.start()]);
    await hosts.writeBack();
    await hosts.drainedAndSame();
  });
});

test('a running peer runs the fence command and goes on as the secondary, in the same process; once', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { primary, secondary, peer } = hosts;
    await hosts.start();
    await writeSome(hosts);
    // The power switch of this test.
    await peer.stop();
    peer.config.fence = ['sh', '-c', `kill -9 ${secondary.pid} && echo powered off`];
    await peer.start();
    await hosts.writeBack();
    refusal(await takeover(peer), 'ERR_SECONDARY_CONNECTED');
    assert.ok(secondary.isRunning, 'the fence was not run');
    // It hangs: the links are there, and nothing comes over them.
    secondary.signal('SIGSTOP');
    const { pid } = peer;
    const report = await peer.commandJson<{ fence: string; hostEpoch: number }>(['takeover'], { timeoutMs: 60_000 });
    assert.equal([report.fence, report.hostEpoch, peer.pid], ['command', 1, pid]);
    assert.match(peer.log, 'fence: powered off');
    const status = await peer.untilStatus('is the secondary', ({ role, state }) => role === 'secondary' && state === 'replicating');
    assert.equal([status.mode, status.peer], ['write-through', null]);
    await hosts.replicating();
    await writeSome(hosts);
    await hosts.drainedAndSame();
    refusal(await takeover(peer, ['--fenced']), 'ERR_TAKEN_OVER');
    // The primary keeps the host epoch over its own restart, and refuses the old secondary.
    await primary.stop();
    await primary.start();
    await hosts.replicating();
    const again = await secondary.startRefused();
    assert.equal([again.exitCode, /ERR_HOST_SUPERSEDED|ERR_JOURNALS_LOCKED|ERR_VOLUME_LOCKED/.test(again.log)], [5, true], again.log);
    await peer.stop();
    const third = await secondary.startRefused();
    assert.is(third.exitCode, 5);
    assert.match(third.log, 'ERR_HOST_SUPERSEDED');
  });
});

test('a stopped peer: --dry-run changes nothing, takeover, then start', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { secondary, peer } = hosts;
    await hosts.start();
    await writeSome(hosts);
    await Promise.all([secondary.kill(), peer.stop()]);
    const before = touched(hosts);
    const dry = await takeover(peer, ['--dry-run', '--fenced']);
    assert.is(dry.exitCode, 0, dry.stderr);
    assert.match(dry.stdout, /of them are in no journal/);
    assert.match(dry.stdout, /nothing was changed/);
    assert.is(touched(hosts), before);
    const report = await peer.commandJson<{ tookOver: boolean }>(['takeover', '--fenced'], { timeoutMs: 60_000 });
    assert.is(report.tookOver, true);
    await peer.start();
    await hosts.replicating();
    await writeSome(hosts);
    await hosts.drainedAndSame();
  });
});

test('kill -9 in the middle of a takeover: the next start finishes it, without another fence', async () => {
  for (const delayMs of [1200, 2200, 4150]) {
    await withPeeredHosts(SCENE, async (hosts) => {
      const { secondary, peer } = hosts;
      await hosts.start();
      await writeSome(hosts);
      await secondary.kill();
      await sleep(100);
      const told = giveCommand({ kind: 'socket', path: peer.controlSocket }, 'takeover', { fenced: true }).catch(() => null);
      await sleep(delayMs);
      if (peer.isRunning) await peer.kill();
      await told;
      await peer.start([], { timeoutMs: 30_000 });
      await peer.untilStatus('is the secondary', ({ role }) => role === 'secondary');
      await hosts.replicating();
      await writeSome(hosts);
      await hosts.drainedAndSame();
    });
  }
});

test('afterwards: the host that took over gets a peer of its own, and is in write-back again', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    const { secondary, peer, folder } = hosts;
    await hosts.start();
    await writeSome(hosts);
    await secondary.kill();
    await hosts.takeOver();
    await hosts.replicating();
    await peer.stop();
    const port = await freePort();
    const { journals, mode } = secondary.config;
    assert.ok(journals !== undefined && mode === 'write-back');
    const next = new Host({
      name: 'next',
      folder,
      config: { ...structuredClone(secondary.config), state: peer.config.state, peer: { listen: `127.0.0.1:${port}` } },
    });
    const newPeer = new Host({
      name: 'new-peer',
      folder,
      config: {
        ...structuredClone(peer.config),
        state: 'new-peer',
        nvram: { path: 'new-peer/nvram', size: '8MiB', hold: 'memory' },
        connect: [`ws://127.0.0.1:${port}`],
      },
    });
    await newPeer.init();
    await Promise.all([next.start(), newPeer.start()]);
    await next.untilStatus('is in write-back', (status) => status.mode === 'write-back' && status.peer?.up === true);
    await hosts.replicating();
    await writeSome(hosts);
    await hosts.drainedAndSame();
    await Promise.all([next.stop(), newPeer.stop()]);
  });
});

test.run();
