/** Destage by both store methods: scattered 4 KiB and 1 MiB writes, into a volume whose pages are cached, and into one whose pages are not. */
import { join } from 'node:path';
import type { StoreMethod } from '../../src/volume/contract.ts';
import { shownSpread } from '../report/numbers.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import { deviceWrittenBytes } from '../support/process-counters.ts';
import type { Section } from '../support/results.ts';
import { pairRatios, rotated, spreadOf } from '../support/statistics.ts';
import { runAlone } from './alone.ts';
import type { DestageAnswer, DestageTask } from './destage-run.ts';
import type { LayerPlan } from './layers.ts';

const MIB = 1024 * 1024;
const VOLUME_BYTES = 256 * MIB;
const METHODS = ['pwrite', 'mmap'] as const satisfies readonly StoreMethod[];
const CASES = [
  { name: '4 KiB, scattered', recordBytes: 4096, dataSets: 4, writes: 2000 },
  { name: '1 MiB', recordBytes: MIB, dataSets: 4, writes: 16 },
] as const;
const PLACES = ['cached', 'cold'] as const;
type Place = (typeof PLACES)[number];

export interface DestageSample {
  readonly round: number;
  readonly name: string;
  readonly place: Place;
  readonly method: (typeof METHODS)[number];
  readonly usPerRecord: number;
  readonly cpuUsPerRecord: number;
  readonly megabytesPerSecond: number;
  readonly dirtiedPerByte: number;
  /** By the disk's own count; null where it has none. */
  readonly writtenPerByte: number | null;
}

/** Measure. @throws BenchError */
export async function measureDestage(scope: BenchScope, plan: LayerPlan): Promise<Section> {
  const folder = scope.newFolder('destage');
  const path = join(folder, 'volume');
  const samples: DestageSample[] = [];
  const task = { path, volumeBytes: VOLUME_BYTES };
  await runAlone(scope, 'destage-run', { ...task, step: 'prepare', store: 'pwrite', recordBytes: 0, dataSets: 0, writes: 0 });
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const { name, ...kind } of CASES) {
      for (const place of PLACES) {
        for (const method of rotated(METHODS, round)) {
          await scope.succeed('sync', [path]);
          // Cached again in what the kernel reads at once, or not at all.
          await scope.succeed('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
          if (place === 'cached') await scope.succeed('dd', [`if=${path}`, 'of=/dev/null', 'bs=1M', 'status=none']);
          const before = deviceWrittenBytes(folder);
          const done = await runAlone<DestageAnswer>(scope, 'destage-run', {
            ...task,
            ...kind,
            step: 'destage',
            store: method,
          } satisfies DestageTask);
          const after = deviceWrittenBytes(folder);
          const bytes = done.records * kind.recordBytes;
          samples.push({
            round,
            name,
            place,
            method,
            usPerRecord: (done.seconds / done.records) * 1e6,
            cpuUsPerRecord: (done.cpuSeconds / done.records) * 1e6,
            megabytesPerSecond: bytes / done.seconds / 1e6,
            dirtiedPerByte: done.dirtiedBytes / bytes,
            writtenPerByte: before === null || after === null ? null : (after - before) / bytes,
          });
        }
      }
    }
  }
  scope.removeFolder(folder);
  return destageSection(samples);
}

/** Make the section of the samples. Pure. */
export function destageSection(samples: readonly DestageSample[]): Section {
  const at = (name: string, place: Place, method: string): DestageSample[] =>
    samples.filter((one) => one.name === name && one.place === place && one.method === method);
  const rates = (found: readonly DestageSample[]) => found.map(({ round, megabytesPerSecond }) => ({ round, value: megabytesPerSecond }));
  const rows = CASES.flatMap(({ name }) =>
    PLACES.flatMap((place) =>
      METHODS.map((method) => {
        const found = at(name, place, method);
        const figure = (of: (sample: DestageSample) => number | null): string => shownSpread(spreadOf(found.map(of)));
        return [
          name,
          place,
          method,
          figure((one) => one.usPerRecord),
          figure((one) => one.cpuUsPerRecord),
          figure((one) => one.megabytesPerSecond),
          figure((one) => one.dirtiedPerByte),
          figure((one) => one.writtenPerByte),
          method === 'pwrite' ? shownSpread(pairRatios(rates(found), rates(at(name, place, 'mmap')))) : '',
        ];
      }),
    ),
  );
  return {
    title: 'Destage by both store methods',
    notes: [
      "Data sets of 2000 scattered 4 KiB writes, and of 16 of 1 MiB, stored into a volume of 256 MiB and flushed, four of each, by the code of the destage worker. Cached: the file was read whole before, by 1 MiB reads. `mmap` stores through the mapping where pages are whole and resident, and by pwrite otherwise. The disk's own count has what others wrote meanwhile.",
    ],
    columns: [
      'writes',
      'pages',
      'method',
      'us per record',
      'CPU, us per record',
      'MB/s',
      'dirtied per byte',
      'written to the disk per byte',
      'pwrite over mmap',
    ],
    rows,
    samples,
    targets: [],
  };
}
