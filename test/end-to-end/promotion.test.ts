/**
 * `farshore promote` (DESIGN section 9): what it refuses, what it says, what it changes, and what becomes of the old primary.
 */
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sleep, type CommandResult, type Host } from '../support/host-process.ts';
import { filesOf, withHosts } from '../support/hosts.ts';
import { StampedWriter } from '../support/stamped-writer.ts';

interface PromotionJson {
  readonly promoted: boolean;
  readonly dryRun: boolean;
  readonly keptDataSet: string | null;
  readonly keptSequence: string | null;
  readonly lastWriteKept: string | null;
  readonly destaged: readonly string[];
  readonly discarded: readonly { dataSet: string; reason: string; records: number; bytes: number; missing: number }[];
  readonly lossAtLeast: { dataSets: number; records: number; bytes: number; seconds: number | null; headAgeSeconds: number | null };
  readonly generation: number;
  readonly primaryAnswered: boolean | null;
  readonly lines: readonly string[];
}

const BLOCK = Buffer.alloc(4096, 0x5a);

/** The error of a command with --json. */
function errorOf(result: CommandResult): { code: string; exitCode: number; message: string; hint: string | null } {
  return (JSON.parse(result.stdout) as { error: { code: string; exitCode: number; message: string; hint: string | null } }).error;
}

async function refused(host: Host, args: readonly string[], expected: { code: string; exitCode: number }): Promise<void> {
  const result = await host.command([...args, '--json']);
  assert.is(result.exitCode, expected.exitCode, result.stdout + result.stderr);
  assert.is(errorOf(result).code, expected.code);
}

async function writeOnce(host: Host, offset: number, bytes = BLOCK): Promise<void> {
  const client = await host.connect();
  await client.write(offset, bytes, { fua: true });
  await client.close();
}

async function readOnce(host: Host, offset: number): Promise<Buffer> {
  const client = await host.connect();
  const bytes = await client.read(offset, 4096);
  await client.close();
  return bytes;
}

test('a running secondary whose primary is connected refuses, says what to do, and goes on replicating', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    await writeOnce(hosts.primary, 0);
    const result = await hosts.secondary.command(['promote']);
    assert.is(result.exitCode, 5);
    assert.match(result.stderr, /ERR_PRIMARY_CONNECTED/);
    assert.match(result.stderr, /--force/);
    await refused(hosts.secondary, ['promote'], { code: 'ERR_PRIMARY_CONNECTED', exitCode: 5 });
    // A dry run is allowed, and changes nothing: the stream goes on.
    await hosts.drained();
    const dry = await hosts.secondary.commandJson<PromotionJson>(['promote', '--dry-run']);
    assert.equal([dry.dryRun, dry.promoted, dry.generation], [true, false, 2]);
    assert.ok(Math.abs(Date.now() - Date.parse(dry.lastWriteKept ?? '')) < 60_000, `time of the last write kept: ${dry.lastWriteKept}`);
    assert.is(dry.keptDataSet, (await hosts.secondary.status()).dataSets.destaged);
    await writeOnce(hosts.primary, 4096);
    await hosts.drainedAndSame();
    assert.is((await hosts.secondary.status()).generation, 1);
  });
});

test('--force tells the connected primary: it ends NBD, exits 5, and refuses to start again', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    await writeOnce(hosts.primary, 0);
    await hosts.drained();
    const client = await hosts.primary.connect();
    const report = await hosts.secondary.commandJson<PromotionJson>(['promote', '--force']);
    assert.equal([report.promoted, report.primaryAnswered, report.generation], [true, true, 2]);
    const { exitCode } = await hosts.primary.ended(10_000);
    assert.is(exitCode, 5, hosts.primary.logTail());
    assert.match(hosts.primary.log, /ERR_SUPERSEDED/);
    await client.write(8192, BLOCK).then(
      () => assert.unreachable('a superseded primary takes no write'),
      () => {},
    );
    for (const args of [[], ['--standalone']]) {
      const again = await hosts.primary.startRefused(args);
      assert.is(again.exitCode, 5, again.log);
      assert.match(again.log, /ERR_SUPERSEDED/);
      assert.not(existsSync(hosts.primary.nbdSocket) && (await answers(hosts.primary)), 'NBD is not served');
    }
    // The promoted host serves, without a restart.
    assert.ok((await readOnce(hosts.secondary, 0)).equals(BLOCK));
    const status = await hosts.secondary.status();
    assert.equal([status.role, status.state, status.generation], ['primary', 'promoted', 2]);
  });
});

async function answers(host: Host): Promise<boolean> {
  return host.connect().then(
    (client) => (client.destroy(), true),
    () => false,
  );
}

test('--force on a primary that hangs says that it did not answer; it is told when it is reached again', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    await writeOnce(hosts.primary, 0);
    await hosts.drained();
    hosts.primary.signal('SIGSTOP');
    const result = await hosts.secondary.command(['promote', '--force']);
    assert.is(result.exitCode, 0, result.stderr);
    assert.match(result.stdout, /did not answer/);
    await writeOnce(hosts.secondary, 4096);
    hosts.primary.signal('SIGCONT');
    assert.is((await hosts.primary.ended(20_000)).exitCode, 5, hosts.primary.logTail());
    assert.match((await hosts.primary.startRefused()).log, /ERR_SUPERSEDED/);
  });
});

test('the fields of promote --json on a running secondary, and what it says to people', async () => {
  await withHosts({ dataSets: { maxAge: '30s', minAge: '30s' } }, async (hosts) => {
    await hosts.start();
    await writeOnce(hosts.primary, 0);
    await writeOnce(hosts.primary, 4096);
    await hosts.primary.untilStatus('has sent both writes', ({ sequence }) => sequence.sent === '1');
    // The data set is open, so it is partial on the far side, and the head of the next keep-alive is known there.
    await sleep(1200);
    await hosts.primary.kill();
    await hosts.secondary.untilStatus('lost its primary', ({ links }) => !links.some((link) => link.up));
    const dry = await hosts.secondary.commandJson<PromotionJson>(['promote', '--dry-run']);
    const report = await hosts.secondary.commandJson<PromotionJson>(['promote']);
    assert.equal({ ...dry.lossAtLeast, headAgeSeconds: 0 }, { ...report.lossAtLeast, headAgeSeconds: 0 });
    assert.equal([dry.keptDataSet, dry.discarded], [report.keptDataSet, report.discarded]);
    assert.equal([report.promoted, report.dryRun, report.generation, report.primaryAnswered], [true, false, 2, null]);
    assert.equal([report.keptDataSet, report.keptSequence, report.lastWriteKept, report.destaged], [null, null, null, []]);
    assert.is(report.discarded.length, 1);
    const [discarded] = report.discarded;
    assert.equal([discarded?.dataSet, discarded?.reason, discarded?.records], ['0', 'partial', 2]);
    assert.ok((discarded?.bytes ?? 0) > 2 * 4096);
    assert.is(report.lossAtLeast.records, 2);
    assert.ok((report.lossAtLeast.headAgeSeconds ?? -1) >= 0);
    assert.ok(
      report.lines.some((line) => /discards data set 0, partial: 2 records/.test(line)),
      report.lines.join('\n'),
    );
    assert.is(
      (await readOnce(hosts.secondary, 0)).findIndex((byte) => byte !== 0),
      -1,
      'the volume is as it was before the partial data set',
    );
  });
});

test('a stopped secondary: --dry-run leaves every file as it is, promote keeps what it said, start serves it, and a restart too', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    const writer = new StampedWriter({ host: hosts.primary, blocks: 1024, depth: 1, flushEvery: 10 });
    await writer.start();
    await sleep(500);
    await Promise.all([hosts.secondary.kill(), hosts.primary.kill()]);
    await writer.lost();
    const before = filesOf(hosts.secondary);
    const dry = await hosts.secondary.commandJson<PromotionJson>(['promote', '--dry-run']);
    assert.equal(filesOf(hosts.secondary), before, 'a dry run changes nothing');
    const report = await hosts.secondary.commandJson<PromotionJson>(['promote']);
    assert.equal(
      [report.keptDataSet, report.keptSequence, report.destaged, report.discarded],
      [dry.keptDataSet, dry.keptSequence, dry.destaged, dry.discarded],
    );
    const writes = Number(report.keptSequence) - Number(report.keptDataSet);
    assert.equal(
      writer.faultsAfter(hosts.secondary.volumePath(), writes),
      [],
      "the volume is the primary's at the end of the kept data set",
    );
    await refused(hosts.secondary, ['promote'], { code: 'ERR_ALREADY_PROMOTED', exitCode: 5 });
    await hosts.secondary.start();
    await refused(hosts.secondary, ['promote'], { code: 'ERR_ALREADY_PROMOTED', exitCode: 5 });
    await refused(hosts.secondary, ['promote', '--force'], { code: 'ERR_ALREADY_PROMOTED', exitCode: 5 });
    await writeOnce(hosts.secondary, 8 * 1024 * 1024);
    assert.is(await hosts.secondary.stop(), 0);
    await hosts.secondary.start();
    assert.ok((await readOnce(hosts.secondary, 8 * 1024 * 1024)).equals(BLOCK));
    await writeOnce(hosts.secondary, 9 * 1024 * 1024);
    await hosts.secondary.kill();
    await hosts.secondary.start();
    assert.ok((await readOnce(hosts.secondary, 9 * 1024 * 1024)).equals(BLOCK), 'FUA is durable on the promoted host');
    assert.equal(writer.faultsAfter(hosts.secondary.volumePath(), writes), []);
  });
});

test('an old primary that comes back is told and refused: after a clean stop, after a kill, and while it still runs', async () => {
  await withHosts({}, async (hosts) => {
    await hosts.start();
    await writeOnce(hosts.primary, 0);
    await hosts.drained();
    assert.is(await hosts.primary.stop(), 0);
    await hosts.secondary.commandJson(['promote']);
    hosts.primary.launch();
    assert.is((await hosts.primary.ended(20_000)).exitCode, 5, hosts.primary.logTail());
    assert.match(hosts.primary.log, /ERR_SUPERSEDED/);
    assert.is((await hosts.primary.startRefused()).exitCode, 5);
    assert.match(hosts.secondary.log, /has recorded that it is superseded/);
  });
  await withHosts({}, async (hosts) => {
    await hosts.start();
    await writeOnce(hosts.primary, 0);
    await hosts.drained();
    await hosts.primary.kill();
    await hosts.secondary.commandJson(['promote']);
    const unclean = await hosts.primary.startRefused();
    assert.is(unclean.exitCode, 5);
    assert.match(unclean.log, /ERR_UNCLEAN_STOP/);
    assert.match(unclean.log, /farshore promote/);
    hosts.primary.launch(['--standalone']);
    assert.is((await hosts.primary.ended(20_000)).exitCode, 5, hosts.primary.logTail());
    assert.match((await hosts.primary.startRefused(['--standalone'])).log, /ERR_SUPERSEDED/);
  });
  await withHosts({}, async (hosts) => {
    await hosts.start();
    await writeOnce(hosts.primary, 0);
    await hosts.drained();
    assert.is(await hosts.secondary.stop(), 0);
    // The primary runs, but nobody is connected: a stopped secondary cannot know that, so it obeys.
    await hosts.secondary.commandJson(['promote']);
    await writeOnce(hosts.primary, 4096, Buffer.alloc(4096, 0x77));
    await hosts.secondary.start();
    assert.is((await hosts.primary.ended(20_000)).exitCode, 5, hosts.primary.logTail());
    assert.is((await readOnce(hosts.secondary, 4096))[0], 0, 'what the old primary took after the promotion is not in the new history');
  });
});

test("promote refuses a secondary that never met its primary, a primary's config, and a host that was never initialised", async () => {
  await withHosts({}, async (hosts) => {
    await refused(hosts.secondary, ['promote'], { code: 'ERR_NOT_INITIALISED', exitCode: 5 });
    await hosts.init();
    await refused(hosts.secondary, ['promote'], { code: 'ERR_PROMOTION_BLANK', exitCode: 5 });
    await refused(hosts.secondary, ['promote', '--dry-run'], { code: 'ERR_PROMOTION_BLANK', exitCode: 5 });
    await refused(hosts.primary, ['promote'], { code: 'ERR_ROLE', exitCode: 2 });
    await hosts.secondary.start();
    await refused(hosts.secondary, ['promote'], { code: 'ERR_PROMOTION_BLANK', exitCode: 5 });
    // Nothing was spoilt: both go on as they were.
    await hosts.primary.start();
    await hosts.replicating();
    await writeOnce(hosts.primary, 0);
    await hosts.drainedAndSame();
  });
});

test.run();
