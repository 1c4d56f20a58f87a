/**
 * A file system of the kernel on an NBD volume: nbdfuse shows the volume as a file, a loop device makes it a block device, and that is
 * mounted. Needs root. `close` takes everything down again, also when the server below is gone.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import type { Callback, Test } from 'uvu';
import { mustRun, runProgram, sleep, spawnTracked, within, type CommandResult, type Host } from './host-process.ts';
import { needsTried } from './scratch.ts';
import { hasTool, needsTools } from './tools.ts';

const UP_MS = 60_000;

export type FileSystem = 'ext4' | 'xfs';

const MAKE: Readonly<Record<FileSystem, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-E', 'nodiscard'],
  xfs: ['mkfs.xfs', '-q', '-f', '-K'],
};
/** Checks that change nothing, after a mount has replayed the file system's own journal. */
const CHECK: Readonly<Record<FileSystem, readonly string[]>> = { ext4: ['e2fsck', '-f', '-n'], xfs: ['xfs_repair', '-n'] };

/** Register a test that mounts such volumes; skipped by name where that is impossible. */
export function needsMountedVolumes<T>(test: Test<T>, fileSystem: FileSystem): (name: string, handler: Callback<T>) => void {
  const tools = ['root', 'nbdfuse', 'losetup', 'mount', 'umount', '/dev/fuse', '/dev/loop-control'];
  tools.push(MAKE[fileSystem][0] ?? '', CHECK[fileSystem][0] ?? '');
  return tools.every(hasTool) ? needsTried(test, 'losetup') : needsTools(test, ...tools);
}

export class MountedVolume {
  readonly folder: string;
  readonly #fuseFolder: string;
  readonly #fileSystem: FileSystem;
  #nbdfuse: ChildProcess | null = null;
  #device: string | null = null;
  #mounted = false;

  private constructor(options: { readonly at: string; readonly fileSystem: FileSystem }) {
    this.folder = join(options.at, 'mounted');
    this.#fuseFolder = join(options.at, 'fuse');
    this.#fileSystem = options.fileSystem;
    mkdirSync(this.folder, { recursive: true });
    mkdirSync(this.#fuseFolder, { recursive: true });
  }

  /** Mount a volume of a host below the folder `at`; with `make`, a new file system. */
  static async open(options: {
    readonly host: Host;
    readonly volume?: string;
    readonly at: string;
    readonly fileSystem: FileSystem;
    readonly make?: boolean;
  }): Promise<MountedVolume> {
    const volume = new MountedVolume(options);
    try {
      await volume.#attach(options.host.nbdUri(options.volume));
      if (options.make === true) await volume.#make();
      await mustRun('mount', ['-t', options.fileSystem, volume.#deviceName, volume.folder]);
      volume.#mounted = true;
      return volume;
    } catch (error) {
      await volume.close();
      throw error;
    }
  }

  get #deviceName(): string {
    if (this.#device === null) throw new Error('no loop device is attached');
    return this.#device;
  }

  async #attach(uri: string): Promise<void> {
    const file = join(this.#fuseFolder, 'nbd');
    this.#nbdfuse = spawnTracked('nbdfuse', [file, uri]);
    let said = '';
    this.#nbdfuse.stderr?.on('data', (text: Buffer) => (said += text.toString()));
    const deadline = performance.now() + UP_MS;
    while ((await runProgram('mountpoint', ['-q', this.#fuseFolder])).exitCode !== 0) {
      if (this.#nbdfuse.exitCode !== null || performance.now() > deadline) throw new Error(`nbdfuse does not serve ${uri}: ${said}`);
      await sleep(20);
    }
    this.#device = (await mustRun('losetup', ['--find', '--show', file])).stdout.trim();
  }

  async #make(): Promise<void> {
    const [program = '', ...args] = MAKE[this.#fileSystem];
    await mustRun(program, [...args, this.#deviceName]);
  }

  /** Unmount, and check the file system without changing it. */
  async unmountAndCheck(): Promise<CommandResult> {
    await mustRun('umount', [this.folder]);
    this.#mounted = false;
    const [program = '', ...args] = CHECK[this.#fileSystem];
    return await runProgram(program, [...args, this.#deviceName]);
  }

  /** Take all of it down, whatever state it is in. */
  async close(): Promise<void> {
    if (this.#mounted) await runProgram('umount', ['--lazy', this.folder]);
    this.#mounted = false;
    if (this.#device !== null) await runProgram('losetup', ['--detach', this.#device]);
    this.#device = null;
    await runProgram('umount', ['--lazy', this.#fuseFolder]);
    const { exitCode, signalCode } = this.#nbdfuse ?? { exitCode: 0, signalCode: null };
    if (this.#nbdfuse !== null && exitCode === null && signalCode === null) {
      const child = this.#nbdfuse;
      const gone = new Promise<true>((resolve) => void child.once('exit', () => resolve(true)));
      if ((await within(gone, 2_000)) === null) child.kill('SIGKILL');
    }
    this.#nbdfuse = null;
  }
}
