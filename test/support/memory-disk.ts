/**
 * A disk in memory that loses, tears and reorders what was not flushed; the trap is in `crash`.
 *
 * Of each file there are two images: what a reader sees (the page cache) and what a power cut leaves (durable), and between
 * them the list of changes that were not flushed. Directory entries are pending until `syncDirectory` in the same way.
 * Asynchronous operations complete in later turns of the event loop, and nothing is random but by the seed. A failed flush loses its changes, and the next one says OK, as the kernel does (I10).
 *
 * Simplified: pending directory operations survive a power cut as a prefix (as with a journaling file system), and
 * `makeDirectory` and `replaceFile` are durable at once.
 */
import { posix } from 'node:path';
import type { Disk, DiskFile, DiskLock, OpenOptions } from '../../src/disk/disk.ts';
import { diskError, MemoryFile } from './memory-file.ts';
import { Inode } from './memory-inode.ts';
import type { Random } from './memory-inode.ts';

export type { Random };

/** Make a repeatable source of random numbers (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

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

/** One operation as it is asked; a test can crash the disk from here, at exactly this point. */
export interface Asked {
  readonly operation: Operation;
  readonly path: string;
  readonly position: number;
  readonly lengthBytes: number;
}

export interface MemoryDiskOptions {
  readonly seed?: number;
  /** Whether files with durable writes ask for aligned ones, as O_DIRECT does; default true. */
  readonly aligned?: boolean;
  readonly fileSystem?: string;
  /** Complete operations after a random number of turns, as a pool of threads does; default: in the order in which they were asked. */
  readonly reorder?: boolean;
  /** Called before each operation, until the crash: what a dead process goes on to ask is not seen. */
  readonly onAsked?: (asked: Asked) => void;
}

export interface CrashOptions {
  /** Decides what survives; default: the disk's own seed. */
  readonly random?: Random;
  /** True: only the process was killed; what it wrote can still be read, and can still be lost by a later power cut. */
  readonly keepPageCache?: boolean;
  /** What the new disk is like, where it differs from this one. */
  readonly options?: MemoryDiskOptions;
}

interface PlannedFailure {
  readonly operation: Operation;
  readonly path: string | null;
  readonly errno: string;
}

/** Names and what they stand for from now on; null: no longer there. */
type EntryChange = readonly (readonly [path: string, inode: Inode | null])[];

export class MemoryDisk implements Disk {
  readonly options: MemoryDiskOptions;
  readonly random: Random;
  /** Operations asked so far, by name. */
  readonly counts: Record<Operation, number>;
  /** True after `crash`: callbacks of this disk never come again. */
  dead = false;
  #entries = new Map<string, Inode>();
  #durableEntries = new Map<string, Inode>();
  /** Directory operations that no `syncDirectory` has covered yet. */
  #pendingEntries: EntryChange[] = [];
  readonly #directories = new Set<string>(['/', '.']);
  readonly #locks = new Set<string>();
  #failures: PlannedFailure[] = [];
  #turns: (() => void)[] = [];
  #pumping = false;

  constructor(options: MemoryDiskOptions = {}) {
    this.options = options;
    this.random = seededRandom(options.seed ?? 1);
    this.counts = {
      open: 0,
      write: 0,
      read: 0,
      flush: 0,
      allocate: 0,
      zero: 0,
      close: 0,
      syncDirectory: 0,
      rename: 0,
      unlink: 0,
      readFile: 0,
      replaceFile: 0,
    };
  }

  open(path: string, options: OpenOptions): DiskFile {
    const name = posix.normalize(path);
    this.asked({ operation: 'open', path: name, position: 0, lengthBytes: 0 });
    let inode = this.#entries.get(name);
    if (options.create === true) {
      if (inode !== undefined) throw diskError('EEXIST', 'open', name);
      if (!this.#directories.has(posix.dirname(name))) throw diskError('ENOENT', 'open', name);
      const made = new Inode();
      inode = made;
      this.#change([[name, made]]);
    }
    if (inode === undefined) throw diskError(this.#directories.has(name) ? 'EISDIR' : 'ENOENT', 'open', name);
    return new MemoryFile({ disk: this, path: name, inode, openOptions: options });
  }

  syncDirectory(path: string): void {
    const name = posix.normalize(path);
    this.asked({ operation: 'syncDirectory', path: name, position: 0, lengthBytes: 0 });
    const covered = this.#pendingEntries.findLastIndex((change) => change.some(([entry]) => posix.dirname(entry) === name));
    for (const change of this.#pendingEntries.splice(0, covered + 1)) applyEntries(this.#durableEntries, change);
  }

  rename(from: string, to: string): void {
    const [source, target] = [posix.normalize(from), posix.normalize(to)];
    this.asked({ operation: 'rename', path: source, position: 0, lengthBytes: 0 });
    const inode = this.#entries.get(source);
    if (inode === undefined) throw diskError('ENOENT', 'rename', source);
    this.#change([
      [source, null],
      [target, inode],
    ]);
  }

  unlink(path: string): void {
    const name = posix.normalize(path);
    this.asked({ operation: 'unlink', path: name, position: 0, lengthBytes: 0 });
    if (!this.#entries.has(name)) throw diskError('ENOENT', 'unlink', name);
    this.#change([[name, null]]);
  }

  exists(path: string): boolean {
    const name = posix.normalize(path);
    return this.#entries.has(name) || this.#directories.has(name);
  }

  list(directory: string): string[] {
    const name = posix.normalize(directory);
    if (!this.#directories.has(name)) throw diskError('ENOENT', 'scandir', name);
    const paths = [...this.#entries.keys(), ...this.#directories].filter((path) => path !== name && posix.dirname(path) === name);
    return paths.map((path) => posix.basename(path)).toSorted();
  }

  makeDirectory(path: string): void {
    for (let name = posix.normalize(path); !this.#directories.has(name); name = posix.dirname(name)) this.#directories.add(name);
  }

  readFile(path: string): Uint8Array | null {
    const name = posix.normalize(path);
    this.asked({ operation: 'readFile', path: name, position: 0, lengthBytes: 0 });
    const inode = this.#entries.get(name);
    return inode === undefined ? null : Uint8Array.from(inode.cached.bytes());
  }

  replaceFile(path: string, bytes: Uint8Array): void {
    const name = posix.normalize(path);
    this.asked({ operation: 'replaceFile', path: name, position: 0, lengthBytes: bytes.length });
    const inode = new Inode();
    inode.put({ position: 0, lengthBytes: bytes.length, bytes: Uint8Array.from(bytes) }, true);
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
    return this.options.fileSystem ?? 'memory';
  }

  /** Let the next matching operation fail with this errno, once. */
  failNext(operation: Operation, errno: string, path?: string): void {
    this.#failures.push({ operation, errno, path: path === undefined ? null : posix.normalize(path) });
  }

  /**
   * Crash: this disk goes silent for ever, and a new one is returned as the next process finds it.
   * A power cut loses, keeps or tears (at 512-byte sectors) each change that was not flushed, in any subset, and what was
   * under way; a killed process (`keepPageCache`) loses only what was under way.
   */
  crash(options: CrashOptions = {}): MemoryDisk {
    const random = options.random ?? this.random;
    const next = new MemoryDisk({ ...this.options, seed: Math.floor(random() * 2 ** 31), ...options.options });
    const kill = options.keepPageCache === true;
    this.dead = true;
    this.#turns = [];
    const survivors = new Map<Inode, Inode>();
    const survivor = (inode: Inode): Inode => {
      const made = survivors.get(inode) ?? (kill ? inode.afterKill(random) : inode.afterPowerCut(random));
      survivors.set(inode, made);
      return made;
    };
    const durable = new Map(this.#durableEntries);
    const keptEntries = kill ? 0 : Math.floor(random() * (this.#pendingEntries.length + 1));
    for (const change of this.#pendingEntries.slice(0, keptEntries)) applyEntries(durable, change);
    for (const directory of this.#directories) next.#directories.add(directory);
    for (const [path, inode] of durable) next.#durableEntries.set(path, survivor(inode));
    for (const [path, inode] of kill ? this.#entries : durable) next.#entries.set(path, survivor(inode));
    if (kill) {
      next.#pendingEntries = this.#pendingEntries.map((change) => change.map(([path, inode]) => [path, inode && survivor(inode)] as const));
    }
    return next;
  }

  /** Bytes that a power cut would leave for sure, for assertions; null if the file's name is not durable. */
  durableBytes(path: string): Uint8Array | null {
    const inode = this.#durableEntries.get(posix.normalize(path));
    return inode === undefined ? null : Uint8Array.from(inode.durable.bytes());
  }

  /** Count an operation; used by the files of this disk. @throws a failure planned by `failNext` */
  asked(asked: Asked): void {
    const error = this.askedLater(asked);
    if (error !== null) throw error;
  }

  /** The same for an operation that reports its error when it completes. */
  askedLater(asked: Asked): Error | null {
    this.counts[asked.operation] += 1;
    if (!this.dead) this.options.onAsked?.(asked);
    const index = this.#failures.findIndex((plan) => plan.operation === asked.operation && (plan.path ?? asked.path) === asked.path);
    const [plan] = index < 0 ? [] : this.#failures.splice(index, 1);
    return plan === undefined ? null : diskError(plan.errno, asked.operation, asked.path);
  }

  /** Run a completion in a later turn of the event loop, in order; never after a crash. */
  later(work: () => void): void {
    if (this.dead) return;
    this.#turns.push(work);
    if (!this.#pumping) this.#pump();
  }

  #pump(): void {
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      const asked = this.#turns;
      this.#turns = [];
      const reorder = this.options.reorder === true;
      const due = reorder ? asked.filter(() => this.random() < 0.5) : asked;
      if (reorder) this.#turns = asked.filter((work) => !due.includes(work));
      for (const work of due) if (!this.dead) work();
      if (this.#turns.length > 0 && !this.#pumping) this.#pump();
    });
  }

  #change(change: EntryChange): void {
    applyEntries(this.#entries, change);
    this.#pendingEntries.push(change);
  }
}

function applyEntries(entries: Map<string, Inode>, change: EntryChange): void {
  for (const [path, inode] of change) {
    if (inode === null) entries.delete(path);
    else entries.set(path, inode);
  }
}
