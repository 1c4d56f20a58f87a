/** A link between two processes against a plain TCP connection in Node that carries the same bytes. */
import { encodedWriteBytes } from '../../src/record/record.ts';
import { shownSpread } from '../report/numbers.ts';
import { BenchError } from '../support/bench-error.ts';
import type { BenchScope } from '../support/bench-scope.ts';
import type { Section } from '../support/results.ts';
import { pairRatios, rotated, spreadOf } from '../support/statistics.ts';
import { until } from '../support/waits.ts';
import { runAlone, startAlone } from './alone.ts';
import type { LayerPlan } from './layers.ts';
import type { LinkAnswer, LinkTask } from './link-end.ts';

const WAYS = ['link', 'checked', 'tcp'] as const satisfies readonly LinkTask['way'][];
const TITLES: Readonly<Record<LinkTask['way'], string>> = { link: 'link', checked: 'link, records checked', tcp: 'plain TCP' };
const CASES = [
  { name: '4 KiB, 1 in a message', recordBytes: 4096, batchRecords: 1 },
  { name: '4 KiB, 16 in a message', recordBytes: 4096, batchRecords: 16 },
  { name: '4 KiB, 62 in a message', recordBytes: 4096, batchRecords: 62 },
  { name: '1 MiB, 1 in a message', recordBytes: 1024 * 1024, batchRecords: 1 },
] as const;
const END_MS = 10_000;

export interface LinkSample {
  readonly round: number;
  readonly name: string;
  readonly way: LinkTask['way'];
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly sendCpuUsPerRecord: number;
  readonly receiveCpuUsPerRecord: number;
}

/** Measure. @throws BenchError */
export async function measureLink(scope: BenchScope, plan: LayerPlan): Promise<Section> {
  const samples: LinkSample[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const { name, ...kind } of CASES) {
      for (const way of rotated(WAYS, round))
        samples.push({ round, name, way, ...(await measureOnce(scope, { way, ...kind }, plan.seconds)) });
    }
  }
  return linkSection(samples);
}

async function measureOnce(
  scope: BenchScope,
  kind: Pick<LinkTask, 'way' | 'recordBytes' | 'batchRecords'>,
  seconds: number,
): Promise<Omit<LinkSample, 'round' | 'name' | 'way'>> {
  const [sender, { port }] = await startAlone<{ port: number }>(scope, 'link-end', { ...kind, end: 'send', port: 0, seconds });
  const received = await runAlone<LinkAnswer>(scope, 'link-end', { ...kind, end: 'receive', port, seconds });
  await until('the sender to end', END_MS, () => sender.hasEnded && sender.output.trim().includes('\n'));
  const sent = JSON.parse(sender.output.trim().split('\n')[1] ?? 'null') as LinkAnswer | null;
  if (sent === null || received.bytes === 0) throw new BenchError(`nothing came over a ${kind.way}: ${sender.output}`);
  const records = received.bytes / encodedWriteBytes(kind.recordBytes);
  return {
    recordsPerSecond: records / received.seconds,
    megabytesPerSecond: received.bytes / received.seconds / 1e6,
    sendCpuUsPerRecord: (sent.cpuSeconds / records) * 1e6,
    receiveCpuUsPerRecord: (received.cpuSeconds / records) * 1e6,
  };
}

/** Make the section of the samples. Pure. */
export function linkSection(samples: readonly LinkSample[]): Section {
  const at = (name: string, way: string): LinkSample[] => samples.filter((one) => one.name === name && one.way === way);
  const rates = (found: readonly LinkSample[]) => found.map(({ round, recordsPerSecond }) => ({ round, value: recordsPerSecond }));
  const rows = CASES.flatMap(({ name }) =>
    WAYS.map((way) => {
      const found = at(name, way);
      const figure = (of: (sample: LinkSample) => number): string => shownSpread(spreadOf(found.map(of)));
      return [
        name,
        TITLES[way],
        figure((one) => one.recordsPerSecond),
        figure((one) => one.megabytesPerSecond),
        figure((one) => one.sendCpuUsPerRecord),
        figure((one) => one.receiveCpuUsPerRecord),
        way === 'tcp' ? '' : shownSpread(pairRatios(rates(found), rates(at(name, 'tcp')))),
      ];
    }),
  );
  return {
    title: 'Link alone',
    notes: [
      'Messages of records from one process to another over loopback TCP, from listener to dialler as from primary to secondary, as fast as they go; and the same bytes over a plain socket of Node with the same bounds, read into one slab. A message is one write of the socket in both.',
    ],
    columns: [
      'records',
      'way',
      'records/s',
      'MB/s',
      'CPU of the sender, us per record',
      'CPU of the receiver, us per record',
      'over plain TCP',
    ],
    rows,
    samples,
    targets: [],
  };
}
