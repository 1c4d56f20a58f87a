/** Load on a pair of hosts, and what they and the kernel tell about it. */
import { readFileSync } from 'node:fs';
import type { BenchScope } from '../support/bench-scope.ts';
import type { FarshoreHosts, HostRole } from '../support/farshore-hosts.ts';
import { runFio } from '../support/fio.ts';
import { readCounters } from '../support/process-counters.ts';

export const ROLES = ['primary', 'secondary'] as const satisfies readonly HostRole[];
const KIB = 1024;

/** fio's options for 4 KiB random writes over the whole volume. */
export function randomWrites(sizeMiB: number, depth: number, round: number): string[] {
  return ['--rw=randwrite', '--bs=4k', `--iodepth=${depth}`, `--size=${sizeMiB}M`, '--randrepeat=0', `--randseed=${round + 1}`];
}

/** Fill the volume, warm both hosts up, and wait until the copy is even. @throws BenchError */
export async function fillVolume(scope: BenchScope, hosts: FarshoreHosts, sizeMiB: number): Promise<void> {
  const fill = ['--rw=write', '--bs=1M', '--iodepth=8', `--size=${sizeMiB}M`, '--refill_buffers=1', '--end_fsync=1'];
  await runFio(scope, { uri: hosts.uri, options: fill, seconds: null });
  await hosts.settle();
  await runFio(scope, { uri: hosts.uri, options: randomWrites(sizeMiB, 32, 0), seconds: 1 });
  await hosts.settle();
}

export interface HostMemory {
  /** The most that was resident since the process began. */
  readonly peakBytes: number;
  /** Pages of the mapped volume that are resident. */
  readonly mappedBytes: number;
  readonly anonymousBytes: number;
}

/** Read what a host has in memory. */
export function readMemory(hosts: FarshoreHosts, role: HostRole): HostMemory {
  const { pid } = hosts.process(role);
  const { rssPeakBytes, rssAnonymousBytes } = readCounters(pid);
  return {
    peakBytes: rssPeakBytes,
    anonymousBytes: rssAnonymousBytes,
    mappedBytes: mappedBytesIn(readFileSync(`/proc/${pid}/smaps`, 'utf8'), hosts.volumePath(role)),
  };
}

/** Sum what is resident of a file's mappings, as /proc/PID/smaps tells it. Pure. */
export function mappedBytesIn(smaps: string, path: string): number {
  let isOfPath = false;
  let bytes = 0;
  for (const line of smaps.split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) isOfPath = line.endsWith(` ${path}`);
    else if (isOfPath && line.startsWith('Rss:')) bytes += Number(/\d+/.exec(line)?.[0] ?? 0) * KIB;
  }
  return bytes;
}

/** Longest stall since the host began, in milliseconds. @throws BenchError when the host does not say */
export async function longestStallMs(hosts: FarshoreHosts, role: HostRole): Promise<number> {
  const { eventLoop } = await hosts.status(role);
  return (eventLoop?.longestStallSeconds ?? Number.NaN) * 1000;
}

/** Stop both hosts and start them again on what is there: what they measure of themselves begins anew. @throws BenchError */
export async function restart(hosts: FarshoreHosts): Promise<void> {
  await hosts.stop();
  for (const role of ROLES) await hosts.startHost(role);
  await hosts.settle();
}
