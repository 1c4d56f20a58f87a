/** What the kernel counts: for one process, from /proc, CPU, memory and bytes written; for the disk of a folder, bytes written. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';

/** USER_HZ: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIB = 1024;
const SECTOR_BYTES = 512;

export interface ProcessCounters {
  /** User and system time of all its threads, those that ended included; counted in steps of 10 ms. */
  readonly cpuSeconds: number;
  /** Resident now, the most since `resetRssPeak`, and now by kind: anonymous, of files (mapped pages), shared. */
  readonly rssBytes: number;
  readonly rssPeakBytes: number;
  readonly rssAnonymousBytes: number;
  readonly rssFileBytes: number;
  readonly rssSharedBytes: number;
  /**
   * Bytes that it caused to be written to a disk: `write_bytes` less `cancelled_write_bytes` of /proc/PID/io. For writes through the
   * page cache the kernel counts a page when it becomes dirty, and not again while it stays so.
   */
  readonly writtenBytes: number;
}

/** Read the counters of a process that runs. @throws Error ENOENT when it has ended */
export function readCounters(pid: number): ProcessCounters {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const io = readFileSync(`/proc/${pid}/io`, 'utf8');
  const kib = (name: string): number => numberAfter(status, name) * KIB;
  return {
    cpuSeconds: readCpuSeconds(pid),
    rssBytes: kib('VmRSS'),
    rssPeakBytes: kib('VmHWM'),
    rssAnonymousBytes: kib('RssAnon'),
    rssFileBytes: kib('RssFile'),
    rssSharedBytes: kib('RssShmem'),
    writtenBytes: numberAfter(io, 'write_bytes') - numberAfter(io, 'cancelled_write_bytes'),
  };
}

/** Read the CPU time of a process in seconds: user and system, all threads. @throws Error ENOENT when it has ended */
export function readCpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name stands in brackets and may hold anything; fields 14 and 15 of the line are 11 and 12 behind it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Begin a new peak of resident memory. */
export function resetRssPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Read how many bytes were ever written to the disk that holds a folder, by anybody; null when it has no such count (tmpfs). */
export function deviceWrittenBytes(folder: string): number | null {
  const device = BigInt(statSync(folder).dev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  const path = `/sys/dev/block/${major}:${minor}/stat`;
  if (!existsSync(path)) return null;
  const sectors = Number(readFileSync(path, 'utf8').trim().split(/\s+/)[6]);
  return sectors * SECTOR_BYTES;
}

function numberAfter(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}
