/**
 * Files of a stopped host that were damaged, cut short, lost or exchanged: the start says which file, ends with exit code 5 or 6, and
 * changes no byte; put back, the host goes on as if nothing had been.
 *
 * @timeLimit 240 s
 * @invariant I3 I9
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyHost, hostBeside, imagesOf } from '../support/host-copies.ts';
import { sleep, type Host } from '../support/host-process.ts';
import { withHosts, type Hosts, type HostsOptions } from '../support/hosts.ts';
import { needsTried, withSmallDisk } from '../support/scratch.ts';
import { writeShort } from '../support/short-writes.ts';

const SMALL: HostsOptions = {
  volumes: [{ name: 'db1', sizeMiB: 4 }],
  slots: 4,
  slotMiB: 1,
  links: 1,
  dataSets: { minAge: '0ms', maxAge: '20ms', maxSize: '256KiB' },
};
/** A data set stays open for as long as a test lasts. */
const OPEN: HostsOptions = { ...SMALL, dataSets: { minAge: '60s', maxAge: '60s', maxSize: '256KiB' } };

type Damage = (path: string) => void;
const flipAt =
  (offset: number): Damage =>
  (path) => {
    const bytes = readFileSync(path);
    const at = offset < 0 ? bytes.length + offset : offset;
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    writeFileSync(path, bytes);
  };
const cutTo =
  (bytes: number): Damage =>
  (path) =>
    truncateSync(path, bytes);
const lose: Damage = (path) => rmSync(path);

/** Damage one file of a copy of a stopped host: its start must refuse, naming the file, and change nothing. */
async function refusedWith(
  host: Host,
  damage: { file: string; how: Damage; exitCode: 1 | 5 | 6; sentence: RegExp; name: string },
): Promise<void> {
  const copy = copyHost(host, `damaged-${damage.name.replaceAll(/[^a-z]+/g, '-')}`);
  damage.how(join(copy.stateDirectory, damage.file));
  const before = filesOf(copy);
  const { exitCode, log } = await copy.startRefused();
  assert.is(exitCode, damage.exitCode, `${damage.name}: ${log}`);
  assert.match(log, damage.sentence, damage.name);
  assert.match(log, /Try:/, `${damage.name}: it says what to try`);
  assert.is(filesOf(copy), before, `${damage.name}: no file changed`);
  rmSync(copy.stateDirectory, { recursive: true });
}

/** Everything below a host's folder but the lock and the socket, as one text. */
function filesOf(host: Host): string {
  return readdirSync(host.stateDirectory, { recursive: true, encoding: 'utf8' })
    .filter((name) => !/lock$|\.sock$|last-head$/.test(name))
    .sort()
    .map((name) => {
      const path = join(host.stateDirectory, name);
      return statSync(path).isFile() ? `${name} ${readFileSync(path).toString('base64')}` : name;
    })
    .join('\n');
}

async function withStopped(options: HostsOptions, work: (hosts: Hosts) => Promise<void>): Promise<void> {
  await withHosts(options, async (hosts) => {
    const { primary, secondary } = hosts;
    await hosts.start();
    await writeShort(primary, { count: 20, fill: 1 });
    await hosts.drainedAndSame();
    assert.is(await primary.stop(), 0);
    assert.is(await secondary.stop(), 0);
    await work(hosts);
  });
}

test("the primary's state, stream, backlog and volume", async () => {
  await withStopped(SMALL, async ({ primary }) => {
    const damages = [
      ['host-state.json', 'flipped', flipAt(60), 6, /ERR_STATE_CORRUPT.*host-state\.json is damaged: checksum expected/],
      ['host-state.json', 'cut', cutTo(50), 6, /ERR_STATE_CORRUPT.*host-state\.json is damaged/],
      ['host-state.json', 'emptied', cutTo(0), 6, /ERR_STATE_CORRUPT.*host-state\.json is damaged/],
      ['host-state.json', 'lost', lose, 5, /ERR_NOT_INITIALISED.*host-state\.json does not exist/],
      ['stream-state.json', 'flipped', flipAt(100), 6, /ERR_STATE_CORRUPT.*stream-state\.json/],
      ['stream-state.json', 'lost', lose, 5, /ERR_UNCLEAN_STOP/],
      ['clean-stop', 'flipped', flipAt(30), 6, /ERR_STATE_CORRUPT.*clean-stop is damaged/],
      ['clean-stop', 'lost', lose, 5, /ERR_UNCLEAN_STOP/],
      [
        'backlog.bin',
        'grown',
        (path: string) => writeFileSync(path, Buffer.alloc(100, 1)),
        6,
        /ERR_STATE_CORRUPT.*backlog\.bin is damaged/,
      ],
      ['db1.img', 'lost', lose, 1, /ERR_VOLUME_MISSING.*db1\.img does not exist/],
      ['db1.img', 'cut', cutTo(4096), 5, /ERR_VOLUME_SIZE.*db1\.img has 4096 bytes, expected 4194304 bytes/],
    ] as const;
    await Promise.all(
      damages.map(([file, name, how, exitCode, sentence]) =>
        refusedWith(primary, { file, how, exitCode, sentence, name: `primary-${file}-${name}` }),
      ),
    );
    // The way out works over a damaged stream, too.
    const copy = copyHost(primary, 'way-out');
    flipAt(100)(join(copy.stateDirectory, 'stream-state.json'));
    await copy.start(['--standalone']);
    assert.is((await copy.status()).state, 'standalone');
  });
});

test("the secondary's state, watermark and journals", async () => {
  await withStopped(SMALL, async (hosts) => {
    const { secondary } = hosts;
    const both: Damage = (path) => {
      flipAt(20)(path);
      flipAt(4096 + 20)(path);
    };
    const damages = [
      ['host-state.json', 'flipped', flipAt(60), 6, /ERR_STATE_CORRUPT.*host-state\.json is damaged/],
      ['host-state.json', 'lost', lose, 5, /ERR_NOT_INITIALISED.*host-state\.json does not exist/],
      ['journals/watermark', 'flipped', both, 6, /ERR_WATERMARK_UNREADABLE.*watermark/],
      ['journals/watermark', 'emptied', cutTo(0), 6, /journals\/watermark/],
      ['journals/watermark', 'lost', lose, 5, /ERR_WATERMARK_MISSING.*watermark is missing/],
      ['journals/slot-0001.journal', 'lost', lose, 5, /ERR_JOURNAL_MISSING.*slot-0001\.journal is missing/],
      ['journals/slot-0001.journal', 'cut', cutTo(65_536), 5, /ERR_JOURNAL_SIZE.*slot-0001\.journal has 65536 bytes/],
      [
        'journals/slot-0001.journal',
        'exchanged',
        (path: string) => copyFileSync(path.replace('slot-0001', 'slot-0002'), path),
        5,
        /ERR_JOURNAL_\w+.*slot-0001\.journal/,
      ],
      ['db1.img', 'lost', lose, 1, /ERR_VOLUME_MISSING.*db1\.img does not exist/],
      ['db1.img', 'grown', (path: string) => truncateSync(path, 8_388_608), 5, /ERR_VOLUME_SIZE.*db1\.img has 8388608 bytes/],
    ] as const;
    await Promise.all(
      damages.map(([file, name, how, exitCode, sentence]) =>
        refusedWith(secondary, { file, how, exitCode, sentence, name: `secondary-${file}-${name}` }),
      ),
    );
    await hosts.primary.start();
    await secondary.start();
    await writeShort(hosts.primary, { count: 5, fill: 2 });
    await hosts.drainedAndSame();
  });
});

test('journals of another group, and journals without their state', async () => {
  await withStopped(SMALL, async (hosts) => {
    const { secondary, primary } = hosts;
    const copy = copyHost(secondary, 'mixed');
    // Another group's host, with a history of its own.
    const other = hostBeside(primary, 'other');
    const otherSecondary = hostBeside(secondary, 'other-secondary');
    await Promise.all([other.init(), otherSecondary.init()]);
    await Promise.all([other.start(), otherSecondary.start()]);
    await writeShort(other, { count: 9, fill: 9 });
    await other.untilStatus('is level', ({ behind }) => behind.dataSets === 0);
    assert.is(await otherSecondary.stop(), 0);
    assert.is(await other.stop(), 0);
    const images = imagesOf(copy);
    for (const slot of readdirSync(join(otherSecondary.stateDirectory, 'journals')).filter((name) => name.startsWith('slot'))) {
      copyFileSync(join(otherSecondary.stateDirectory, 'journals', slot), join(copy.stateDirectory, 'journals', slot));
    }
    const foreign = await copy.startRefused();
    assert.is(foreign.exitCode, 5, foreign.log);
    assert.match(foreign.log, /slot-\d{4}\.journal[\s\S]*group/);
    copyFileSync(join(otherSecondary.stateDirectory, 'journals/watermark'), join(copy.stateDirectory, 'journals/watermark'));
    const foreignWatermark = await copy.startRefused();
    assert.is(foreignWatermark.exitCode, 5, foreignWatermark.log);
    assert.match(foreignWatermark.log, /ERR_WATERMARK_FOREIGN.*is of group [0-9a-f]{32}/);
    assert.is(imagesOf(copy), images);

    // A state folder that was initialised again beside the old journals.
    const blank = hostBeside(secondary, 'blank');
    await blank.init();
    copyFileSync(join(blank.stateDirectory, 'host-state.json'), join(copy.stateDirectory, 'host-state.json'));
    const stray = await copy.startRefused();
    assert.is(stray.exitCode, 5, stray.log);
    assert.match(stray.log, /ERR_JOURNALS_NOT_BLANK|ERR_WATERMARK_FOREIGN/);
    assert.is(imagesOf(copy), images);
  });
});

test('acknowledged records of an open data set that are damaged on disk are missed, not guessed', async () => {
  await withHosts(OPEN, async (hosts) => {
    const { primary, secondary } = hosts;
    await hosts.start();
    await writeShort(primary, { count: 10, fill: 3, pauseMs: 0 });
    await primary.untilStatus(
      'has everything acknowledged',
      ({ dataSets, backlog }) => dataSets.open === '0' && (backlog?.bytes ?? 1) === 0,
    );
    await secondary.kill();
    const intact = copyHost(secondary, 'intact');
    const journal = join(secondary.stateDirectory, 'journals/slot-0000.journal');
    flipAt(8192 + 3 * (80 + 4096) + 1000)(journal);
    const images = imagesOf(primary, secondary);
    const { exitCode, log } = await secondary.startRefused();
    assert.is(exitCode, 5, log);
    assert.match(log, /slot 0|slot-0000/, 'the log says which journal ends early');
    assert.match(log, /the secondary acknowledged number 3 and no longer holds it/);
    assert.is(imagesOf(primary, secondary), images);
    rmSync(secondary.stateDirectory, { recursive: true });
    copyHost(intact, 'secondary');
    await secondary.start();
    const client = await primary.connect();
    await client.write(0, Buffer.alloc(4096, 4));
    await client.close();
    await primary.untilStatus('goes on', ({ backlog }) => (backlog?.bytes ?? 1) === 0);
    assert.is((await primary.status()).resends, 0, 'what was durable is not sent again');
  });
});

needsTried(test, 'mount')('a full disk: init leaves nothing behind, and a state that cannot be written is said', async () => {
  await withSmallDisk(6 * 1024 * 1024, async (parent) => {
    await withHosts({ ...SMALL, volumes: [{ name: 'db1', sizeMiB: 16 }], parent }, async ({ primary, folder }) => {
      const { exitCode, stderr } = await primary.command(['init']);
      assert.is(exitCode, 1, stderr);
      assert.match(stderr, /ERR_VOLUME_NO_SPACE.*volume db1 \(VLUN 0\) at .*db1\.img does not fit on its disk: 16777216 bytes/);
      assert.match(stderr, /Try: Make room/);
      assert.not.ok(existsSync(primary.volumePath()), 'nothing is left behind');
      assert.not.ok(readdirSync(folder).some((name) => name.includes('img')));
    });
    await withHosts({ ...SMALL, slots: 8, parent }, async ({ secondary }) => {
      const { exitCode, stderr } = await secondary.command(['init']);
      assert.is(exitCode, 1, stderr);
      assert.match(stderr, /ERR_JOURNAL_CREATE.*slot-\d{4}\.journal[\s\S]*(?:ENOSPC|no space)/i);
      assert.not.ok(existsSync(secondary.volumePath()), 'the volume that init had made is gone');
      assert.equal(
        readdirSync(secondary.stateDirectory, { recursive: true, encoding: 'utf8' }).filter((name) =>
          /journal$|watermark|host-state/.test(name),
        ),
        [],
      );
    });
  });
});

needsTried(test, 'mount')('a full state disk while a secondary binds, and while it is promoted', async () => {
  await withSmallDisk(256 * 1024, async (small) => {
    await withHosts(SMALL, async (hosts) => {
      const { primary, secondary } = hosts;
      const full = join(small, 'filler');
      // Only the state lies on the small disk.
      secondary.config.state = join('..', '..', small, 'state');
      mkdirSync(join(hosts.folder, 'secondary'), { recursive: true });
      await hosts.init();
      await primary.start();
      const fill = (): void => {
        try {
          for (;;) writeFileSync(full, Buffer.alloc(4096, 1), { flag: 'a' });
        } catch {
          // Now it is full.
        }
      };
      fill();
      secondary.launch();
      await secondary.until('says that it cannot bind', async () => /binding failed: ENOSPC/.test(secondary.log), 10_000);
      assert.ok(secondary.isRunning, 'it lives on and tries again');
      assert.is((await primary.status()).dataSets.acknowledged, null);
      rmSync(full);
      await hosts.replicating();
      await writeShort(primary, { count: 10, fill: 5 });
      await hosts.drainedAndSame();
      assert.is(await primary.stop(), 0);
      fill();
      const { exitCode, stderr } = await secondary.command(['promote']);
      assert.ok(exitCode !== 0, 'a promotion that cannot be recorded fails');
      assert.match(stderr, /ERR_PROMOTION_STUCK.*the promotion waits for the state folder: ENOSPC/);
      assert.match(stderr, /Try: mend the disk/);
      rmSync(full);
      const again = await secondary.command(['promote']);
      assert.is(again.exitCode, 0, `${again.stderr}\n${secondary.logTail()}`);
      await sleep(50);
      assert.is((await secondary.status()).state, 'promoted');
      await hosts.same();
    });
  });
});

test.run();
