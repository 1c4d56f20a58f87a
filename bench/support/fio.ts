/** fio with its nbd engine: one client for every server, and its report as numbers. */
import { BenchError } from './bench-error.ts';
import type { BenchScope } from './bench-scope.ts';

/** Percentiles in microseconds; null when there were none. */
export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

export interface FioReport {
  /** Reads and writes that ended, without flushes. */
  readonly operations: number;
  readonly flushes: number;
  readonly writtenBytes: number;
  readonly readBytes: number;
  readonly operationsPerSecond: number;
  readonly megabytesPerSecond: number;
  /** From submission to completion, of writes if there were any, else of reads. */
  readonly completion: Latency | null;
  readonly readCompletion: Latency | null;
  readonly sync: Latency | null;
  /** Of fio itself. */
  readonly cpuSeconds: number;
  readonly runSeconds: number;
}

export interface FioRun {
  readonly uri: string;
  /** Such as `--rw=randwrite --bs=4k`. */
  readonly options: readonly string[];
  /** Null: until everything was written once. */
  readonly seconds: number | null;
  /** A list of requests to replay, instead of what the options say. */
  readonly replay?: string;
}

/** Run fio and read its report. @throws BenchError when it fails or reports an error */
export async function runFio(scope: BenchScope, run: FioRun): Promise<FioReport> {
  const time = run.seconds === null ? [] : [`--runtime=${Math.round(run.seconds * 1000)}ms`];
  const what = run.replay === undefined ? ['--time_based'] : [`--read_iolog=${run.replay}`, '--replay_no_stall=1'];
  const args = [
    '--name=bench',
    '--ioengine=nbd',
    `--uri=${run.uri}`,
    '--output-format=json',
    '--group_reporting',
    ...time,
    ...(run.seconds === null ? [] : what),
    ...run.options,
  ];
  return parseFioReport(await scope.succeed('fio', args));
}

interface Direction {
  readonly total_ios: number;
  readonly io_bytes: number;
  readonly iops: number;
  readonly bw_bytes: number;
  readonly clat_ns: { readonly N?: number; readonly percentile?: Readonly<Record<string, number>> };
}

interface Job {
  readonly error: number;
  readonly job_runtime: number;
  readonly usr_cpu: number;
  readonly sys_cpu: number;
  readonly read: Direction;
  readonly write: Direction;
  readonly sync?: { readonly total_ios?: number; readonly lat_ns?: Direction['clat_ns'] };
}

/** Read fio's JSON of one group; fio may write notes before it. @throws BenchError when it is none, or an error is in it */
export function parseFioReport(text: string): FioReport {
  const start = text.indexOf('{');
  if (start === -1) throw new BenchError(`fio wrote no report: ${text.slice(0, 400)}`);
  const { jobs } = JSON.parse(text.slice(start)) as { jobs: readonly Job[] };
  const [job] = jobs;
  if (job === undefined || jobs.length !== 1) throw new BenchError(`fio reported ${jobs.length} groups instead of one`);
  if (job.error !== 0) throw new BenchError(`fio reported error ${job.error}`);
  const { read, write } = job;
  return {
    operations: read.total_ios + write.total_ios,
    flushes: job.sync?.total_ios ?? 0,
    writtenBytes: write.io_bytes,
    readBytes: read.io_bytes,
    operationsPerSecond: read.iops + write.iops,
    megabytesPerSecond: (read.bw_bytes + write.bw_bytes) / 1e6,
    completion: latencyOf(write.total_ios > 0 ? write.clat_ns : read.clat_ns),
    readCompletion: read.total_ios > 0 ? latencyOf(read.clat_ns) : null,
    sync: job.sync?.lat_ns === undefined ? null : latencyOf(job.sync.lat_ns),
    // Of a group, runtime and CPU are those of all its jobs together.
    cpuSeconds: (((job.usr_cpu + job.sys_cpu) / 100) * job.job_runtime) / 1000,
    runSeconds: job.job_runtime / 1000,
  };
}

function latencyOf({ N = 0, percentile }: Direction['clat_ns']): Latency | null {
  if (percentile === undefined || N === 0) return null;
  const us = (name: string): number => (percentile[name] ?? Number.NaN) / 1000;
  return { p50Us: us('50.000000'), p99Us: us('99.000000'), p999Us: us('99.900000') };
}
