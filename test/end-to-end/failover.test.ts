/**
 * Failover (invariant I1): the primary is killed in mid-write, the secondary is promoted, and its volume is the primary's as of the
 * end of exactly one data set, not older than what was acknowledged. Killed in the middle, a promotion is finished by the next command.
 */
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { giveCommand } from '../../src/cli/control-client.ts';
import { FARSHORE_PROGRAM, Host, runProgram, sleep, type CommandResult } from '../support/host-process.ts';
import { differenceOf, filesOf, withHosts, type Hosts } from '../support/hosts.ts';
import { StampedWriter } from '../support/stamped-writer.ts';
import { needsTools } from '../support/tools.ts';

interface PromotionJson {
  readonly keptDataSet: string | null;
  readonly keptSequence: string | null;
  readonly destaged: readonly string[];
  readonly discarded: readonly unknown[];
  readonly generation: number;
  readonly lastWriteKept: string | null;
}

/** Write commands in the kept prefix: each data set has one sync command beside them, and numbers and IDs begin at 0. */
function writesKept(report: PromotionJson): number {
  return report.keptDataSet === null ? 0 : Number(report.keptSequence) - Number(report.keptDataSet);
}

for (const which of ['the running secondary', 'a secondary that was killed at the same moment'] as const) {
  test(`kill -9 of the primary in mid-write, then promotion of ${which}: the volume is the state after exactly the kept writes`, async () => {
    for (let round = 0; round < 2; round += 1) {
      await withHosts({ dataSets: { minAge: '1ms', maxAge: '20ms' }, links: 1 + round }, async (hosts) => {
        await hosts.start();
        const writer = new StampedWriter({ host: hosts.primary, blocks: 512, depth: 1, flushEvery: 7 });
        await writer.start();
        await sleep(300 + 70 * round);
        const acknowledged = Number((await hosts.primary.status()).sequence.acknowledged);
        await Promise.all([hosts.primary.kill(), ...(which === 'the running secondary' ? [] : [hosts.secondary.kill()])]);
        await writer.lost();
        if (which === 'the running secondary')
          await hosts.secondary.untilStatus('lost its primary', ({ links }) => !links.some((link) => link.up));
        const report = await hosts.secondary.commandJson<PromotionJson>(['promote']);
        assert.ok(Number(report.keptSequence) >= acknowledged, `kept ${report.keptSequence}, but ${acknowledged} was acknowledged`);
        assert.ok(
          writesKept(report) > 20 && writesKept(report) <= writer.history.length,
          `${writesKept(report)} of ${writer.history.length} writes`,
        );
        if (!hosts.secondary.isRunning) await hosts.secondary.start();
        assert.equal(writer.faultsAfter(hosts.secondary.volumePath(), writesKept(report)), []);
        const served = await hosts.secondary.status();
        assert.equal([served.state, served.generation], ['promoted', 2]);
      });
    }
  });
}

test('kill -9 of the running secondary while it is being promoted: started again, it finishes or it can be promoted', async () => {
  for (const delayMs of [2, 8, 20]) {
    await withHosts({ dataSets: { minAge: '1ms', maxAge: '20ms' } }, async (hosts) => {
      await hosts.start();
      const writer = new StampedWriter({ host: hosts.primary, blocks: 512, depth: 1, flushEvery: 7 });
      await writer.start();
      await sleep(300);
      const acknowledged = Number((await hosts.primary.status()).sequence.acknowledged);
      await hosts.primary.kill();
      await writer.lost();
      await hosts.secondary.untilStatus('lost its primary', ({ links }) => !links.some((link) => link.up));
      const told = giveCommand({ kind: 'socket', path: hosts.secondary.controlSocket }, 'promote', {}).catch(() => null);
      await sleep(delayMs);
      await hosts.secondary.kill();
      await told;
      await hosts.secondary.start();
      if ((await hosts.secondary.status()).state !== 'promoted') await hosts.secondary.commandJson(['promote']);
      const { state, generation, divergedFrom } = await hosts.secondary.status();
      assert.equal([state, generation], ['promoted', 2]);
      const kept = keptPoint(hosts.secondary);
      assert.is(String(kept.dataSet), divergedFrom);
      assert.ok(kept.finalSequence >= acknowledged, `kept ${kept.finalSequence}, but ${acknowledged} was acknowledged`);
      assert.equal(writer.faultsAfter(hosts.secondary.volumePath(), kept.finalSequence - kept.dataSet), []);
    });
  }
});

/** System calls of a promotion at which it is killed; each of them is a moment between two steps, or within one. */
const MOMENTS: readonly { readonly calls: string; readonly upTo: number }[] = [
  { calls: 'rename,renameat,renameat2', upTo: 2 },
  { calls: 'fdatasync,fsync', upTo: 4 },
  { calls: 'pwrite64,pwritev,pwritev2', upTo: 4 },
];

needsTools(test, 'strace')(
  'kill -9 of a promotion at each of its steps: the next promote or start finishes it, at the same data set',
  async () => {
    const small = { volumes: [{ name: 'db1', sizeMiB: 16 }], slots: 6, slotMiB: 2 };
    await withHosts({ ...small, dataSets: { minAge: '1ms', maxAge: '10ms' } }, async (hosts) => {
      const expected = await interruptedCopy(hosts);
      const ends: string[] = [];
      for (const { calls, upTo } of MOMENTS) {
        for (let when = 1; when <= upTo; when += 1) {
          const condition = await interruptAndFinish(hosts, { calls, when, expected });
          if (condition === null) break;
          ends.push(`${calls} ${when}: ${condition}`);
        }
      }
      process.stdout.write(`killed at ${ends.join('; ')}\n`);
      assert.ok(ends.length >= 8, `enough moments were hit: ${ends.join('; ')}`);
      for (const condition of ['active', 'promoting'])
        assert.match(ends.join('; '), condition, 'killed before and after the promotion began');
    });
  },
);

interface Interrupt {
  readonly calls: string;
  readonly when: number;
  readonly expected: { readonly image: string; readonly report: PromotionJson };
}

/** Kill a promotion of a copy at its n-th such call, finish it, and compare. Returns the condition it was killed in; null: it was not. */
async function interruptAndFinish(hosts: Hosts, { calls, when, expected }: Interrupt): Promise<string | null> {
  const copy = copyOfSecondary(hosts, `${calls.slice(0, 4)}-${when}`);
  copy.writeConfig();
  const strace = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${calls}:signal=KILL:when=${when}`];
  const command = [process.execPath, FARSHORE_PROGRAM, 'promote', '-c', copy.configPath];
  const killed = await runProgram('strace', [...strace, ...command], { timeoutMs: 30_000 });
  if (killed.exitCode === 0) return null;
  const condition = stateOf(copy).condition;
  if (condition === 'promoting' && when === 2) {
    const files = filesOf(copy);
    const dry = await copy.commandJson<PromotionJson>(['promote', '--dry-run']);
    assert.equal([dry.keptDataSet, dry.generation], [expected.report.keptDataSet, expected.report.generation]);
    assert.equal(filesOf(copy), files, 'a dry run changes nothing, and does not finish the promotion');
  }
  await finish(copy, { condition, by: when % 2 === 0 ? 'start' : 'promote', expected: expected.report });
  const difference = await differenceOf(expected.image, copy.volumePath());
  assert.is(JSON.stringify(difference), 'null', `killed at ${calls} ${when}, where the state was ${condition}\n${copy.logTail()}`);
  rmSync(copy.folder, { recursive: true });
  return condition;
}

/** A secondary that was killed under load, with a complete data set that is not destaged and a partial one, and what its promotion gives. */
async function interruptedCopy(hosts: Hosts): Promise<{ image: string; report: PromotionJson }> {
  await hosts.start();
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const writer = new StampedWriter({ host: hosts.primary, blocks: 256, depth: 1, flushEvery: 10 });
    const load = new StampedWriter({ host: hosts.primary, firstBlock: 256, blocks: 2048, depth: 32, flushEvery: 50 });
    await Promise.all([writer.start(), load.start()]);
    await sleep(250 + 31 * attempt);
    await hosts.secondary.kill();
    await Promise.all([writer.stop(), load.stop()]);
    const before = filesOf(hosts.secondary);
    const dry = await hosts.secondary.commandJson<PromotionJson>(['promote', '--dry-run']);
    assert.equal(filesOf(hosts.secondary), before, 'a dry run changes nothing');
    if (dry.destaged.length > 0 && dry.discarded.length > 0) {
      const reference = copyOfSecondary(hosts, 'reference');
      const report = await reference.commandJson<PromotionJson>(['promote']);
      assert.equal([report.keptDataSet, report.destaged, report.discarded], [dry.keptDataSet, dry.destaged, dry.discarded]);
      assert.is(report.lastWriteKept, dry.lastWriteKept);
      assert.ok(
        Math.abs(Date.now() - Date.parse(report.lastWriteKept ?? '')) < 60_000,
        `time of the last write kept: ${report.lastWriteKept}`,
      );
      return { image: reference.volumePath(), report };
    }
    await hosts.secondary.start();
    await hosts.drained();
  }
  throw new Error('no kill left both a complete and a partial data set in the journals');
}

function copyOfSecondary(hosts: Hosts, name: string): Host {
  const folder = join(hosts.folder, name);
  mkdirSync(folder);
  cpSync(hosts.secondary.stateDirectory, join(folder, hosts.secondary.config.state), {
    recursive: true,
    filter: (path) => !path.endsWith('.sock'),
  });
  return new Host({
    name: 'secondary',
    folder,
    config: { ...hosts.secondary.config, replication: { connect: ['ws+unix:nobody.sock'], links: 1 } },
  });
}

function stateOf(host: Host): { condition: string; divergedFrom: { dataSet: number; finalSequence: number } | null } {
  const text = readFileSync(join(host.stateDirectory, 'host-state.json'), 'utf8');
  return JSON.parse(text.replace(/crc32 .*\n$/, '')) as ReturnType<typeof stateOf>;
}

/** Where the promoted history leaves the old primary's. */
function keptPoint(host: Host): { dataSet: number; finalSequence: number } {
  return stateOf(host).divergedFrom ?? { dataSet: -1, finalSequence: -1 };
}

/** Finish an interrupted promotion by the command, and check that it serves what was promised. */
async function finish(
  host: Host,
  { condition, by, expected }: { condition: string; by: 'promote' | 'start'; expected: PromotionJson },
): Promise<void> {
  if (by === 'promote' || condition === 'active') {
    const again: CommandResult = await host.command(['promote', '--json']);
    if (condition === 'promoted') {
      assert.is(again.exitCode, 5, again.stdout);
      return;
    }
    assert.is(again.exitCode, 0, `promote after a kill while ${condition}: ${again.stdout}${again.stderr}`);
    const report = JSON.parse(again.stdout) as PromotionJson;
    assert.equal(
      [report.keptDataSet, report.keptSequence, report.generation],
      [expected.keptDataSet, expected.keptSequence, expected.generation],
    );
    return;
  }
  await host.start();
  const { state, generation } = await host.status();
  assert.equal([state, generation], ['promoted', 2], host.logTail());
  await host.stop();
}

test.run();
