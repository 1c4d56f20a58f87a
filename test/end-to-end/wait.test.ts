/** `farshore wait`, and the dry runs of the commands that change a host: what they say is about what really is, and stays. */
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { filesOf, withHosts } from '../support/hosts.ts';

const BLOCK = Buffer.alloc(65_536, 0x5a);

test('wait --for drained waits for the newest write, also when no data set is open', async () => {
  await withHosts({ dataSets: { minAge: '0ms', maxAge: '20ms' } }, async (hosts) => {
    await hosts.start();
    const client = await hosts.primary.connect();
    await client.write(0, BLOCK);
    await client.flush();
    await hosts.drained();
    hosts.secondary.signal('SIGSTOP');
    await client.write(4096, Buffer.alloc(65_536, 0x33));
    await client.flush();
    // The flush cuts; from then on the newest number is the sync command's, and no data set is open.
    const { sequence, dataSets } = await hosts.primary.untilStatus('has cut', (status) => status.dataSets.open === null);
    assert.ok(Number(sequence.open) > Number(sequence.destaged), JSON.stringify({ sequence, dataSets }));
    const early = await hosts.primary.command(['wait', '--for', 'drained', '--timeout', '500ms', '--json']);
    assert.is(early.exitCode, 1, early.stdout + early.stderr);
    assert.match(early.stdout + early.stderr, /ERR_WAIT_TIMEOUT/);
    hosts.secondary.signal('SIGCONT');
    await hosts.drainedAndSame();
    await client.close();
  });
});

test('init --dry-run says what it would make or refuse, and makes nothing', async () => {
  await withHosts({}, async ({ folder, primary, secondary }) => {
    for (const host of [primary, secondary]) {
      host.writeConfig();
      const before = readdirSync(folder, { recursive: true });
      const blank = await host.command(['init', '--dry-run']);
      assert.is(blank.exitCode, 0, blank.stderr);
      assert.match(blank.stdout, /makes .*db1\.img/);
      assert.equal(readdirSync(folder, { recursive: true }), before);
      await host.init();
      const files = filesOf(host);
      const again = await host.command(['init', '--dry-run', '--zero-existing']);
      assert.match(again.stdout + again.stderr, /initialised before/);
      assert.equal(filesOf(host), files);
    }
  });
});

test('detach --dry-run leaves a running primary replicating', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const client = await hosts.primary.connect();
    await client.write(0, BLOCK, { fua: true });
    await hosts.drained();
    const { stdout, exitCode } = await hosts.primary.command(['detach', '--dry-run']);
    assert.equal([exitCode, /would detach.*nothing was changed/s.test(stdout)], [0, true], stdout);
    await client.write(65_536, BLOCK, { fua: true });
    await hosts.drainedAndSame();
    assert.is((await hosts.primary.status()).state, 'replicating');
    await client.close();
    assert.ok(existsSync(hosts.primary.volumePath()));
  });
});

test.run();
