/**
 * Hosts that must not replicate with each other are refused with exit code 5 and a sentence that says which mistake it is, and no
 * byte of any volume changes: re-initialised, restored, cloned, swapped, wiped, promoted and superseded hosts.
 *
 * @timeLimit 300 s
 * @invariant I8 I12
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { renameSync } from 'node:fs';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { encodeMessage } from '../../src/record/wire.ts';
import { blankFacts, FakeLink, FakePrimary, newPrimaryFacts, sealed } from '../support/fake-link.ts';
import { copyHost, hostBeside, imagesOf } from '../support/host-copies.ts';
import { sleep, type Host } from '../support/host-process.ts';
import { freePort, withHosts, type Hosts, type HostsOptions } from '../support/hosts.ts';
import { writeShort } from '../support/short-writes.ts';

const SMALL: HostsOptions = {
  volumes: [{ name: 'db1', sizeMiB: 8 }],
  slots: 4,
  slotMiB: 1,
  links: 1,
  dataSets: { minAge: '0ms', maxAge: '20ms', maxSize: '256KiB' },
};

/** Start a host that must end with exit code 5, saying this, while no image changes. */
async function refused(host: Host, sentence: RegExp, untouched: readonly Host[], args: readonly string[] = []): Promise<void> {
  const before = imagesOf(...untouched);
  const { exitCode, log } = await host.startRefused(args);
  assert.is(exitCode, 5, `${host.name} refuses: ${log}`);
  assert.match(log, sentence);
  assert.is(imagesOf(...untouched), before, 'no byte of any volume changed');
}

/** Both hosts have a history and are stopped, level. */
async function withHistory(work: (hosts: Hosts) => Promise<void>, options: HostsOptions = SMALL): Promise<void> {
  await withHosts(options, async (hosts) => {
    await hosts.start();
    await writeShort(hosts.primary, { count: 20, fill: 1 });
    await hosts.drainedAndSame();
    await work(hosts);
  });
}

async function stopBoth({ primary, secondary }: Hosts): Promise<void> {
  assert.is(await primary.stop(), 0);
  assert.is(await secondary.stop(), 0);
}

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

test('swapped VLUN numbers and another size are refused, by the own state and by the other host', async () => {
  const options = {
    ...SMALL,
    volumes: [
      { name: 'db1', sizeMiB: 4 },
      { name: 'log', sizeMiB: 4 },
    ],
  };
  await withHosts(options, async (hosts) => {
    const { primary, secondary } = hosts;
    await primary.init();
    await primary.start();
    await writeShort(primary, { count: 3, fill: 1 });
    const [db1, log] = secondary.config.volumes;
    assert.ok(db1 !== undefined && log !== undefined);
    if (db1 === undefined || log === undefined) return;

    const swapped = hostBeside(secondary, 'swapped');
    swapped.config.volumes = [
      { ...db1, vlun: 1, path: 'swapped/db1.img' },
      { ...log, vlun: 0, path: 'swapped/log.img' },
    ];
    await swapped.init();
    await refused(
      swapped,
      /the volume tables differ: VLUN 0 is "db1" of 4194304 bytes on the primary and "log" of 4194304 bytes on the secondary/,
      [primary, swapped],
    );

    const larger = hostBeside(secondary, 'larger');
    larger.config.volumes = [
      { ...db1, path: 'larger/db1.img' },
      { ...log, size: '8MiB', path: 'larger/log.img' },
    ];
    await larger.init();
    await refused(larger, /the volume tables differ: VLUN 1 is "log" of 4194304 bytes on the primary and "log" of 8388608 bytes/, [
      primary,
      larger,
    ]);

    await secondary.init();
    await secondary.start();
    await hosts.drainedAndSame();
    assert.is(await secondary.stop(), 0);
    secondary.config.volumes = [
      { ...db1, vlun: 1 },
      { ...log, vlun: 0 },
    ];
    await refused(secondary, /ERR_VOLUMES_CHANGED.*VLUN 0 is db1 with 4194304 bytes, found log/, [primary, secondary]);
    assert.is(await primary.stop(), 0);
    primary.config.volumes = [...primary.config.volumes].map((volume, index) => ({ ...volume, vlun: 1 - index }));
    await refused(primary, /ERR_VOLUMES_CHANGED/, [primary, secondary]);
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

test('an unclean primary refuses and names both ways out; standalone leaves the copy alone', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    await primary.kill();
    await refused(primary, /ERR_UNCLEAN_STOP.*was not clean[\s\S]*promote the secondary[\s\S]*start -c FILE --standalone/, [
      primary,
      secondary,
    ]);
    const copy = imagesOf(secondary);
    await primary.start(['--standalone']);
    assert.is((await primary.status()).state, 'standalone');
    await writeShort(primary, { count: 5, fill: 5, pauseMs: 0 });
    await sleep(300);
    assert.is(imagesOf(secondary), copy, 'the copy keeps its last state');
    assert.ok((await secondary.status()).links.every((link) => !link.up));
    assert.is(await primary.stop(), 0);
    await primary.start();
    assert.is((await primary.status()).state, 'standalone', 'it does not go back to replicating by itself');
    assert.is(imagesOf(secondary), copy);
    const { promoted } = await secondary.commandJson<{ promoted: boolean }>(['promote']);
    assert.ok(promoted, 'the copy can be promoted');
    assert.is(imagesOf(secondary), copy);
  });
});

test('after detach the secondary keeps its copy and is not followed', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    const result = await primary.commandJson<{ divergedFrom: string | null }>(['detach']);
    assert.ok(Number(result.divergedFrom) > 0, 'it says from where');
    const copy = imagesOf(secondary);
    await writeShort(primary, { count: 5, fill: 5, pauseMs: 0 });
    await secondary.untilStatus('has no link', ({ links }) => links.every((link) => !link.up));
    await sleep(300);
    assert.is(imagesOf(secondary), copy);
    assert.is((await primary.status()).state, 'standalone');
    assert.is(await primary.stop(), 0);
    await primary.start();
    assert.is((await primary.status()).state, 'standalone');
    assert.is((await primary.command(['detach'])).exitCode, 5, 'there is nothing to detach from any more');
  });
});

test('a state folder in the hands of the other role, other slots, and journals that are too small', async () => {
  await withHistory(async (hosts) => {
    const { primary, secondary } = hosts;
    await stopBoth(hosts);
    const asSecondary = hostBeside(secondary, 'primary');
    asSecondary.config.journals = { path: 'secondary/journals', slots: 4, size: '1MiB' };
    await refused(asSecondary, /ERR_ROLE.*is a primary's, the config says secondary/, [primary, secondary]);
    const asPrimary = hostBeside(primary, 'secondary');
    await refused(asPrimary, /ERR_ROLE.*is a secondary's, the config says primary/, [primary, secondary]);

    const { journals } = secondary.config;
    assert.ok(journals !== undefined);
    if (journals === undefined) return;
    for (const [changed, sentence] of [
      [{ slots: 8 }, /ERR_JOURNAL_(?:GEOMETRY|MISSING).*slot/],
      [{ slots: 2 }, /ERR_JOURNAL_GEOMETRY.*slot/],
      [{ size: '2MiB' }, /ERR_JOURNAL_(?:GEOMETRY|SIZE)/],
    ] as const) {
      secondary.config.journals = { ...journals, ...changed };
      await refused(secondary, sentence, [primary, secondary]);
    }
  });
});

test('a primary that keeps larger data sets, or may write larger records, than the slots take refuses the journals', async () => {
  await withHosts({ ...SMALL, slotMiB: 2, dataSets: { maxSize: '4MiB' } }, async (hosts) => {
    const { primary, secondary } = hosts;
    await hosts.init();
    const smaller = hostBeside(secondary, 'smaller');
    smaller.config.journals = { path: 'smaller/journals', slots: 4, size: '1MiB' };
    await smaller.init();
    await primary.start();
    await refused(
      smaller,
      /the secondary's journals do not fit: a journal slot takes 1012 KiB of records, but one record of this primary may have 1\.0 MiB/,
      [primary, smaller],
    );
    await writeShort(primary, { count: 60, fill: 1, blocks: 32, pauseMs: 0 });
    await refused(secondary, /the secondary's journals do not fit: a data set that the primary keeps has .*, but a journal slot takes/, [
      primary,
      secondary,
    ]);
  });
});

test('another version of the protocol is refused on both sides, and each side is told', async () => {
  await withHosts(SMALL, async (hosts) => {
    const { primary, secondary } = hosts;
    await hosts.init();
    await primary.start();
    const images = imagesOf(primary, secondary);

    const later = await FakeLink.dial(`ws://127.0.0.1:${hosts.port}`);
    later.send({ kind: 'hello', linkKey: 1, facts: blankFacts(primary, { protocolVersion: 2 }) });
    const refuse = await later.message('refuse');
    assert.match(refuse?.sentence ?? '', /the primary speaks protocol version 1 and the secondary version 2/);
    assert.is((await later.end())?.code, CLOSE_CODE.refused);
    const bytes = Buffer.from(encodeMessage({ kind: 'hello', linkKey: 1, facts: blankFacts(primary) }));
    bytes[1] = 2;
    const otherBytes = await FakeLink.dial(`ws://127.0.0.1:${hosts.port}`);
    otherBytes.send(bytes);
    const end = await otherBytes.end();
    assert.is(end?.code, CLOSE_CODE.protocolViolation);
    assert.match(end?.reason ?? '', /protocol-version: expected 1, found 2/);
    assert.is((await primary.status()).state, 'connecting');

    const laterPrimary = await FakePrimary.open((link) =>
      link.send({ kind: 'welcome', facts: newPrimaryFacts(secondary, { protocolVersion: 2 }) }),
    );
    secondary.config.replication.connect = [laterPrimary.url];
    await refused(secondary, /the primary speaks protocol version 2 and the secondary version 1; .*Install the same release on both/, [
      secondary,
    ]);
    await laterPrimary.close();

    // A refusal is read whatever the version of the host that sends it.
    const distant = await FakePrimary.open((link) => {
      const refusal = Buffer.from(
        encodeMessage({ kind: 'refuse', outcome: 'refuse', label: 'other version', sentence: 'this host speaks version 9 only.' }),
      );
      refusal[1] = 9;
      link.send(sealed(refusal));
    });
    secondary.config.replication.connect = [distant.url];
    await refused(secondary, /this host speaks version 9 only/, [secondary]);
    await distant.close();
    assert.is(imagesOf(primary, secondary), images);
  });
});

test.run();
