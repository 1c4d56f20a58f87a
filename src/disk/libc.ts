/**
 * The calls of libc that Node does not offer: mapping, residency, allocation, locks. The only module that knows koffi, so
 * that another package can replace it (docs/decisions/0001). Loaded at the first call, once per thread.
 */
import { createRequire } from 'node:module';
import type koffiModule from 'koffi';
import { getSystemErrorMap } from 'node:util';
import { assert } from '../model/assert.ts';
import type { Done } from './disk.ts';

type Call<Arguments extends unknown[], Result> = ((...args: Arguments) => Result) & {
  async(...args: [...Arguments, (error: Error | null, result: Result) => void]): void;
};

interface Libc {
  errno(): number;
  readonly mmap: Call<[hint: null, lengthBytes: number, protection: number, flags: number, fd: number, offset: number], number | bigint>;
  readonly munmap: Call<[address: number, lengthBytes: number], number>;
  readonly mincore: Call<[address: number, lengthBytes: number, pages: Uint8Array], number>;
  readonly madvise: Call<[address: number, lengthBytes: number, advice: number], number>;
  readonly mlock: Call<[address: number, lengthBytes: number], number>;
  readonly posix_fadvise: Call<[fd: number, offset: number, lengthBytes: number, advice: number], number>;
  readonly fallocate: Call<[fd: number, mode: number, offset: number, lengthBytes: number], number>;
  readonly flock: Call<[fd: number, operation: number], number>;
  readonly lseek: Call<[fd: number, offset: number, whence: number], number>;
  readonly fcntl: Call<[fd: number, command: number, type: 'int', value: number], number>;
  readonly pwrite: Call<[fd: number, bytes: Uint8Array, lengthBytes: number, offset: number], number>;
  readonly copyIn: Call<[target: number, source: Uint8Array, lengthBytes: number], number>;
  readonly copyOut: Call<[target: Uint8Array, source: number, lengthBytes: number], number>;
  readonly addressOf: Call<[bytes: Uint8Array, same: Uint8Array, lengthBytes: number], number>;
  readonly getpagesize: Call<[], number>;
}

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
/** The same number for madvise and posix_fadvise. */
const ADVICE_RANDOM = 1;
const ADVICE_POPULATE_READ = 22;
const SEEK_END = 2;
const LOCK_EXCLUSIVE_NOW = 2 | 4;
const F_GETFL = 3;
const F_SETFL = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_ZERO_RANGE = 0x10;
/** Pages that one mincore call looks at: a larger range takes several. */
const MINCORE_PAGES = 256;
const residency = new Uint8Array(MINCORE_PAGES);

let loaded: Libc | null = null;

function libc(): Libc {
  if (loaded !== null) return loaded;
  const koffi: typeof koffiModule = createRequire(import.meta.url)('koffi');
  const own = koffi.load(null);
  const call = <Arguments extends unknown[], Result>(prototype: string): Call<Arguments, Result> => own.func(prototype);
  loaded = {
    errno: () => koffi.errno(),
    mmap: call('uint64_t mmap(void *hint, size_t length, int protection, int flags, int fd, int64_t offset)'),
    munmap: call('int munmap(uintptr_t address, size_t length)'),
    mincore: call('int mincore(uintptr_t address, size_t length, void *pages)'),
    madvise: call('int madvise(uintptr_t address, size_t length, int advice)'),
    mlock: call('int mlock(uintptr_t address, size_t length)'),
    posix_fadvise: call('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)'),
    fallocate: call('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
    flock: call('int flock(int fd, int operation)'),
    lseek: call('int64_t lseek(int fd, int64_t offset, int whence)'),
    fcntl: call('int fcntl(int fd, int command, ...)'),
    pwrite: call('int64_t pwrite(int fd, const void *bytes, size_t length, int64_t offset)'),
    // memcpy returns its first argument: with a length of 0 that is the address of a buffer, and nothing is copied.
    copyIn: call('uintptr_t memcpy(uintptr_t target, const void *source, size_t length)'),
    copyOut: call('uintptr_t memcpy(void *target, uintptr_t source, size_t length)'),
    addressOf: call('uintptr_t memcpy(void *bytes, const void *same, size_t length)'),
    getpagesize: call('int getpagesize()'),
  };
  return loaded;
}

/** Errors that libuv, and with it Node, has no name for. */
const UNNAMED: Readonly<Record<number, readonly [code: string, text: string]>> = { 15: ['ENOTBLK', 'neither a file nor a block device'] };

/** Make the error that Node would make for a failed system call: `code`, `errno`, `syscall`, `path`. */
export function systemError(options: { errno: number; syscall: string; path: string }): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-options.errno) ?? UNNAMED[options.errno] ?? [`ERRNO_${options.errno}`, 'unknown error'];
  const error: NodeJS.ErrnoException = new Error(`${code}: ${text}, ${options.syscall} '${options.path}'`);
  return Object.assign(error, { code, errno: -options.errno, syscall: options.syscall, path: options.path });
}

/** Put the path into an error of a call on a descriptor, of which Node says only which call it was: an operator needs the file. */
export function namePath<Thrown>(thrown: Thrown, path: string): Thrown {
  const error = thrown as NodeJS.ErrnoException;
  if (!(thrown instanceof Error) || error.syscall === undefined || error.path !== undefined) return thrown;
  error.path = path;
  error.message = `${error.message} '${path}'`;
  return thrown;
}

function failure(syscall: string, path: string): NodeJS.ErrnoException {
  return systemError({ errno: libc().errno(), syscall, path });
}

/** Bytes of one page of memory on this machine. */
export function pageSizeBytes(): number {
  return libc().getpagesize();
}

/** Address of the first byte; also for views of SharedArrayBuffers. Valid while the view is held. */
export function addressOf(bytes: Uint8Array): number {
  return libc().addressOf(bytes, bytes, 0);
}

/** Map the first `lengthBytes` of a file, shared, for reading and writing; the address. */
export function mapShared(options: { fd: number; lengthBytes: number; path: string }): number {
  const address = libc().mmap(null, options.lengthBytes, PROT_READ | PROT_WRITE, MAP_SHARED, options.fd, 0);
  // MAP_FAILED is the highest address; koffi returns a bigint for what a double cannot hold.
  if (BigInt(address) === 0xffff_ffff_ffff_ffffn) throw failure('mmap', options.path);
  return Number(address);
}

export function unmapShared(options: { address: number; lengthBytes: number; path: string }): void {
  if (libc().munmap(options.address, options.lengthBytes) !== 0) throw failure('munmap', options.path);
}

/** Whether all pages of a mapped range are in memory. The range is in bytes, at any alignment. */
export function isResident(address: number, lengthBytes: number, pageBytes: number): boolean {
  const end = address + lengthBytes;
  for (let from = address - (address % pageBytes); from < end; from += MINCORE_PAGES * pageBytes) {
    const span = Math.min(end - from, MINCORE_PAGES * pageBytes);
    if (libc().mincore(from, span, residency) !== 0) throw failure('mincore', 'mapping');
    const pages = Math.ceil(span / pageBytes);
    for (let page = 0; page < pages; page += 1) if (((residency[page] ?? 0) & 1) === 0) return false;
  }
  return true;
}

/** Read no more than what is asked for: no read-ahead around a fault of this mapping. */
export function adviseMappingRandom(address: number, lengthBytes: number): void {
  libc().madvise(address, lengthBytes, ADVICE_RANDOM);
}

/**
 * Fault every page of a mapped range in, and lock it where RLIMIT_MEMLOCK allows it. Neither dirties a page. What the kernel refuses
 * (an old one, a low limit) is left as it is.
 */
export function holdInMemory(address: number, lengthBytes: number): void {
  if (libc().mlock(address, lengthBytes) !== 0) libc().madvise(address, lengthBytes, ADVICE_POPULATE_READ);
}

/** Cache this file in small pages, and without read-ahead: a store through a mapping then dirties 4 KiB, not a large folio. */
export function adviseFileRandom(fd: number): void {
  libc().posix_fadvise(fd, 0, 0, ADVICE_RANDOM);
}

/** Copy into mapped memory. The caller has checked the range. */
export function copyIntoMemory(address: number, bytes: Uint8Array): void {
  libc().copyIn(address, bytes, bytes.length);
}

/** Copy out of mapped memory. The caller has checked the range. */
export function copyFromMemory(target: Uint8Array, address: number): void {
  libc().copyOut(target, address, target.length);
}

/** Write synchronously; bytes written. At a third less CPU than fs.writeSync. */
export function pwriteSync(options: { fd: number; path: string }, bytes: Uint8Array, position: number): number {
  const written = libc().pwrite(options.fd, bytes, bytes.length, position);
  if (written < 0) throw failure('pwrite', options.path);
  return written;
}

export interface AllocationRange {
  readonly fd: number;
  readonly path: string;
  readonly offset: number;
  readonly lengthBytes: number;
  /** `allocate`: reserve, keeping what is there; `zero`: make the range read as zeroes and keep it allocated, at an unchanged size. */
  readonly mode: 'allocate' | 'zero';
}

const ALLOCATION_MODES = { allocate: 0, zero: FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE } as const;

/** fallocate, waiting. @throws errno of the call */
export function fallocateSync(range: AllocationRange): void {
  const result = libc().fallocate(range.fd, ALLOCATION_MODES[range.mode], range.offset, range.lengthBytes);
  if (result !== 0) throw failure('fallocate', range.path);
}

/** fallocate on a thread of the pool. */
export function fallocate(range: AllocationRange, done: Done): void {
  libc().fallocate.async(range.fd, ALLOCATION_MODES[range.mode], range.offset, range.lengthBytes, (error, result) => {
    // koffi carries errno over to this callback; it must be read before any other call.
    done(error ?? (result === 0 ? null : failure('fallocate', range.path)));
  });
}

/** Take the exclusive flock of an open file without waiting; false: someone else has it. */
export function lockExclusive(fd: number, path: string): boolean {
  if (libc().flock(fd, LOCK_EXCLUSIVE_NOW) === 0) return true;
  const error = failure('flock', path);
  if (error.code === 'EAGAIN') return false;
  throw error;
}

/** Size of a block device, whose `stat` says 0. */
export function deviceSizeBytes(fd: number, path: string): number {
  const size = libc().lseek(fd, 0, SEEK_END);
  if (size < 0) throw failure('lseek', path);
  return size;
}

/** Turn one status flag of an open file (O_DIRECT) on or off; false: the file system refuses it. */
export function setStatusFlag(options: { fd: number; flag: number; on: boolean }): boolean {
  const flags = libc().fcntl(options.fd, F_GETFL, 'int', 0);
  assert(flags >= 0, 'the flags of an open file are readable');
  const wanted = options.on ? flags | options.flag : flags & ~options.flag;
  return libc().fcntl(options.fd, F_SETFL, 'int', wanted) === 0;
}
