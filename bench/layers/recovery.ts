/** Recovery of full journals: the scan alone, and all of it until the watermark covers the last data set. */
import { join } from 'node:path';
import { shownSpread } from '../report/numbers.ts';
import { BenchError } from '../support/bench-error.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Section } from '../support/results.ts';
import { spreadOf, type Spread } from '../support/statistics.ts';
import { runAlone } from './alone.ts';
import type { LayerPlan } from './layers.ts';
import type { RecoveryAnswer, RecoveryTask } from './recovery-run.ts';

const MIB = 1024 * 1024;
const GB = 1e9;
const SLOT_BYTES = 32 * MIB;
const VOLUME_BYTES = 512 * MIB;
const RECORD_BYTES = [4096, 65_536] as const;
/** The row of issue 6 is about these: the most records, the most work. */
const JUDGED_BYTES = 4096;

export interface RecoverySample {
  readonly round: number;
  readonly recordBytes: number;
  readonly encodedBytes: number;
  readonly records: number;
  readonly scanSeconds: number;
  readonly scanCpuSeconds: number;
  /** Of the recovery: until everything that was read is durable, and the stores begin. */
  readonly durableSeconds: number;
  readonly recoverSeconds: number;
  readonly recoverCpuSeconds: number;
  /** What fio takes to store and flush as much into the same file, in writes of the same length. */
  readonly fioSeconds: number;
}

/** Measure. @throws BenchError */
export async function measureRecovery(scope: BenchScope, plan: LayerPlan): Promise<Section> {
  const samples: RecoverySample[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const recordBytes of plan.quick ? [JUDGED_BYTES] : RECORD_BYTES) samples.push(await measureOnce(scope, plan, round, recordBytes));
  }
  return recoverySection(samples);
}

async function measureOnce(scope: BenchScope, plan: LayerPlan, round: number, recordBytes: number): Promise<RecoverySample> {
  const folder = scope.newFolder('recovery');
  try {
    const slots = plan.quick ? 8 : 16;
    const task = { folder, slots, slotBytes: SLOT_BYTES, recordBytes, volumeBytes: VOLUME_BYTES };
    const run = (step: RecoveryTask['step']): Promise<RecoveryAnswer> => runAlone(scope, 'recovery-run', { ...task, step });
    const filled = await run('fill');
    const scanned = await run('scan');
    const recovered = await run('recover');
    if (recovered.records !== scanned.records || scanned.records === 0) {
      throw new BenchError(`the scan found ${scanned.records} records, the recovery ${recovered.records}`);
    }
    return {
      round,
      recordBytes,
      encodedBytes: filled.encodedBytes,
      records: scanned.records,
      scanSeconds: scanned.seconds,
      scanCpuSeconds: scanned.cpuSeconds,
      durableSeconds: recovered.durableSeconds ?? Number.NaN,
      recoverSeconds: recovered.seconds,
      recoverCpuSeconds: recovered.cpuSeconds,
      fioSeconds: await storeByFio(scope, join(folder, 'volume'), { recordBytes, slots, records: scanned.records }),
    };
  } finally {
    scope.removeFolder(folder);
  }
}

/** What the stores of a replay cost by themselves: as many writes at random places, with a flush after each data set's. */
async function storeByFio(
  scope: BenchScope,
  volume: string,
  { recordBytes, slots, records }: { recordBytes: number; slots: number; records: number },
): Promise<number> {
  const writes = records / slots - 1;
  const what = ['--rw=randwrite', `--bs=${recordBytes}`, '--norandommap', '--ioengine=psync', `--fdatasync=${writes}`, '--end_fsync=1'];
  const size = [`--size=${VOLUME_BYTES}`, `--io_size=${writes * slots * recordBytes}`, '--output-format=json'];
  const text = await scope.succeed('fio', ['--name=stores', `--filename=${volume}`, ...what, ...size]);
  const { jobs } = JSON.parse(text.slice(text.indexOf('{'))) as { jobs: readonly [{ readonly job_runtime: number }] };
  return jobs[0].job_runtime / 1000;
}

/** Make the section of the samples. Pure. */
export function recoverySection(samples: readonly RecoverySample[]): Section {
  const rate = (recordBytes: number, of: (sample: RecoverySample) => number): Spread | null =>
    spreadOf(samples.filter((one) => one.recordBytes === recordBytes).map(of));
  const rows = RECORD_BYTES.filter((recordBytes) => samples.some((one) => one.recordBytes === recordBytes)).map((recordBytes) => {
    const figure = (of: (sample: RecoverySample) => number): string => shownSpread(rate(recordBytes, of));
    return [
      `${recordBytes / 1024} KiB`,
      figure((one) => one.encodedBytes / 1e6),
      figure((one) => one.encodedBytes / GB / one.scanSeconds),
      figure((one) => one.durableSeconds),
      figure((one) => one.recoverSeconds - one.durableSeconds),
      figure((one) => one.fioSeconds),
      figure((one) => one.encodedBytes / GB / one.recoverSeconds),
      figure((one) => (one.scanCpuSeconds / one.records) * 1e6),
      figure((one) => (one.recoverCpuSeconds / one.records) * 1e6),
    ];
  });
  const judged = rate(JUDGED_BYTES, (one) => one.encodedBytes / GB / one.recoverSeconds);
  const scan = rate(JUDGED_BYTES, (one) => one.encodedBytes / GB / one.scanSeconds);
  return {
    title: 'Recovery of full journals',
    notes: [
      'A ring of 32 MiB slots full of complete data sets of random 4 KiB (64 KiB) writes, none of them in the volume. Each in a new process, from opening the journals, its memory included: the scan alone; and all that a start does, through the flags, the stores into a volume whose pages are cached, its flushes and the last watermark. Beside the destage: fio storing as much into the same file, in writes of the same length at random places, with a flush after as many as a data set has.',
    ],
    columns: [
      'records',
      'journals, MB',
      'scan, GB/s',
      'until durable, s',
      'destage after it, s',
      'fio, stores alone, s',
      'scan and replay, GB/s',
      'CPU of the scan, us per record',
      'CPU of all, us per record',
    ],
    rows,
    samples,
    targets: judged === null ? [] : [{ id: 'recovery', spread: judged, note: `4 KiB records; scan alone ${shownSpread(scan)} GB/s` }],
  };
}
