/**
 * A program under strace from its first system call, with one fault at the N-th call of one kind on one group of its files.
 *
 * strace counts per thread, so the program has one thread for its asynchronous disk work, and a group of files is chosen such that
 * mostly one thread makes the calls of one kind on it. Where two threads do, both meet the fault: `met` says how often it was met.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ONE_DISK_THREAD } from '../support/fault-injection.ts';

/** `none`: look at every call, and change none but the one `before`. */
export type FaultKind = 'none' | 'EIO' | 'ENOSPC' | 'ENOMEM' | 'ENOLCK' | 'short' | 'SIGKILL';

/** A fault that changes nothing: for a look at what a program calls. */
export const NO_FAULT: Fault = { kind: 'none', call: '', group: 'state', n: 0 };

export interface Fault {
  readonly kind: FaultKind;
  /** Name of the system call. */
  readonly call: string;
  /** Group of files, of `FILE_GROUPS`. */
  readonly group: FileGroup;
  /** Which call of a thread, from 1 on. */
  readonly n: number;
  /** A call that fails in any case, before: what mends one failure must survive the next. */
  readonly before?: { readonly call: string; readonly group: FileGroup };
}

export type FileGroup = 'state' | 'backlog' | 'last-head' | 'volumes' | 'journals' | 'watermark';
export const FILE_GROUPS: readonly FileGroup[] = ['state', 'backlog', 'last-head', 'volumes', 'journals', 'watermark'];

/**
 * Bytes that a short write claims; strace leaves the call out, so none is written. Where libuv goes on behind a part by itself, a part
 * would be a lie that no program can see; there the call says 0. A short read says 0: the file ends here.
 */
const SHORT_BYTES: Readonly<Record<FileGroup, number>> = {
  state: 512,
  volumes: 512,
  backlog: 0,
  'last-head': 0,
  journals: 0,
  watermark: 0,
};

/** Calls that are looked at, with the faults that each may meet. A kill before a call that changes nothing is one before the next that does. */
const WRITE_FAULTS: readonly FaultKind[] = ['EIO', 'ENOSPC', 'short', 'SIGKILL'];
const FLUSH_FAULTS: readonly FaultKind[] = ['EIO', 'ENOSPC', 'SIGKILL'];
const NAME_FAULTS: readonly FaultKind[] = ['EIO', 'ENOSPC', 'SIGKILL'];
const READ_FAULTS: readonly FaultKind[] = ['EIO', 'short'];
export const CALL_FAULTS: Readonly<Record<string, readonly FaultKind[]>> = {
  pwrite64: WRITE_FAULTS,
  pwritev: WRITE_FAULTS,
  write: WRITE_FAULTS,
  writev: WRITE_FAULTS,
  fdatasync: FLUSH_FAULTS,
  fsync: FLUSH_FAULTS,
  msync: FLUSH_FAULTS,
  rename: NAME_FAULTS,
  renameat: NAME_FAULTS,
  renameat2: NAME_FAULTS,
  mkdir: NAME_FAULTS,
  unlink: ['EIO', 'SIGKILL'],
  unlinkat: ['EIO', 'SIGKILL'],
  openat: NAME_FAULTS,
  fallocate: NAME_FAULTS,
  ftruncate: ['EIO', 'SIGKILL'],
  pread64: READ_FAULTS,
  preadv: READ_FAULTS,
  read: READ_FAULTS,
  mmap: ['ENOMEM'],
  flock: ['ENOLCK'],
  access: ['EIO'],
};

/** Files of a host's folder, as paths below the cell's folder. */
export function pathsOf(group: FileGroup, role: 'primary' | 'secondary', slots: number): string[] {
  const below = (...names: readonly string[]): string[] => names.map((name) => join(role, name));
  switch (group) {
    case 'state':
      return [
        role,
        ...below('host-state.json', 'host-state.json.new', 'stream-state.json', 'stream-state.json.new'),
        ...below('clean-stop', 'clean-stop.new', 'lock'),
      ];
    case 'backlog':
      return below('backlog.bin');
    case 'last-head':
      return below('last-head');
    case 'volumes':
      return below('db1.img', 'log.img');
    case 'watermark':
      return below('journals/watermark');
    case 'journals': {
      const slotPaths = Array.from({ length: slots }, (_, slot) => `journals/slot-${String(slot).padStart(4, '0')}.journal`);
      return below('journals', ...slotPaths, ...slotPaths.map((path) => `${path}.spare`));
    }
  }
}

/** What stands before the program on the command line. */
export function straceWrapper(options: {
  readonly folder: string;
  readonly role: 'primary' | 'secondary';
  readonly slots: number;
  readonly tracePath: string;
  readonly fault: Fault;
}): string[] {
  const { folder, role, slots, tracePath, fault } = options;
  const { before, kind } = fault;
  const groups = kind === 'none' ? FILE_GROUPS : [fault.group, ...(before === undefined ? [] : [before.group])];
  const paths = [...new Set(groups)].flatMap((group) => pathsOf(group, role, slots)).flatMap((path) => ['-P', join(folder, path)]);
  const calls = kind === 'none' ? Object.keys(CALL_FAULTS) : [fault.call, ...(before === undefined ? [] : [before.call])];
  const injections = injectionsOf(fault);
  // The filter saves most of the stops, but a signal that is injected at a stop of it is lost.
  const filter = kind === 'SIGKILL' ? [] : ['--seccomp-bpf'];
  return ['strace', '-D', '-f', ...filter, '-y', '-s', '0', '-o', tracePath, ...paths, '-e', `trace=${calls.join(',')}`, ...injections];
}

function injectionsOf(fault: Fault): string[] {
  const { before, call, kind, n, group } = fault;
  const what = kind === 'SIGKILL' ? 'signal=SIGKILL' : kind === 'short' ? `retval=${shortBytes(call, group)}` : `error=${kind}`;
  const first = before === undefined ? [] : ['-e', `inject=${before.call}:error=EIO:when=1`];
  if (kind === 'none') return first;
  return [...first, '-e', `inject=${call}:${what}:when=${n}`];
}

function shortBytes(call: string, group: FileGroup): number {
  return /read/.test(call) ? 0 : SHORT_BYTES[group];
}

export const TRACED_ENVIRONMENT = ONE_DISK_THREAD.env;

export interface Call {
  readonly thread: string;
  readonly call: string;
  readonly group: FileGroup;
  /** The file's name, without its folder. */
  readonly file: string;
  readonly creates: boolean;
  readonly injected: boolean;
}

/** The calls of a trace, in order; a call that another thread interrupts in the trace counts once. */
export function readCalls(tracePath: string, folder: string): Call[] {
  const calls: Call[] = [];
  for (const line of readTrace(tracePath).split('\n')) {
    const match = /^(\d+)\s+(\w+)\((.*)$/.exec(line);
    const [, thread = '', call = '', rest = ''] = match ?? [];
    const path = [...rest.matchAll(/"([^"]+)"|<([^<>]+)>/g)]
      .map((found) => found[1] ?? found[2] ?? '')
      .find((text) => text.startsWith(`${folder}/`));
    if (match === null || path === undefined) continue;
    calls.push({
      thread,
      call,
      group: groupOf(path.slice(folder.length + 1)),
      file: basename(path),
      creates: rest.includes('O_CREAT'),
      injected: rest.includes('(INJECTED)'),
    });
  }
  return calls;
}

/** How often a fault was met: calls whose result was changed, or the kill. */
export function metIn(tracePath: string, { kind, call }: Fault): number {
  const text = readTrace(tracePath);
  if (kind === 'SIGKILL') return text.includes('+++ killed by SIGKILL +++') ? 1 : 0;
  return text.match(new RegExp(`(?:^\\d+ +${call}\\(|<\\.\\.\\. ${call} resumed>).*\\(INJECTED\\)`, 'gm'))?.length ?? 0;
}

export function readTrace(tracePath: string): string {
  try {
    return readFileSync(tracePath, 'utf8');
  } catch {
    return '';
  }
}

function groupOf(path: string): FileGroup {
  const name = path.replace(/^[^/]+\/?/, '');
  if (name === 'backlog.bin' || name === 'last-head') return name === 'last-head' ? 'last-head' : 'backlog';
  if (name.endsWith('.img')) return 'volumes';
  if (name === 'journals/watermark') return 'watermark';
  return name.startsWith('journals') ? 'journals' : 'state';
}
