/** `farshore demo --keep`: everything but the kill; all hosts are left running, and it is said what can be done with them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CopyCheck } from './check-copy.ts';
import type { Stage } from './demo.ts';
import { waitForHost } from './hosts.ts';
import { BIN } from './processes.ts';
import { readFromFiles } from './read-volumes.ts';
import type { Scene } from './scene.ts';
import { counted, plural } from './screen.ts';
import { writeForAWhile } from './write-phase.ts';

export interface KeepReport {
  readonly verdict: 'good' | 'bad';
  readonly summary: string;
  readonly seed: number;
  readonly writes: { readonly acknowledged: number; readonly acknowledgedBytes: number; readonly kept: number };
  readonly volumesEqual: boolean;
  readonly faults: readonly string[];
  readonly folder: string | null;
  readonly hosts: readonly {
    readonly role: string;
    readonly pid: number;
    readonly config: string;
    readonly log: string;
    readonly nbd: readonly string[];
    readonly status: string;
  }[];
  readonly commands: Readonly<Record<string, string>>;
}

export async function performKeep(stage: Stage): Promise<KeepReport> {
  const { scene, screen, hosts, history } = stage;
  const { clients } = await writeForAWhile(stage);
  for (const client of clients) await client.close();
  screen.step('Compare: wait until all is destaged, then read both volumes of the secondary');
  await waitForHost(hosts.primary, 'the secondary to destage everything', ({ behind }) => behind.dataSets === 0);
  const check = new CopyCheck(history);
  await readFromFiles(scene.secondary.volumePaths, scene.volumes, check);
  const { equal, writesKept, writesKeptMax, wrongBlocks, faults } = check.judge();
  const complete = equal && writesKeptMax === history.writes.length;
  const summary = complete
    ? `the copy is what all ${counted(history.writes.length)} writes made of both volumes`
    : equal
      ? `the copy lacks ${plural(history.writes.length - writesKeptMax, 'write')} although it says that all is destaged`
      : `${plural(wrongBlocks, 'block')} of the copy fit no moment of the history, first: ${faults[0] ?? '?'}`;
  screen.lines(faults);
  const report: KeepReport = {
    verdict: complete ? 'good' : 'bad',
    summary,
    seed: history.seed,
    writes: {
      acknowledged: history.acknowledged,
      acknowledgedBytes: history.acknowledgedBytes,
      kept: complete ? writesKeptMax : writesKept,
    },
    volumesEqual: equal,
    faults,
    folder: scene.folder,
    hosts: hostRows(stage),
    commands: commandsOf(stage),
  };
  if (complete) explain(stage, report);
  screen.verdict(complete, summary);
  return report;
}

function hostRows({ scene, hosts }: Stage): KeepReport['hosts'] {
  const pages = { primary: hosts.primaryPage, secondary: hosts.secondaryPage, peer: hosts.peerPage };
  return [hosts.primary, hosts.secondary, hosts.peer].map(({ files, pid }) => ({
    role: files.role,
    pid,
    config: files.config,
    log: files.log,
    nbd: scene.volumes.map(({ name }) => `nbd+unix:///${name}?socket=${files.nbdSocket}`),
    status: `http://${pages[files.role]}/`,
  }));
}

/** Lines for a shell, by what they do. */
function commandsOf({ scene, hosts }: Stage): Readonly<Record<string, string>> {
  const pids = join(scene.folder, 'pids');
  const farshore = `${quoted(process.execPath)} ${quoted(BIN)}`;
  const [first = ''] = scene.volumes.map(({ name }) => `nbd+unix:///${name}?socket=${scene.primary.nbdSocket}`);
  return {
    watch: `${farshore} status -c ${quoted(scene.primary.config)} --watch`,
    killPrimary: `kill -9 ${hosts.primary.pid}`,
    promote: `${farshore} promote -c ${quoted(scene.secondary.config)}`,
    restartPrimary: `${farshore} start -c ${quoted(scene.primary.config)}`,
    watchSecondary: `${farshore} status -c ${quoted(scene.secondary.config)} --watch`,
    watchPeer: `${farshore} status -c ${quoted(scene.peer.config)} --watch`,
    killSecondary: `kill -9 ${hosts.secondary.pid}`,
    takeover: `${farshore} takeover -c ${quoted(scene.peer.config)}`,
    stopAll: `kill $(cat ${quoted(pids)}); sleep 3; rm -r ${leftovers(scene).map(quoted).join(' ')}`,
    qemuIo: `qemu-io -f raw -c 'write -P 7 0 1M' -c flush '${first}'`,
    nbdcopy: `nbdcopy '${first}' copy.img`,
    fio: `fio --name=try --ioengine=nbd --uri='${first}' --rw=randwrite --bs=4k --iodepth=32 --norandommap --serialize_overlap=1 --time_based --runtime=10`,
  };
}

/** When a host serves its volumes, if not now. */
const ONCE: Readonly<Record<string, string>> = { secondary: '   (once promoted)', peer: '   (once it took over and was promoted)' };

function explain({ scene, screen, hosts }: Stage, report: KeepReport): void {
  writeFileSync(join(scene.folder, 'pids'), `${hosts.primary.pid}\n${hosts.secondary.pid}\n${hosts.peer.pid}\n`);
  const { commands } = report;
  screen.step('All hosts go on running');
  for (const { role, pid, config, log, nbd, status } of report.hosts) {
    screen.lines([
      `${role}, pid ${pid}`,
      `  status  ${status}`,
      ...nbd.map((uri) => `  nbd     ${uri}${ONCE[role] ?? ''}`),
      `  config  ${config}`,
      `  log     ${log}`,
    ]);
  }
  const say = (title: string, ...names: string[]): void => screen.lines(['', title, ...names.map((name) => `  ${commands[name] ?? ''}`)]);
  say('Write to the primary, with any NBD client:', 'qemuIo', 'nbdcopy', 'fio');
  say('Watch the copy follow:', 'watch', 'watchSecondary');
  say('Lose the primary, and go on with the secondary:', 'killPrimary', 'promote');
  say('Start the old primary again (it refuses):', 'restartPrimary');
  say('Or lose the secondary, and let the peer take its place while the primary goes on:', 'killSecondary', 'takeover', 'watchPeer');
  say('Stop everything and remove the folder:', 'stopAll');
}

/** The folder, and a region that is not in it. */
function leftovers({ folder, regionPath }: Scene): string[] {
  return regionPath.startsWith(folder) ? [folder] : [folder, regionPath];
}

/** For a shell, only where it is needed. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
