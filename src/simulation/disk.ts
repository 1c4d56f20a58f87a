/**
 * The simulated disk of one host, as one life of it sees it. A crash ends the disk and makes the one that the next life finds;
 * what that may lose, tear and reorder is stated in docs/simulation.md. Asynchronous operations take a random time, so they complete in any order.
 */
import { posix } from 'node:path';
import type { Disk, DiskFile, DiskLock, OpenOptions } from '../disk/disk.ts';
import { diskError, SimulatedFile } from './file.ts';
import type { Image } from './image.ts';
import { Inode } from './inode.ts';
import type { Arena } from './memory.ts';
import type { Random } from './random.ts';
import type { Life, World } from './virtual-time.ts';

export type Operation =
  | 'open'
  | 'write'
  | 'read'
  | 'flush'
  | 'allocate'
  | 'zero'
  | 'close'
  | 'syncDirectory'
  | 'rename'
  | 'unlink'
  | 'readFile'
  | 'replaceFile';

/** Sees what a host asks of its disk: `asked` before it happens, `written` and `flushed` with what it was. */
export interface DiskWatcher {
  asked(operation: Operation, path: string): void;
  /** A write is about to go to the disk, or, if synchronous, into the page cache; zeroes by fallocate have no bytes. */
  writing(path: string, position: number, bytes: Uint8Array): void;
  /** A synchronous flush ended well. */
  flushed(path: string): void;
}

const SLOW_FILE_FACTOR = 50;

interface PlannedFailure {
  readonly operation: Operation;
  readonly matches: (path: string) => boolean;
  readonly errno: string;
}

/** Names and what they stand for from now on; null: no longer there. */
type EntryChange = readonly (readonly [path: string, inode: Inode | null])[];

/** What stays when a process ends. */
interface Content {
  readonly entries: Map<string, Inode>;
  readonly durableEntries: Map<string, Inode>;
  readonly pendingEntries: EntryChange[];
  readonly directories: Set<string>;
}

export interface DiskOptions {
  readonly world: World;
  readonly random: Random;
  readonly arena: Arena;
  /** Whether files with durable writes ask for aligned ones, as O_DIRECT does. */
  readonly aligned: boolean;
}

export class SimulatedDisk implements Disk {
  readonly options: DiskOptions;
  watcher: DiskWatcher | null = null;
  /** True after a crash: callbacks of this disk never come again. */
  dead = false;
  /** How many times slower than usual the disk is now. */
  slowness = 1;
  /** Files that are still slower; null: none. */
  slowFile: RegExp | null = null;
  failuresMet = 0;
  readonly #content: Content;
  readonly #locks = new Set<string>();
  #failures: PlannedFailure[] = [];

  constructor(options: DiskOptions, content?: Content) {
    this.options = options;
    this.#content = content ?? { entries: new Map(), durableEntries: new Map(), pendingEntries: [], directories: new Set(['/', '.']) };
  }

  get random(): Random {
    return this.options.random;
  }

  open(path: string, options: OpenOptions): DiskFile {
    const name = posix.normalize(path);
    this.asked('open', name);
    const { entries, directories } = this.#content;
    let inode = entries.get(name);
    if (options.create === true) {
      if (inode !== undefined) throw diskError('EEXIST', 'open', name);
      if (!directories.has(posix.dirname(name))) throw diskError('ENOENT', 'open', name);
      inode = new Inode(this.options.arena);
      this.#change([[name, inode]]);
    }
    if (inode === undefined) throw diskError('ENOENT', 'open', name);
    return new SimulatedFile({ disk: this, path: name, inode, openOptions: options });
  }

  syncDirectory(path: string): void {
    const name = posix.normalize(path);
    this.asked('syncDirectory', name);
    const { pendingEntries, durableEntries } = this.#content;
    const covered = pendingEntries.findLastIndex((change) => change.some(([entry]) => posix.dirname(entry) === name));
    for (const change of pendingEntries.splice(0, covered + 1)) applyEntries(durableEntries, change);
  }

  rename(from: string, to: string): void {
    const [source, target] = [posix.normalize(from), posix.normalize(to)];
    this.asked('rename', source);
    const inode = this.#content.entries.get(source);
    if (inode === undefined) throw diskError('ENOENT', 'rename', source);
    this.#change([
      [source, null],
      [target, inode],
    ]);
  }

  unlink(path: string): void {
    const name = posix.normalize(path);
    this.asked('unlink', name);
    if (!this.#content.entries.has(name)) throw diskError('ENOENT', 'unlink', name);
    this.#change([[name, null]]);
  }

  exists(path: string): boolean {
    const name = posix.normalize(path);
    return this.#content.entries.has(name) || this.#content.directories.has(name);
  }

  list(directory: string): string[] {
    const name = posix.normalize(directory);
    const { entries, directories } = this.#content;
    if (!directories.has(name)) throw diskError('ENOENT', 'scandir', name);
    const paths = [...entries.keys(), ...directories].filter((path) => path !== name && posix.dirname(path) === name);
    return paths.map((path) => posix.basename(path)).toSorted();
  }

  makeDirectory(path: string): void {
    const { directories } = this.#content;
    for (let name = posix.normalize(path); !directories.has(name); name = posix.dirname(name)) directories.add(name);
  }

  readFile(path: string): Uint8Array | null {
    const name = posix.normalize(path);
    this.asked('readFile', name);
    return this.#content.entries.get(name)?.cached.bytes() ?? null;
  }

  /** Durable at once: a file that is flushed before it gets its name, and the name after it. */
  replaceFile(path: string, bytes: Uint8Array): void {
    const name = posix.normalize(path);
    this.asked('replaceFile', name);
    const inode = new Inode(this.options.arena);
    inode.put({ position: 0, lengthBytes: bytes.length, bytes: this.options.arena.copyOf(bytes) }, true);
    this.#change([[name, inode]]);
    this.syncDirectory(posix.dirname(name));
  }

  lock(path: string): DiskLock | null {
    const name = posix.normalize(path);
    if (this.#locks.has(name)) return null;
    if (!this.exists(name)) this.open(name, { create: true });
    this.#locks.add(name);
    return { release: () => void this.#locks.delete(name) };
  }

  fileSystemOf(_path: string): string {
    return 'memory';
  }

  /** Let the next matching operation fail with this errno, once. */
  failNext(operation: Operation, errno: string, matches: (path: string) => boolean): void {
    this.#failures.push({ operation, errno, matches });
  }

  /** The disk works again as it should. */
  heal(): void {
    this.#failures = [];
    this.slowness = 1;
    this.slowFile = null;
  }

  /** What a reader sees, or what a power cut leaves for sure; null if there is no such name. */
  image(path: string, what: 'cached' | 'durable'): Image | null {
    const inode = (what === 'cached' ? this.#content.entries : this.#content.durableEntries).get(path);
    return inode?.[what] ?? null;
  }

  /**
   * The disk that the next life finds. A power cut loses, keeps or tears each change that was not flushed; a kill (`kept`) leaves the
   * page cache, and loses only parts of what was under way. This disk goes on as it is, so it can be asked for many futures.
   */
  after(kept: 'page cache' | 'what is durable', options: Partial<DiskOptions> = {}): SimulatedDisk {
    const { entries, durableEntries, pendingEntries, directories } = this.#content;
    const made = { ...this.options, ...options };
    const { arena, random } = made;
    const survivors = new Map<Inode, Inode>();
    const survivor = (inode: Inode): Inode => {
      const known = survivors.get(inode);
      if (known !== undefined) return known;
      const next = kept === 'page cache' ? inode.afterKill(arena, random) : inode.afterPowerCut(arena, random);
      survivors.set(inode, next);
      return next;
    };
    const durable = new Map(durableEntries);
    const keptChanges = kept === 'page cache' ? 0 : random.int(pendingEntries.length + 1);
    for (const change of pendingEntries.slice(0, keptChanges)) applyEntries(durable, change);
    const mapped = (names: Map<string, Inode>): Map<string, Inode> =>
      new Map([...names].map(([path, inode]) => [path, survivor(inode)] as const));
    const nextDurable = mapped(durable);
    return new SimulatedDisk(made, {
      durableEntries: nextDurable,
      entries: kept === 'page cache' ? mapped(entries) : new Map(nextDurable),
      pendingEntries:
        kept === 'page cache'
          ? pendingEntries.map((change) => change.map(([path, inode]) => [path, inode && survivor(inode)] as const))
          : [],
      directories: new Set(directories),
    });
  }

  /** Count an operation; used by the files of this disk. @throws a failure planned by `failNext` */
  asked(operation: Operation, path: string): void {
    const error = this.askedLater(operation, path);
    if (error !== null) throw error;
  }

  /** The same for an operation that reports its error when it completes. */
  askedLater(operation: Operation, path: string): Error | null {
    if (this.dead) return null;
    this.watcher?.asked(operation, path);
    if (this.#failures.length === 0) return null;
    const index = this.#failures.findIndex((plan) => plan.operation === operation && plan.matches(path));
    const [plan] = index < 0 ? [] : this.#failures.splice(index, 1);
    if (plan === undefined) return null;
    this.failuresMet += 1;
    this.options.world.note(`${operation} of ${path} fails: ${plan.errno}`);
    return diskError(plan.errno, operation, path);
  }

  /** Run a completion later; never after a crash. */
  later(label: string, path: string, lengthBytes: number, work: () => void): void {
    if (this.dead) return;
    const { world, random } = this.options;
    const delayUs =
      (20 + random.int(200) + lengthBytes / 400) * this.slowness * (this.slowFile?.test(path) === true ? SLOW_FILE_FACTOR : 1);
    const life: Life | null = world.life;
    world.schedule(Math.round(delayUs), label, () => (this.dead ? undefined : work()), life);
  }

  #change(change: EntryChange): void {
    applyEntries(this.#content.entries, change);
    this.#content.pendingEntries.push(change);
  }
}

function applyEntries(entries: Map<string, Inode>, change: EntryChange): void {
  for (const [path, inode] of change) {
    if (inode === null) entries.delete(path);
    else entries.set(path, inode);
  }
}
