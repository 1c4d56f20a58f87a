/**
 * File systems of the kernel on replicated volumes (Fig. 12): the primary is killed while files are written and fsynced; on the promoted
 * host the file system is clean, and what was acknowledged is there, whole, in order, over all volumes of the group at one moment (I1).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { contentOfFile } from '../support/fsync-workload.ts';
import { sleep, spawnTracked } from '../support/host-process.ts';
import { withHosts, type Hosts } from '../support/hosts.ts';
import { MountedVolume, needsMountedVolumes, type FileSystem } from '../support/mounted-volume.ts';

const WORKLOAD = fileURLToPath(new URL('../support/fsync-workload.js', import.meta.url));
const DATA_SETS = { minAge: '2ms', maxAge: '20ms' };

/** A workload in a process of its own, and what it has printed so far: the number of steps that are done. */
class Workload {
  done = 0;
  readonly ended: Promise<void>;
  #pending = '';

  constructor(mode: 'files' | 'counters', folders: readonly string[]) {
    const child = spawnTracked(process.execPath, [WORKLOAD, mode, ...folders]);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#pending + text).split('\n');
      this.#pending = lines.pop() ?? '';
      const last = lines.at(-1);
      if (last !== undefined) this.done = Number(last) + 1;
    });
    this.ended = new Promise((resolve) => void child.once('close', () => resolve()));
  }
}

/**
 * Let the workload run for a while, then kill the primary in mid-write. Returns how many steps were done at a moment since when
 * everything numbered until then was acknowledged: they must survive. `behind`: the secondary stands still for the last half second.
 */
async function runAndKill(hosts: Hosts, workload: Workload, { runMs, behind }: { runMs: number; behind: boolean }): Promise<number> {
  let mustSurvive = 0;
  let waiting: { readonly done: number; readonly sequence: number } | null = null;
  const end = performance.now() + runMs;
  while (performance.now() < end || mustSurvive < 5) {
    assert.ok(
      performance.now() < end + 20_000,
      `the workload gets on: ${workload.done} steps, of which ${mustSurvive} are safe\n${hosts.logTails()}`,
    );
    const done = workload.done;
    const { sequence } = await hosts.primary.status();
    const acknowledged = Number(sequence.acknowledged ?? -1);
    if (waiting !== null && acknowledged >= waiting.sequence) {
      mustSurvive = waiting.done;
      waiting = null;
    }
    waiting ??= { done, sequence: Math.max(Number(sequence.open ?? -1), Number(sequence.sent ?? -1), acknowledged) };
    await sleep(10);
  }
  if (behind) {
    hosts.secondary.signal('SIGSTOP');
    await sleep(500);
  }
  await hosts.primary.kill();
  hosts.secondary.signal('SIGCONT');
  return mustSurvive;
}

async function promote(hosts: Hosts): Promise<void> {
  await hosts.secondary.untilStatus('lost its primary', ({ links }) => !links.some((link) => link.up));
  await hosts.secondary.commandJson(['promote']);
  await hosts.secondary.untilStatus('serves', ({ state }) => state === 'promoted');
}

/** Files of the promoted copy: they are 0, 1, 2 ... without a gap, each with exactly its content. Returns how many. */
function checkFiles(folder: string): number {
  const names = readdirSync(folder).filter((name) => name.startsWith('file-'));
  for (let k = 0; k < names.length; k += 1) {
    assert.ok(names.includes(`file-${k}`), `file ${k} is missing, although ${names.length} files are there: they are no prefix`);
    assert.ok(readFileSync(join(folder, `file-${k}`)).equals(contentOfFile(k)), `file ${k} is whole`);
  }
  return names.length;
}

const CASES: readonly { readonly fileSystem: FileSystem; readonly sizeMiB: number; readonly flush: 'local' | 'remote' }[] = [
  { fileSystem: 'ext4', sizeMiB: 96, flush: 'local' },
  { fileSystem: 'xfs', sizeMiB: 320, flush: 'remote' },
];

for (const { fileSystem, sizeMiB, flush } of CASES) {
  const promise =
    flush === 'remote' ? 'every fsynced file is there (flush: remote)' : 'every file up to the last acknowledged data set is there';
  needsMountedVolumes(test, fileSystem)(
    `${fileSystem}: the primary is killed under a workload that fsyncs; after promotion fsck is clean and ${promise}`,
    async () => {
      await withHosts({ volumes: [{ name: 'db1', sizeMiB }], flush, dataSets: DATA_SETS }, async (hosts) => {
        await hosts.start();
        const mounted: MountedVolume[] = [];
        try {
          const near = await MountedVolume.open({ host: hosts.primary, at: join(hosts.folder, 'near'), fileSystem, make: true });
          mounted.push(near);
          const workload = new Workload('files', [near.folder]);
          const acknowledged = await runAndKill(hosts, workload, { runMs: 2_000, behind: flush === 'local' });
          await workload.ended;
          const mustSurvive = flush === 'remote' ? workload.done : acknowledged;
          await near.close();
          await promote(hosts);
          const far = await MountedVolume.open({ host: hosts.secondary, at: join(hosts.folder, 'far'), fileSystem });
          mounted.push(far);
          const found = checkFiles(far.folder);
          assert.ok(found >= mustSurvive, `${found} files of ${workload.done} are there, at least ${mustSurvive} must be`);
          assert.ok(found <= workload.done + 1, `${found} files, but only ${workload.done} were finished`);
          const { exitCode, stdout, stderr } = await far.unmountAndCheck();
          assert.is(exitCode, 0, `${fileSystem} is clean: ${stdout}${stderr}`);
        } finally {
          for (const volume of mounted) await volume.close();
        }
      });
    },
  );
}

needsMountedVolumes(test, 'ext4')('two volumes of one group with a file system each are at one moment after the promotion', async () => {
  const volumes = [
    { name: 'a', sizeMiB: 48 },
    { name: 'b', sizeMiB: 48 },
  ];
  await withHosts({ volumes, dataSets: DATA_SETS }, async (hosts) => {
    await hosts.start();
    const mounted: MountedVolume[] = [];
    const open = async (side: 'primary' | 'secondary', make: boolean): Promise<MountedVolume[]> => {
      const opened = [];
      for (const { name } of volumes) {
        const volume = await MountedVolume.open({
          host: hosts[side],
          volume: name,
          at: join(hosts.folder, `${side}-${name}`),
          fileSystem: 'ext4',
          make,
        });
        mounted.push(volume);
        opened.push(volume);
      }
      return opened;
    };
    try {
      const near = await open('primary', true);
      const workload = new Workload(
        'counters',
        near.map(({ folder }) => folder),
      );
      const mustSurvive = await runAndKill(hosts, workload, { runMs: 2_000, behind: true });
      await workload.ended;
      for (const volume of near) await volume.close();
      await promote(hosts);
      const far = await open('secondary', false);
      const [a = -1, b = -1] = far.map(({ folder }) => Number(readFileSync(join(folder, 'counter'), 'utf8')));
      assert.ok(a === b || a === b + 1, `a is raised before b, so it is at most one ahead: a is ${a}, b is ${b}`);
      assert.ok(
        b + 1 >= mustSurvive && a <= workload.done,
        `a is ${a}, b is ${b}; ${workload.done} steps were done, ${mustSurvive} must survive`,
      );
      for (const volume of far) assert.is((await volume.unmountAndCheck()).exitCode, 0, 'ext4 is clean');
    } finally {
      for (const volume of mounted) await volume.close();
    }
  });
});

test.run();
