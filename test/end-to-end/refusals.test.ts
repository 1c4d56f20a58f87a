/**
 * Histories that must not be mixed are refused with exit code 5 and a sentence that says which mistake it is, and no byte of any
 * volume changes: hosts that were initialised again, restored, cloned, wiped, promoted and superseded.
 *
 * @timeLimit 300 s
 * @invariant I8 I12
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { renameSync } from 'node:fs';
import { copyHost, hostBeside, imagesOf } from '../support/host-copies.ts';
import { sleep } from '../support/host-process.ts';
import { freePort } from '../support/hosts.ts';
import { refused, stopBoth, withHistory } from '../support/refused.ts';
import { writeShort } from '../support/short-writes.ts';

test('a primary that was initialised again under the same name is another group', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    await stopBoth(hosts);
    renameSync(primary.stateDirectory, `${primary.stateDirectory}-old`);
    await primary.init();
    await primary.start();
    await refused(secondary, /belongs to group [0-9a-f]{32}, but this primary "test" is of group [0-9a-f]{32}: it was initialised again/, [
      primary,
      secondary,
    ]);
    await writeShort(primary, { count: 5, fill: 9 });
    await refused(secondary, /it was initialised again, or it is another primary/, [secondary, primary]);
    const status = await primary.status();
    assert.match(status.lastRefusal ?? '', /it was initialised again/, 'the primary knows too');
    assert.is(status.state, 'connecting');
  });
});

test('a primary restored from a copy is refused: unwritten, written to a little, and written past the secondary', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    assert.is(await primary.stop(), 0);
    const saved = copyHost(primary, 'saved');
    await primary.start();
    await hosts.replicating();
    await writeShort(primary, { count: 40, fill: 2 });
    await hosts.drainedAndSame();
    const newest = Number((await primary.status()).lastCut?.dataSet);
    await stopBoth(hosts);

    const unwritten = copyHost(saved, 'unwritten');
    await unwritten.start();
    await refused(secondary, /the secondary is ahead of its primary: .*restored from an older copy/, [unwritten, secondary]);
    await unwritten.kill();

    const little = copyHost(saved, 'little');
    await little.start();
    await writeShort(little, { count: 2, fill: 3, pauseMs: 0 });
    await refused(secondary, /the secondary is ahead of its primary: .*restored from an older copy/, [little, secondary]);
    await little.kill();

    const past = copyHost(saved, 'past');
    await past.start();
    // Without a secondary only full data sets are closed.
    await writeShort(past, { count: 150, fill: 4, blocks: 32, pauseMs: 0 });
    assert.ok(Number((await past.status()).lastCut?.dataSet) > newest + 10, 'it is past the secondary');
    await refused(secondary, /another run of the primary .*restored from an older copy, or cloned/, [past, secondary]);
    await past.kill();

    await primary.start();
    await secondary.start();
    await writeShort(primary, { count: 3, fill: 5 });
    await hosts.drainedAndSame();
  });
});

test('a restored primary that stopped cleanly after its own writes is refused by its chain', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    assert.is(await primary.stop(), 0);
    const saved = copyHost(primary, 'saved');
    await primary.start();
    await hosts.replicating();
    await writeShort(primary, { count: 4, fill: 2 });
    await hosts.drainedAndSame();
    await stopBoth(hosts);
    await saved.start();
    await writeShort(saved, { count: 60, fill: 4, blocks: 32, pauseMs: 0 });
    assert.is(await saved.stop(), 0);
    // It starts in order now, and its own session gave none of the numbers in question.
    await saved.start();
    await refused(
      secondary,
      /is not the same on both hosts: chain [0-9a-f]{32}.*One of the hosts was restored from an older copy and then written to/,
      [saved, secondary],
    );
  });
});

test('a secondary restored from a copy lacks what it acknowledged; a wiped one has no beginning', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    assert.is(await secondary.stop(), 0);
    const restored = copyHost(secondary, 'restored');
    await secondary.start();
    await writeShort(primary, { count: 40, fill: 2 });
    await hosts.drainedAndSame();
    assert.is(await secondary.stop(), 0);
    await refused(
      restored,
      /the secondary acknowledged number \d+ and no longer holds it: .*restored from an older copy, or its disk lost/,
      [primary, restored, secondary],
    );

    const wiped = hostBeside(secondary, 'wiped');
    await wiped.init();
    await refused(wiped, /the secondary is blank \(new, or wiped\), and the primary "test" no longer holds everything/, [
      primary,
      wiped,
      secondary,
    ]);

    await secondary.start();
    await writeShort(primary, { count: 3, fill: 3 });
    await hosts.drainedAndSame();
  });
});

test('two primaries behind the two addresses of one secondary: of two groups, and of one that was cloned', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    assert.is(await secondary.stop(), 0);
    const port = await freePort();
    const other = hostBeside(primary, 'other');
    other.config.replication.listen = `127.0.0.1:${port}`;
    await other.init();
    await other.start();
    await writeShort(other, { count: 2, fill: 7, pauseMs: 0 });
    secondary.config.replication.connect = [`ws://127.0.0.1:${hosts.port}`, `ws://127.0.0.1:${port}`];
    secondary.config.replication.links = 2;
    await refused(secondary, /belongs to group [0-9a-f]{32}, but this primary "test" is of group/, [primary, other, secondary]);
    await other.kill();

    assert.is(await primary.stop(), 0);
    const clone = copyHost(primary, 'clone');
    clone.config.replication.listen = `127.0.0.1:${port}`;
    await primary.start();
    await clone.start();
    const before = imagesOf(clone);
    secondary.launch();
    await sleep(500);
    await writeShort(primary, { count: 10, fill: 8 });
    await writeShort(clone, { count: 10, fill: 9 });
    // Whichever of the two was reached first, the other one is not followed; as soon as they differ that is proven and ends it.
    const end = await secondary.ended(20_000);
    assert.is(end.exitCode, 5, secondary.logTail());
    assert.match(secondary.log, /restored from an older copy|cloned|live links with another session/);
    assert.ok(imagesOf(clone) !== before, 'both took writes of their own');
    const image = imagesOf(secondary).replace('secondary', '');
    await sleep(100);
    assert.is(imagesOf(secondary).replace('secondary', ''), image, 'nothing goes on');
  });
});

test('a second secondary at one primary waits, then is refused, and never mixes', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    assert.is(await secondary.stop(), 0);
    const clone = copyHost(secondary, 'clone');
    await secondary.start();
    await hosts.replicating();
    const before = imagesOf(clone);
    clone.launch();
    await clone.until(
      'is told to wait',
      async () => /asks to wait: .*has live links with another session of a secondary/.test(clone.log),
      10_000,
    );
    await writeShort(primary, { count: 30, fill: 2 });
    assert.is((await clone.ended(20_000)).exitCode, 5, clone.logTail());
    assert.match(clone.log, /the secondary acknowledged number \d+ and no longer holds it/);
    assert.is(imagesOf(clone), before, 'the copy of the clone did not change');
    await writeShort(primary, { count: 5, fill: 3 });
    await hosts.drainedAndSame();
    assert.ok(
      (await secondary.status()).links.every((link) => link.up),
      'the right secondary kept its links',
    );
  });
});

test('an old primary that returns after a promotion is told, ends with exit code 5 and stays away', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    assert.is(await primary.stop(), 0);
    const promoted = await secondary.commandJson<{ promoted: boolean; generation: number }>(['promote']);
    assert.ok(promoted.promoted && promoted.generation === 2);
    await writeShort(secondary, { count: 5, fill: 6, pauseMs: 0 });
    const images = imagesOf(primary, secondary);
    await refused(primary, /ERR_SUPERSEDED.*this primary was superseded: generation 2 was promoted/, [primary, secondary]);
    await refused(primary, /ERR_SUPERSEDED.*this primary was superseded/, [primary, secondary]);
    await refused(primary, /ERR_SUPERSEDED/, [primary, secondary], ['--standalone']);
    assert.is(imagesOf(primary, secondary), images);
    assert.is((await secondary.status()).state, 'promoted');
  });
});

test.run();
