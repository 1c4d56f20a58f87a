/**
 * Hosts whose own state, shape or version forbids it refuse with exit code 5 and change no byte: swapped volumes, unclean stops,
 * detached primaries, the wrong role, other slots, journals that are too small, another protocol.
 *
 * @timeLimit 300 s
 * @invariant I8 I12
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { encodeMessage } from '../../src/record/wire.ts';
import { blankFacts, FakeLink, FakePrimary, newPrimaryFacts, sealed } from '../support/fake-link.ts';
import { hostBeside, imagesOf } from '../support/host-copies.ts';
import { sleep } from '../support/host-process.ts';
import { withHosts } from '../support/hosts.ts';
import { refused, SMALL, stopBoth, withHistory } from '../support/refused.ts';
import { writeShort } from '../support/short-writes.ts';

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
