/** Journal commits against fio doing a group commit of the same bytes: one batch after another, each durable before the next. */
import { join } from 'node:path';
import { shownSpread } from '../report/numbers.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Section } from '../support/results.ts';
import { pairRatios, rotated, spreadOf } from '../support/statistics.ts';
import { runAlone } from './alone.ts';
import type { JournalAnswer, JournalTask } from './journal-run.ts';
import type { LayerPlan } from './layers.ts';

const MIB = 1024 * 1024;
const SLOTS = 4;
const SLOT_BYTES = 32 * MIB;
const BATCHES = [1, 16, 256] as const;
/** What a batch of so many records of 4 KiB is on the disk, nearly: fio writes whole pages. */
const RECORD_KIB = 4;
const WAYS = ['farshore', 'fio, fdatasync', 'fio, direct and O_DSYNC'] as const;
type Way = (typeof WAYS)[number];
const FIO_OPTIONS: Readonly<Partial<Record<Way, readonly string[]>>> = {
  'fio, fdatasync': ['--ioengine=psync', '--fdatasync=1'],
  'fio, direct and O_DSYNC': ['--ioengine=psync', '--direct=1', '--sync=dsync'],
};

export interface JournalSample {
  readonly round: number;
  readonly way: Way;
  readonly batchRecords: number;
  readonly commitsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuUsPerRecord: number;
}

/** Measure. @throws BenchError */
export async function measureJournalCommit(scope: BenchScope, plan: LayerPlan): Promise<Section> {
  const folder = scope.newFolder('journal-commit');
  const samples: JournalSample[] = [];
  const file = join(folder, 'pre-written');
  await scope.succeed('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${(SLOTS * SLOT_BYTES) / MIB}`, 'conv=fsync', 'status=none']);
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const batchRecords of BATCHES) {
      for (const way of rotated(WAYS, round)) {
        const options = FIO_OPTIONS[way];
        const figures =
          options === undefined ? await ours(scope, plan, batchRecords) : await byFio(scope, plan, { file, batchRecords, options });
        samples.push({ round, way, batchRecords, ...figures });
      }
    }
  }
  scope.removeFolder(folder);
  return journalSection(samples);
}

type Figures = Omit<JournalSample, 'round' | 'way' | 'batchRecords'>;

async function ours(scope: BenchScope, plan: LayerPlan, batchRecords: number): Promise<Figures> {
  const folder = scope.newFolder('ring');
  const task: JournalTask = {
    directory: join(folder, 'journals'),
    slots: SLOTS,
    slotBytes: SLOT_BYTES,
    batchRecords,
    seconds: plan.seconds,
  };
  const { commits, records, bytes, seconds, cpuSeconds } = await runAlone<JournalAnswer>(scope, 'journal-run', task);
  scope.removeFolder(folder);
  return { commitsPerSecond: commits / seconds, megabytesPerSecond: bytes / seconds / 1e6, cpuUsPerRecord: (cpuSeconds / records) * 1e6 };
}

interface FioJob {
  readonly usr_cpu: number;
  readonly sys_cpu: number;
  readonly job_runtime: number;
  readonly write: { readonly iops: number; readonly bw_bytes: number; readonly total_ios: number };
}

async function byFio(
  scope: BenchScope,
  plan: LayerPlan,
  { file, batchRecords, options }: { file: string; batchRecords: number; options: readonly string[] },
): Promise<Figures> {
  const size = [`--bs=${batchRecords * RECORD_KIB}k`, `--size=${(SLOTS * SLOT_BYTES) / MIB}M`, '--rw=write', '--overwrite=1'];
  const time = ['--time_based', `--runtime=${Math.round(plan.seconds * 1000)}ms`, '--output-format=json'];
  const text = await scope.succeed('fio', ['--name=commit', `--filename=${file}`, ...size, ...time, ...options]);
  const { jobs } = JSON.parse(text.slice(text.indexOf('{'))) as { jobs: readonly [FioJob] };
  const [{ write, usr_cpu, sys_cpu, job_runtime }] = jobs;
  const cpuSeconds = (((usr_cpu + sys_cpu) / 100) * job_runtime) / 1000;
  return {
    commitsPerSecond: write.iops,
    megabytesPerSecond: write.bw_bytes / 1e6,
    cpuUsPerRecord: (cpuSeconds / (write.total_ios * batchRecords)) * 1e6,
  };
}

/** Make the section of the samples. Pure. */
export function journalSection(samples: readonly JournalSample[]): Section {
  const at = (way: Way, batchRecords: number): JournalSample[] =>
    samples.filter((one) => one.way === way && one.batchRecords === batchRecords);
  const rates = (found: readonly JournalSample[]) => found.map(({ round, megabytesPerSecond }) => ({ round, value: megabytesPerSecond }));
  const rows = BATCHES.flatMap((batchRecords) =>
    WAYS.map((way) => {
      const found = at(way, batchRecords);
      const figure = (of: (sample: JournalSample) => number): string => shownSpread(spreadOf(found.map(of)));
      return [
        String(batchRecords),
        way,
        figure((one) => one.commitsPerSecond),
        figure((one) => one.megabytesPerSecond),
        figure((one) => one.cpuUsPerRecord),
        way === 'farshore' ? '' : shownSpread(pairRatios(rates(at('farshore', batchRecords)), rates(found))),
      ];
    }),
  );
  return {
    title: 'Journal commit',
    notes: [
      '4 KiB records into journals, so many in each commit, one commit after another (production has two in flight, on two journals); and fio writing batches of as many pages one after another into a file that was written before. The ratio is ours over fio in MB/s: a record has 80 bytes more than a page, and a commit is padded to whole pages.',
    ],
    columns: ['records in a commit', 'way', 'commits/s', 'MB/s', 'CPU, us per record', 'farshore over it'],
    rows,
    samples,
    targets: [],
  };
}
