/**
 * The simulated disk of one host, as one life of it sees it. A crash ends the disk and makes the one that the next life finds;
 * what that may lose, tear and reorder is stated in docs/simulation.md. Asynchronous operations take a random time, so they complete in any order.
 */
import { posix } from 'node:path';
import type { Disk, DiskFile, DiskLock, OpenOptions } from '../disk/disk.ts';
import { diskError, SimulatedFile } from './file.ts';
import type { Image } from './image.ts';
import { Inode } from './inode.ts';
import type { Memory } from './memory.ts';
import type { Random } from './random.ts';
import type { Life } from './virtual-time.ts';

/** What a host asks of its disk; `store`: through a mapping. */
export type Operation =
  | 'open'
  | 'write'
  | 'store'
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

/** What leaves nothing that a crash could meet: it can fail, and nobody is told that it is asked. */
type Look = 'exists' | 'list' | 'lock' | 'makeDirectory';

/** One operation as it is asked; whoever watches can crash the disk at exactly this point. */
export interface Asked {
  readonly operation: Operation;
  readonly path: string;
  /** Of writes, reads, zeroes and allocations; otherwise 0. */
  readonly position: number;
  readonly lengthBytes: number;
}

/** Sees what a host asks of its disk: `asked` before it happens, `writing` and `flushed` with what it was. */
export interface DiskWatcher {
  asked(asked: Asked): void;
  /** A write is about to go to the disk, or, if synchronous or through a mapping, into the page cache; zeroes by fallocate have no bytes. */
  writing(path: string, position: number, bytes: Uint8Array): void;
  /** A synchronous flush ended well. */
  flushed(path: string): void;
}

const SLOW_FILE_FACTOR = 50;

/** A store through a mapping of an allocated file cannot fail. */
export type FailingOperation = Exclude<Operation, 'store'> | Look;

/** What a crash leaves: of a killed process the page cache too, of a power cut nothing else. */
export type Kept = 'page cache' | 'what is durable';

/** When what was asked happens: the world of a simulation, or, in other tests, later turns of the event loop. */
export interface DiskSchedule {
  /** On whose behalf code runs now. */
  readonly life: Life | null;
  schedule(delayUs: number, label: string, work: () => void, life: Life | null): unknown;
  note(text: string): void;
}

interface PlannedFailure {
  readonly operation: FailingOperation;
  readonly matches: (path: string) => boolean;
  readonly errno: string;
}

/** Names and what they stand for from now on; null: no longer there. */
export type EntryChange = readonly (readonly [path: string, inode: Inode | null])[];

/** What stays when a process ends. */
export interface Content {
  readonly entries: Map<string, Inode>;
  readonly durableEntries: Map<string, Inode>;
  readonly pendingEntries: EntryChange[];
  readonly directories: Set<string>;
  /** Power cuts so far; absent: none. */
  readonly powerCuts?: number;
}

export interface DiskOptions {
  readonly world: DiskSchedule;
  readonly random: Random;
  readonly arena: Memory;
  /** Whether files with durable writes ask for aligned ones, as O_DIRECT does. */
  readonly aligned: boolean;
  /** How often the pages that a mapping asks for are in memory; null (default): this disk has no mappings. */
  readonly residentChance?: number | null;
  /** Default: 'memory'. */
  readonly fileSystem?: string;
  /** Locks that a process on another host has, where both reach the same storage. */
  readonly locksOfOthers?: ReadonlySet<string>;
  /** False: everything happens, and is reported, in the order in which it was asked. */
  readonly reorders?: boolean;
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
  /** True: whatever needs more space fails with ENOSPC; files that are allocated go on. */
  isFull = false;
  failuresMet = 0;
  readonly #content: Content;
  readonly #locks = new Set<string>();
  #failures: PlannedFailure[] = [];

  constructor(options: DiskOptions, content?: Content) {
    this.options = options;
    this.#content = content ?? { entries: new Map(), durableEntries: new Map(), pendingEntries: [], directories: new Set(['/', '.']) };
  }

  /** Names and files as they are now; for those who enumerate futures. */
  get content(): Content {
    return this.#content;
  }

  get locks(): ReadonlySet<string> {
    return this.#locks;
  }

  get random(): Random {
    return this.options.random;
  }

  open(path: string, options: OpenOptions): DiskFile {
    const name = posix.normalize(path);
    this.asked(named('open', name), options.create === true);
    const { entries, directories } = this.#content;
    let inode = entries.get(name);
    if (options.create === true) {
      if (inode !== undefined) throw diskError('EEXIST', 'open', name);
      if (!directories.has(posix.dirname(name))) throw diskError('ENOENT', 'open', name);
      inode = new Inode(this.options.arena);
      this.#change([[name, inode]]);
    }
    if (inode === undefined) throw diskError(directories.has(name) ? 'EISDIR' : 'ENOENT', 'open', name);
    return new SimulatedFile({ disk: this, path: name, inode, openOptions: options });
  }

  /** One that fails leaves the names as pending as they were. */
  syncDirectory(path: string): void {
    const name = posix.normalize(path);
    this.asked(named('syncDirectory', name));
    const { pendingEntries, durableEntries } = this.#content;
    const covered = pendingEntries.findLastIndex((change) => change.some(([entry]) => posix.dirname(entry) === name));
    for (const change of pendingEntries.splice(0, covered + 1)) applyEntries(durableEntries, change);
  }

  rename(from: string, to: string): void {
    const [source, target] = [posix.normalize(from), posix.normalize(to)];
    this.asked(named('rename', source));
    const inode = this.#content.entries.get(source);
    if (inode === undefined) throw diskError('ENOENT', 'rename', source);
    this.#change([
      [source, null],
      [target, inode],
    ]);
  }

  unlink(path: string): void {
    const name = posix.normalize(path);
    this.asked(named('unlink', name));
    if (!this.#content.entries.has(name)) throw diskError('ENOENT', 'unlink', name);
    this.#change([[name, null]]);
  }

  exists(path: string): boolean {
    const name = posix.normalize(path);
    this.#look('exists', name);
    return this.#content.entries.has(name) || this.#content.directories.has(name);
  }

  list(directory: string): string[] {
    const name = posix.normalize(directory);
    this.#look('list', name);
    const { entries, directories } = this.#content;
    if (!directories.has(name)) throw diskError('ENOENT', 'scandir', name);
    const paths = [...entries.keys(), ...directories].filter((path) => path !== name && posix.dirname(path) === name);
    return paths.map((path) => posix.basename(path)).toSorted();
  }

  makeDirectory(path: string): void {
    const { directories } = this.#content;
    this.#look('makeDirectory', posix.normalize(path));
    for (let name = posix.normalize(path); !directories.has(name); name = posix.dirname(name)) directories.add(name);
  }

  readFile(path: string): Uint8Array | null {
    const name = posix.normalize(path);
    this.asked(named('readFile', name));
    return this.#content.entries.get(name)?.cached.bytes() ?? null;
  }

  /** A file that is flushed before it gets its name, and the name after it: a crash or a failure before the name leaves the old one. */
  replaceFile(path: string, bytes: Uint8Array): void {
    const name = posix.normalize(path);
    this.asked({ operation: 'replaceFile', path: name, position: 0, lengthBytes: bytes.length }, true);
    const inode = new Inode(this.options.arena);
    inode.put({ position: 0, lengthBytes: bytes.length, bytes: this.options.arena.copyOf(bytes) }, true);
    this.#change([[name, inode]]);
    this.syncDirectory(posix.dirname(name));
  }

  lock(path: string): DiskLock | null {
    const name = posix.normalize(path);
    this.#look('lock', name);
    if (this.#locks.has(name) || this.options.locksOfOthers?.has(name) === true) return null;
    const { entries, directories } = this.#content;
    if (!entries.has(name) && !directories.has(name)) this.open(name, { create: true });
    this.#locks.add(name);
    return { release: () => void this.#locks.delete(name) };
  }

  fileSystemOf(_path: string): string {
    return this.options.fileSystem ?? 'memory';
  }

  bootId(): string {
    return (this.#content.powerCuts ?? 0).toString(16).padStart(32, 'b');
  }

  /** Let the next operation of this kind, on this path or one that matches, fail with this errno, once. */
  failNext(operation: FailingOperation, errno: string, path?: string | ((path: string) => boolean)): void {
    const matches = typeof path === 'string' ? (asked: string): boolean => asked === posix.normalize(path) : (path ?? (() => true));
    this.#failures.push({ operation, errno, matches });
  }

  /** The disk works again as it should. */
  heal(): void {
    this.#failures = [];
    this.slowness = 1;
    this.slowFile = null;
    this.isFull = false;
  }

  /** What a reader sees, or what a power cut leaves for sure; null if there is no such name. */
  image(path: string, what: 'cached' | 'durable'): Image | null {
    const inode = (what === 'cached' ? this.#content.entries : this.#content.durableEntries).get(path);
    return inode?.[what] ?? null;
  }

  /**
   * The disk that the next life finds. A power cut loses, keeps or tears each change that was not flushed; a kill leaves the
   * page cache, and loses only parts of what was under way. This disk goes on as it is, so it can be asked for many futures.
   */
  after(kept: Kept, options: Partial<DiskOptions> = {}): SimulatedDisk {
    const made = { ...this.options, ...options };
    return new SimulatedDisk(made, this.contentAfter(kept, made));
  }

  /** Crash: nothing of this disk is ever heard again, and the next life finds the one that is returned. */
  crash(kept: Kept, options: Partial<DiskOptions> = {}): SimulatedDisk {
    const made = { ...this.options, ...options };
    const shared = [...new Set(this.#content.entries.values())].filter(({ isShared }) => isShared);
    const next = new SimulatedDisk(made, this.contentAfter(kept, made, shared));
    this.dead = true;
    return next;
  }

  /** @param shared files that another host has too, and which stay the same files */
  protected contentAfter(kept: Kept, { arena, random }: Pick<DiskOptions, 'arena' | 'random'>, shared: readonly Inode[] = []): Content {
    const { entries, durableEntries, pendingEntries, directories } = this.#content;
    const survivors = new Map<Inode, Inode>();
    const survivor = (inode: Inode): Inode => {
      const known = survivors.get(inode);
      if (known !== undefined) return known;
      const left = kept === 'page cache' ? inode.afterKill(arena, random) : inode.afterPowerCut(arena, random);
      const isShared = shared.includes(inode);
      if (isShared) inode.crashOf(this, left);
      const next = isShared ? inode : left;
      survivors.set(inode, next);
      return next;
    };
    const durable = new Map(durableEntries);
    const keptChanges = kept === 'page cache' ? 0 : random.int(pendingEntries.length + 1);
    for (const change of pendingEntries.slice(0, keptChanges)) applyEntries(durable, change);
    const mapped = (names: Map<string, Inode>): Map<string, Inode> =>
      new Map([...names].map(([path, inode]) => [path, survivor(inode)] as const));
    const nextDurable = mapped(durable);
    return {
      durableEntries: nextDurable,
      entries: kept === 'page cache' ? mapped(entries) : new Map(nextDurable),
      pendingEntries:
        kept === 'page cache'
          ? pendingEntries.map((change) => change.map(([path, inode]) => [path, inode && survivor(inode)] as const))
          : [],
      directories: new Set(directories),
      powerCuts: (this.#content.powerCuts ?? 0) + (kept === 'page cache' ? 0 : 1),
    };
  }

  /** Tell that an operation is asked; used by the files of this disk. @throws a failure planned by `failNext`, ENOSPC if the disk is full */
  asked(asked: Asked, needsSpace = false): void {
    const error = this.askedLater(asked, needsSpace);
    if (error !== null) throw error;
  }

  /** The same for an operation that reports its error when it completes. */
  askedLater(asked: Asked, needsSpace = false): NodeJS.ErrnoException | null {
    if (this.dead) return null;
    this.watcher?.asked(asked);
    if (needsSpace && this.isFull) return this.#failed('ENOSPC', asked);
    return this.#planned(asked);
  }

  #look(operation: Look, path: string): void {
    const error = this.#planned({ operation, path });
    if (error !== null) throw error;
  }

  #planned(asked: { readonly operation: Operation | Look; readonly path: string }): NodeJS.ErrnoException | null {
    if (this.#failures.length === 0 || this.dead) return null;
    const index = this.#failures.findIndex((plan) => plan.operation === asked.operation && plan.matches(asked.path));
    const [plan] = index < 0 ? [] : this.#failures.splice(index, 1);
    return plan === undefined ? null : this.#failed(plan.errno, asked);
  }

  #failed(errno: string, { operation, path }: { readonly operation: string; readonly path: string }): NodeJS.ErrnoException {
    this.failuresMet += 1;
    this.options.world.note(`${operation} of ${path} fails: ${errno}`);
    return diskError(errno, operation, path);
  }

  /** Run a completion later; never after a crash. */
  later(label: string, path: string, lengthBytes: number, work: () => void): void {
    if (this.dead) return;
    const { world, random, reorders } = this.options;
    const delayUs =
      reorders === false
        ? 0
        : (20 + random.int(200) + lengthBytes / 400) * this.slowness * (this.slowFile?.test(path) === true ? SLOW_FILE_FACTOR : 1);
    const life: Life | null = world.life;
    world.schedule(Math.round(delayUs), label, () => (this.dead ? undefined : work()), life);
  }

  #change(change: EntryChange): void {
    applyEntries(this.#content.entries, change);
    this.#content.pendingEntries.push(change);
  }
}

function named(operation: Operation, path: string): Asked {
  return { operation, path, position: 0, lengthBytes: 0 };
}

export function applyEntries(entries: Map<string, Inode>, change: EntryChange): void {
  for (const [path, inode] of change) {
    if (inode === null) entries.delete(path);
    else entries.set(path, inode);
  }
}
