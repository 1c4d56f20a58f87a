/** Memory of a host's process. */
import { readFileSync } from 'node:fs';
import type { Host } from './host-process.ts';

/** Resident memory in MiB: now, and the most it ever was. */
export function memoryOf(host: Host): { now: number; peak: number } {
  const text = readFileSync(`/proc/${host.pid}/status`, 'utf8');
  const mib = (name: string): number => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024);
  return { now: mib('VmRSS'), peak: mib('VmHWM') };
}
