/**
 * One process of a peer through its life: commands that it refuses, a takeover that is refused and leaves it a peer, one that takes
 * time, one that is killed in the middle, and what its config does afterwards. @timeLimit 300 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CommandResult, Host } from '../support/host-process.ts';
import { withPeeredHosts, type PeeredHosts, type PeeredHostsOptions } from '../support/peered-hosts.ts';

const SCENE: PeeredHostsOptions = {
  volumes: [{ name: 'db1', sizeMiB: 4 }],
  slots: 4,
  slotMiB: 1,
  regionMiB: 4,
  dataSets: { maxSize: '512KiB' },
};
const BLOCK = Buffer.alloc(4096, 'farshore');

/** Exit code and error code of a command that must fail. */
async function refused(host: Host, args: readonly string[]): Promise<string> {
  const result = await host.command([...args, '--json']);
  const { error } = JSON.parse(result.stdout) as { error?: { code?: string } };
  return `${result.exitCode} ${error?.code ?? 'no code'}`;
}

async function write(host: Host, offset: number): Promise<void> {
  const client = await host.connect();
  await client.write(offset, BLOCK, { fua: true });
  await client.close();
}

/** The process of the peer is the same, and it is a peer that its secondary uses. */
async function stillPeer(hosts: PeeredHosts, pid: number | null): Promise<void> {
  const status = await hosts.peer.untilStatus('is used by its secondary', ({ role, state }) => role === 'peer' && state === 'replicating');
  assert.is(status.pid, pid);
}

test('what a peer is not: promoted, drained, taken over beside its secondary', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    await hosts.start();
    const { peer } = hosts;
    const { pid } = peer;
    assert.is(await refused(peer, ['promote']), '2 ERR_ROLE');
    assert.is(await refused(peer, ['wait', '--for', 'drained']), '2 ERR_ROLE');
    assert.is(await refused(peer, ['takeover', '--fenced']), '5 ERR_SECONDARY_CONNECTED');
    assert.is(await refused(peer, ['detach']), '1 ERR_NOT_AVAILABLE');
    assert.is((await peer.command(['wait', '--for', 'replicating'])).exitCode, 0);
    assert.is((await peer.command(['takeover', '--dry-run'])).exitCode, 0);
    await stillPeer(hosts, pid);
    assert.match(
      (await hosts.secondary.command(['status'])).stdout,
      new RegExp(`mode write-back \\(peer 127\\.0\\.0\\.1:${hosts.peerPort} up\\)`),
    );
    assert.match((await peer.command(['status'])).stdout, /^ {2}nvram {5}.*peer\/nvram {2}4\.0 MiB, hold memory, region [0-9a-f]{8}$/m);
  });
});

test('a fence that fails leaves a peer, in the same process; the secondary comes back and uses it', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    hosts.peer.config.fence = ['sh', '-c', 'echo no power switch here; exit 3'];
    await hosts.start();
    const { secondary, peer } = hosts;
    const { pid } = peer;
    await secondary.kill();
    await peer.untilStatus('notices', ({ state }) => state !== 'replicating');
    assert.is(await refused(peer, ['takeover']), '5 ERR_FENCE_FAILED');
    assert.match(peer.log, /fence: no power switch here/);
    await secondary.start();
    await hosts.writeBack();
    await stillPeer(hosts, pid);
  });
});

test('a takeover that takes time: status says so, a second one is told to wait, a stop waits for its end', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    hosts.peer.config.fence = ['sleep', '2'];
    await hosts.start();
    const { secondary, peer } = hosts;
    await secondary.kill();
    await peer.untilStatus('notices', ({ state }) => state !== 'replicating');
    const takeover: Promise<CommandResult> = peer.command(['takeover']);
    const { reason } = await peer.untilStatus('takes over', ({ state }) => state === 'starting');
    assert.match(reason ?? '', /taking the place of the secondary/);
    assert.is(await refused(peer, ['takeover']), '5 ERR_HOST_BUSY');
    assert.is(await peer.stop(30_000), 0, 'stopped cleanly, behind the takeover');
    assert.is((await takeover).exitCode, 0);
    await peer.start();
    assert.is((await peer.status()).role, 'secondary');
    await hosts.replicating();
  });
});

test('killed in the middle of a takeover: the next start finishes it, without another fence', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    await hosts.start();
    const { primary, secondary, peer } = hosts;
    await write(primary, 0);
    await secondary.kill();
    await peer.untilStatus('notices', ({ state }) => state !== 'replicating');
    const takeover = peer.command(['takeover', '--fenced']);
    await peer.until('raises the host epoch', () => Promise.resolve(/takeover step 3/.test(peer.log)), 20_000);
    await peer.kill();
    assert.is((await takeover).exitCode, 3);
    await peer.start();
    assert.match(peer.log, /finishing a takeover that was interrupted/);
    assert.is((await peer.status()).role, 'secondary');
    await write(primary, 4096);
    await hosts.drained();
    await hosts.same();
  });
});

test('what took over is a secondary by the config of the peer: status, wait, start again, promote, serve', async () => {
  await withPeeredHosts(SCENE, async (hosts) => {
    await hosts.start();
    const { primary, secondary, peer } = hosts;
    const { pid } = peer;
    await write(primary, 0);
    await secondary.kill();
    await peer.untilStatus('notices', ({ state }) => state !== 'replicating');
    await hosts.takeOver();
    assert.is(peer.pid, pid, 'in the same process');
    assert.is(await refused(peer, ['takeover', '--fenced']), '5 ERR_TAKEN_OVER');
    await write(primary, 8192);
    await hosts.drained();
    assert.is((await peer.command(['wait', '--for', 'consistent'])).exitCode, 0);
    assert.is(await peer.stop(), 0);
    assert.is(await refused(peer, ['takeover', '--fenced']), '5 ERR_TAKEN_OVER');
    await peer.start();
    assert.match(peer.log, /the config says peer, but the durable state says secondary/);
    await hosts.replicating();
    await primary.kill();
    await peer.untilStatus('notices', ({ links }) => links.every(({ up }) => !up));
    assert.is((await peer.command(['promote'])).exitCode, 0);
    const client = await peer.connect();
    assert.ok(BLOCK.equals(await client.read(8192, BLOCK.length)));
    await client.close();
    assert.is(await peer.stop(), 0);
    await peer.start();
    assert.equal([(await peer.status()).state, (await peer.status()).role], ['promoted', 'primary']);
  });
});

test.run();
