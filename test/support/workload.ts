/** Workloads of end-to-end tests, through the NBD clients that people have. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './host-process.ts';
import { mustRun, type CommandResult } from './host-process.ts';

export interface FioOptions {
  readonly volume?: string;
  readonly rw: 'randwrite' | 'write' | 'randrw' | 'randtrim';
  readonly blockSize: string;
  readonly depth: number;
  /** Bytes that one job writes, as fio reads sizes. */
  readonly size: string;
  /** Parallel connections on disjoint ranges of `size` each. */
  readonly jobs?: number;
  /** A flush after so many writes. */
  readonly fsyncEvery?: number;
  readonly verify?: boolean;
  readonly timeoutMs?: number;
  /** Write for so long instead of once over the range. */
  readonly seconds?: number;
  readonly rateIops?: number;
  /** Where the range begins. */
  readonly offset?: string;
  /** Bytes to write in all, when that is not the whole range. */
  readonly ioSize?: string;
}

/** Run fio against a volume, verifying what it wrote by reading it back; it must succeed. */
export function fio(host: Host, options: FioOptions): Promise<CommandResult> {
  return mustRun('fio', fioArguments(host, options), { timeoutMs: options.timeoutMs ?? 60_000 });
}

/** The command line of `fio`, for a process that a test ends by itself. */
export function fioArguments(host: Host, options: FioOptions): string[] {
  const { rw, blockSize, depth, size, jobs, fsyncEvery, verify, seconds, rateIops, offset, ioSize } = options;
  return [
    '--name=farshore',
    '--ioengine=nbd',
    `--uri=${host.nbdUri(options.volume)}`,
    `--rw=${rw}`,
    `--bs=${blockSize}`,
    `--iodepth=${depth}`,
    `--size=${size}`,
    '--randrepeat=0',
    '--refill_buffers',
    // Or fio leaves a file of its own in the current folder.
    '--verify_state_save=0',
    // Random blocks may come twice, so overlapping requests must not be in flight together, or fio reports false corruption.
    ...(rw === 'randwrite' || rw === 'randrw' ? ['--norandommap', '--serialize_overlap=1'] : []),
    ...(jobs === undefined ? [] : [`--numjobs=${jobs}`, `--offset_increment=${size}`, '--group_reporting']),
    ...(fsyncEvery === undefined ? [] : [`--fsync=${fsyncEvery}`]),
    ...(verify === true ? ['--verify=crc32c', '--do_verify=1', '--verify_fatal=1'] : []),
    ...(seconds === undefined ? [] : ['--time_based', `--runtime=${seconds}`]),
    ...(rateIops === undefined ? [] : [`--rate_iops=${rateIops}`]),
    ...(offset === undefined ? [] : [`--offset=${offset}`]),
    ...(ioSize === undefined ? [] : [`--io_size=${ioSize}`]),
  ];
}

/** Run qemu-io commands on a volume; a pattern that reads back wrongly is a failure. */
export async function qemuIo(host: Host, commands: readonly string[], volume?: string): Promise<string> {
  const args = ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), host.nbdUri(volume)];
  const { stdout, stderr } = await mustRun('qemu-io', args);
  // qemu-io ends with 0 whatever its commands found.
  if (/failed|error/i.test(stdout + stderr)) throw new Error(`qemu-io ${commands.join('; ')}:\n${stdout}${stderr}`);
  return stdout;
}

/** Bytes that differ in every block and for every seed. */
export function seededBytes(seed: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let at = 0; at + 4 <= lengthBytes; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  return bytes;
}

/** A file of such bytes, for copying in. */
export function patternFile(
  folder: string,
  options: { readonly name: string; readonly lengthBytes: number; readonly seed: number },
): string {
  const path = join(folder, options.name);
  writeFileSync(path, seededBytes(options.seed, options.lengthBytes));
  return path;
}
