/**
 * Clean stops (DESIGN section 7): a primary that was stopped with SIGTERM goes on with its stream, also when the secondary was not
 * there; a secondary may come and go; FLUSH waits for the far side when the group asks for it.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StatusReport } from '../../src/model/status.ts';
import { sleep, within } from '../support/host-process.ts';
import { withHosts, type Hosts } from '../support/hosts.ts';
import { seededBytes } from '../support/workload.ts';
import { StampedWriter } from '../support/stamped-writer.ts';

const LOAD = { blocks: 2048, depth: 8, flushEvery: 20, pauseMs: 1 };

/** The stream goes on: same group, generation and stream, numbers not below the earlier ones. */
function goesOn(before: StatusReport, after: StatusReport): void {
  assert.is(after.groupId, before.groupId);
  assert.is(after.generation, before.generation, 'the same generation');
  assert.is(after.stream, before.stream, 'the same stream');
  assert.is.not(after.session, before.session, 'another process');
  assert.ok(Number(after.sequence.open ?? after.sequence.acknowledged) >= Number(before.sequence.acknowledged), 'numbers never go back');
  assert.is(after.divergedFrom, null);
}

async function stopCleanly(hosts: Hosts, writer: StampedWriter): Promise<void> {
  assert.is(await hosts.primary.stop(), 0, hosts.primary.logTail());
  await writer.lost();
  assert.equal(writer.faults(hosts.primary.volumePath()), [], 'every acknowledged write is in the volume of the stopped primary');
}

test('SIGTERM under load with the secondary there: the restarted primary continues the stream, three times', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const writer = new StampedWriter({ host: hosts.primary, ...LOAD });
    for (let round = 0; round < 3; round += 1) {
      await writer.start();
      await sleep(400);
      const before = await hosts.primary.status();
      await stopCleanly(hosts, writer);
      await hosts.primary.start();
      await hosts.replicating();
      goesOn(before, await hosts.primary.status());
      await hosts.drainedAndSame();
    }
    assert.ok(writer.writes > 300, `${writer.writes} writes`);
    assert.not.match(hosts.secondary.log, /refused|violation/);
    assert.is(await hosts.secondary.stop(), 0);
  });
});

test('SIGTERM with the secondary away: the backlog is kept over two restarts and arrives when the secondary is back', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const writer = new StampedWriter({ host: hosts.primary, ...LOAD });
    await writer.start();
    await sleep(300);
    assert.is(await hosts.secondary.stop(), 0);
    const before = await hosts.primary.status();
    await sleep(300);
    for (let round = 0; round < 2; round += 1) {
      await stopCleanly(hosts, writer);
      assert.ok(statSync(join(hosts.primary.stateDirectory, 'backlog.bin')).size > 100 * 4096, 'what is unacknowledged was kept');
      await hosts.primary.start();
      goesOn(before, await hosts.primary.status());
      await writer.start();
      await sleep(300);
    }
    const { behind } = await hosts.primary.status();
    assert.ok(behind.dataSets > 0 && behind.bytes > 0, `the primary says that it is behind: ${JSON.stringify(behind)}`);
    await hosts.secondary.start();
    await hosts.replicating();
    await writer.stop();
    await hosts.drainedAndSame();
    assert.equal(writer.faults(hosts.secondary.volumePath()), []);
    goesOn(before, await hosts.primary.status());
  });
});

test('a backlog of restarts is given to a secondary that is seen for the first time', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.init();
    await hosts.primary.start();
    const writer = new StampedWriter({ host: hosts.primary, ...LOAD });
    await writer.start();
    await sleep(300);
    await stopCleanly(hosts, writer);
    await hosts.primary.start();
    await hosts.secondary.start();
    await hosts.drainedAndSame();
    assert.equal(writer.faults(hosts.secondary.volumePath()), []);
  });
});

test('after a restart without the secondary, data sets still fit into its journals, although maxSize alone would allow larger ones', async () => {
  await withHosts({ dataSets: { maxSize: '31MiB', maxAge: '10s' } }, async (hosts) => {
    await hosts.start();
    assert.is(await hosts.secondary.stop(), 0);
    assert.is(await hosts.primary.stop(), 0);
    await hosts.primary.start();
    const client = await hosts.primary.connect();
    for (let mib = 0; mib < 24; mib += 8) await client.write(mib * 1024 * 1024, seededBytes(mib + 1, 8 * 1024 * 1024));
    await client.close();
    await hosts.secondary.start();
    await hosts.drainedAndSame();
  });
});

test('a secondary that is stopped and started under load loses nothing and is sent nothing twice that it had', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const writer = new StampedWriter({ host: hosts.primary, ...LOAD });
    await writer.start();
    for (let round = 0; round < 3; round += 1) {
      await sleep(250);
      assert.is(await hosts.secondary.stop(), 0, hosts.secondary.logTail());
      await sleep(150);
      await hosts.secondary.start();
      await hosts.replicating();
    }
    await sleep(250);
    await writer.stop();
    await hosts.drainedAndSame();
    assert.equal(writer.faults(hosts.secondary.volumePath()), []);
    assert.is((await hosts.secondary.status()).duplicates, 0, 'a record that is held is not sent again');
  });
});

test('both hosts are stopped at once and started again in either order', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const writer = new StampedWriter({ host: hosts.primary, ...LOAD });
    for (const first of [hosts.primary, hosts.secondary]) {
      await writer.start();
      await sleep(300);
      const [primaryExit, secondaryExit] = await Promise.all([hosts.primary.stop(), hosts.secondary.stop()]);
      assert.equal([primaryExit, secondaryExit], [0, 0], hosts.logTails());
      await writer.lost();
      await first.start();
      await (first === hosts.primary ? hosts.secondary : hosts.primary).start();
      await hosts.drainedAndSame();
      assert.equal(writer.faults(hosts.secondary.volumePath()), []);
    }
  });
});

test('flush: remote answers FLUSH only when the data set is durable on the far side', async () => {
  await withHosts({ flush: 'remote' }, async (hosts) => {
    await hosts.start();
    const client = await hosts.primary.connect();
    const block = (fill: number): Buffer => Buffer.alloc(4096, fill);
    await client.write(0, block(1));
    await client.flush();
    const { dataSets } = await hosts.primary.status();
    assert.is(dataSets.acknowledged, '0', 'the flush was answered after its data set was acknowledged');

    await hosts.secondary.kill();
    await client.write(4096, block(2));
    const flush = client.flush();
    const fua = client.write(8192, block(3), { fua: true });
    assert.is(
      await within(
        Promise.race([flush, fua]).then(() => 'answered'),
        1500,
      ),
      null,
      'nobody is told "durable" while the far side is away',
    );
    await client.write(12_288, block(4));
    await hosts.secondary.start();
    assert.is(
      await within(
        Promise.all([flush, fua]).then(() => 'answered'),
        20_000,
      ),
      'answered',
      hosts.logTails(),
    );

    // Nothing that was flushed may be lost with the primary, and with the secondary's process.
    await client.write(16_384, block(5), { fua: true });
    await Promise.all([hosts.primary.kill(), hosts.secondary.kill()]);
    await hosts.secondary.commandJson(['promote']);
    await hosts.secondary.start();
    const promoted = await hosts.secondary.connect();
    for (const [index, fill] of [1, 2, 3, 4, 5].entries()) assert.is((await promoted.read(index * 4096, 512))[0], fill, `block ${index}`);
    await promoted.close();
    client.destroy();
  });
});

test('a primary whose clients wait for a far side that is away stops cleanly all the same', async () => {
  await withHosts({ flush: 'remote' }, async (hosts) => {
    await hosts.init();
    await hosts.primary.start();
    const client = await hosts.primary.connect();
    await client.write(0, Buffer.alloc(4096, 1));
    const flush = client.flush().then(
      () => 'answered',
      () => 'not answered',
    );
    await sleep(100);
    assert.is(await hosts.primary.stop(20_000), 0, hosts.primary.logTail());
    assert.is(await flush, 'not answered');
    await hosts.primary.start();
    await hosts.secondary.start();
    await hosts.drainedAndSame();
  });
});

test.run();
