/**
 * Disks that fail under running hosts (I10), with faults at exact system calls: one failure is mended and nothing is lost, the second
 * one ends in the state failed, nothing is acknowledged falsely, and the other host keeps what is needed.
 *
 * @timeLimit 240 s
 * @invariant I2 I3 I10
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FaultInjection, ONE_DISK_THREAD } from '../support/fault-injection.ts';
import { copyHost, imagesOf } from '../support/host-copies.ts';
import { sleep } from '../support/host-process.ts';
import { withHosts, type Hosts, type HostsOptions } from '../support/hosts.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';
import { needsTools } from '../support/tools.ts';
import { writeShort } from '../support/short-writes.ts';

const SMALL: HostsOptions = {
  volumes: [{ name: 'db1', sizeMiB: 8 }],
  slots: 4,
  slotMiB: 1,
  links: 2,
  dataSets: { minAge: '5ms', maxAge: '20ms', maxSize: '256KiB' },
  backlogLimit: '64MiB',
};
const faultTest = needsTools(test, 'strace', 'root');

async function replicating(work: (hosts: Hosts, load: StampedWorkload) => Promise<void>): Promise<void> {
  await withHosts(SMALL, async (hosts) => {
    await hosts.init();
    await hosts.primary.start([], ONE_DISK_THREAD);
    await hosts.secondary.start([], ONE_DISK_THREAD);
    await hosts.replicating();
    await work(hosts, new StampedWorkload({ host: hosts.primary, connections: 1, depth: 2, blocksMax: 4, flushEvery: 5, pauseMs: 5 }));
  });
}

const journalOf = ({ secondary }: Hosts, slot: number): string => join(secondary.stateDirectory, `journals/slot-000${slot}.journal`);

faultTest(
  'a journal whose write fails is moved whole into a new file; a second failure ends acknowledging, and loses nothing',
  async () => {
    await replicating(async (hosts, load) => {
      const { primary, secondary } = hosts;
      await load.run(500);
      const first = await FaultInjection.attach(secondary.pid, { path: journalOf(hosts, 1), calls: 'pwritev', when: '2' });
      await load.run(2000);
      await first.detach();
      assert.is(first.injected, 1, first.text.slice(0, 500));
      assert.match(secondary.log, /the journal of slot 1 failed \(.*EIO.*\); its memory buffer was moved whole into a new file/);
      await hosts.drainedAndSame();
      assert.is(load.differenceIn(secondary.volumePath()), null, 'nothing was lost by the move');
      const mended = await secondary.status();
      assert.is(mended.journals.failed, 1);
      assert.is(mended.state, 'replicating');

      const second = await FaultInjection.attach(secondary.pid, { path: journalOf(hosts, 2), calls: 'pwritev', when: '2' });
      await load.start();
      await secondary.untilStatus('has failed', ({ state }) => state === 'failed');
      await second.detach();
      await sleep(300);
      await load.stop();
      assert.match(
        (await secondary.status()).reason ?? '',
        /ERR_JOURNAL_FAILED: the journal of slot 2 failed and could not be moved: .*slot-0002\.journal/,
      );
      const kept = await primary.status();
      assert.ok(['disconnected', 'degraded', 'throttled'].includes(kept.state), kept.state);
      assert.ok((kept.backlog?.bytes ?? 0) > 0, 'the primary keeps what was not acknowledged');
      assert.is((await secondary.command(['status'])).exitCode, 1, 'its status says failed');
      await secondary.kill();
      await secondary.start();
      await hosts.drainedAndSame();
      assert.is(load.differenceIn(secondary.volumePath()), null, 'no acknowledgement was false');
    });
  },
);

faultTest(
  'a volume of the secondary whose flush fails is stored again in full; a second failure is final, and flagged sets survive',
  async () => {
    await replicating(async (hosts, load) => {
      const { primary, secondary } = hosts;
      await load.run(300);
      const first = await FaultInjection.attach(secondary.pid, { path: secondary.volumePath(), calls: 'fdatasync', when: '3' });
      await load.run(1500);
      await first.detach();
      assert.is(first.injected, 1, first.text.slice(0, 500));
      assert.match(secondary.log, /the source volumes failed \(.*EIO.*\); every data set above the watermark is stored again/);
      await hosts.drainedAndSame();
      assert.is(load.differenceIn(secondary.volumePath()), null);

      const second = await FaultInjection.attach(secondary.pid, { path: secondary.volumePath(), calls: 'pwrite64', when: '4' });
      await load.start();
      await secondary.untilStatus('has failed', ({ state }) => state === 'failed');
      await second.detach();
      await load.stop();
      assert.match((await secondary.status()).reason ?? '', /ERR_DESTAGE_FAILED: the source volumes failed a second time: .*EIO/);
      const { watermark, flagged } = {
        watermark: (await secondary.status()).dataSets.destaged,
        flagged: (await secondary.status()).dataSets.complete,
      };
      assert.ok(Number(flagged) > Number(watermark), `complete sets wait above the watermark: ${flagged} above ${watermark}`);
      await secondary.kill();

      // A flagged set that is damaged now is never skipped: the start refuses, force or not (I3).
      const damaged = copyHost(secondary, 'damaged');
      const slot = join(damaged.stateDirectory, `journals/slot-000${Number(flagged) % 4}.journal`);
      const bytes = readFileSync(slot);
      bytes[8192 + 80 + 100] = (bytes[8192 + 80 + 100] ?? 0) ^ 1;
      writeFileSync(slot, bytes);
      const images = imagesOf(damaged);
      const { exitCode, log } = await damaged.startRefused();
      assert.is(exitCode, 5, log);
      assert.match(log, /ERR_RECOVERY_FLAGGED_DAMAGED.*slot-000\d\.journal/);
      const forced = await damaged.command(['promote', '--force']);
      assert.is(forced.exitCode, 5, forced.stderr);
      assert.is(imagesOf(damaged), images);

      await secondary.start();
      await hosts.drainedAndSame();
      assert.is(load.differenceIn(secondary.volumePath()), null, 'nothing was lost');
      assert.is((await primary.status()).state, 'replicating');
    });
  },
);

faultTest('a watermark that cannot be written stops the secondary; started again it goes on', async () => {
  await replicating(async (hosts, load) => {
    const { secondary } = hosts;
    await load.run(300);
    const fault = await FaultInjection.attach(secondary.pid, {
      path: join(secondary.stateDirectory, 'journals/watermark'),
      calls: 'pwrite64,pwritev',
      when: '2',
    });
    await load.start();
    await secondary.untilStatus('has failed', ({ state }) => state === 'failed');
    await fault.detach();
    await load.stop();
    assert.match((await secondary.status()).reason ?? '', /watermark/);
    await secondary.kill();
    await secondary.start();
    await hosts.drainedAndSame();
    assert.is(load.differenceIn(secondary.volumePath()), null);
  });
});

for (const [what, calls] of [
  ['store', 'pwrite64'],
  ['flush', 'fdatasync'],
] as const) {
  faultTest(
    `a failed ${what} of the primary's volume: writes get EIO, the group is failed durably, and the secondary can be promoted`,
    async () => {
      await replicating(async (hosts) => {
        const { primary, secondary } = hosts;
        await writeShort(primary, { count: 10, fill: 1 });
        await hosts.drainedAndSame();
        const fault = await FaultInjection.attach(primary.pid, { path: primary.volumePath(), calls, when: '3' });
        const failure = await writeShort(primary, { count: 30, fill: 2 }).then(
          () => 'no failure',
          (error: unknown) => String(error),
        );
        await fault.detach();
        assert.match(failure, /EIO/);
        const status = await primary.untilStatus('has failed', ({ state }) => state === 'failed');
        assert.match(status.reason ?? '', /ERR_VOLUME_FAILED: .*EIO/);
        const client = await primary.connect();
        const after = await client.write(0, Buffer.alloc(4096)).catch((error: unknown) => String(error));
        assert.match(String(after), /EIO/, 'later writes get EIO');
        assert.is((await client.read(0, 4096)).length, 4096, 'reads are still served');
        await client.close();
        await secondary.untilStatus('knows why', ({ lastRefusal }) => /the primary marked its group failed/.test(lastRefusal ?? ''));
        await primary.kill('SIGTERM');
        const again = await primary.startRefused();
        assert.is(again.exitCode, 5, again.log);
        assert.match(
          again.log,
          /ERR_GROUP_FAILED.*this primary failed: ERR_VOLUME_FAILED[\s\S]*promote the secondary, or serve these volumes/,
        );
        const promotion = await secondary.commandJson<{ promoted: boolean }>(['promote']);
        assert.ok(promotion.promoted);
        const served = await secondary.connect();
        const fill = (await served.read(0, 4096))[0];
        assert.ok(fill === 1 || fill === 2, 'it serves what was complete');
        await served.close();
      });
    },
  );
}

test.run();
