/** The NBD front end alone against `nbdkit memory`: both serve memory, by the same client, one after the other in every round. */
import { join } from 'node:path';
import { NBDKIT_MEMORY } from '../servers/plain.ts';
import type { BenchProcess, BenchScope } from '../support/bench-scope.ts';
import { runFio } from '../support/fio.ts';
import { readCpuSeconds } from '../support/process-counters.ts';
import type { Section } from '../support/results.ts';
import { pairRatios, rotated, spreadOf } from '../support/statistics.ts';
import type { TargetId, TargetResult } from '../support/targets.ts';
import { shownSpread } from '../report/numbers.ts';
import { startAlone } from './alone.ts';
import type { LayerPlan } from './layers.ts';
import type { MemoryServerTask } from './memory-server.ts';

const SIZE_MIB = 256;
const MIB = 1024 * 1024;
const DEPTHS = [32, 128] as const;
const OPERATIONS = ['randwrite', 'randread'] as const;
type Operation = (typeof OPERATIONS)[number];

export interface FrontEndSample {
  readonly round: number;
  readonly server: 'farshore' | 'nbdkit-memory';
  readonly operation: Operation;
  readonly depth: number;
  readonly operationsPerSecond: number;
  /** Microseconds of the server's process per operation, and p50 and p99 of completion. */
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface MemoryServer {
  readonly name: FrontEndSample['server'];
  readonly process: BenchProcess;
  readonly uri: string;
}

/** Measure. @throws BenchError */
export async function measureFrontEnd(scope: BenchScope, plan: LayerPlan): Promise<Section> {
  const servers = [await startOurs(scope), await startNbdkit(scope)];
  const samples: FrontEndSample[] = [];
  try {
    for (const { uri } of servers) await runFio(scope, { uri, options: options('write', 8, '1M'), seconds: null });
    for (const { uri } of servers) await runFio(scope, { uri, options: options('randwrite', 32, '4k'), seconds: 1 });
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const depth of DEPTHS) {
        for (const operation of OPERATIONS) {
          for (const server of rotated(servers, round)) samples.push(await measure(scope, server, { plan, round, depth, operation }));
        }
      }
    }
  } finally {
    for (const { process } of servers) await process.stop();
  }
  return frontEndSection(samples);
}

const options = (rw: string, depth: number, block: string): string[] => [
  `--rw=${rw}`,
  `--bs=${block}`,
  `--iodepth=${depth}`,
  `--size=${SIZE_MIB}M`,
];

async function measure(
  scope: BenchScope,
  { name, process, uri }: MemoryServer,
  { plan, round, depth, operation }: { plan: LayerPlan; round: number; depth: number; operation: Operation },
): Promise<FrontEndSample> {
  const before = readCpuSeconds(process.pid);
  const report = await runFio(scope, { uri, options: options(operation, depth, '4k'), seconds: plan.seconds });
  const cpuUs = ((readCpuSeconds(process.pid) - before) / Math.max(1, report.operations)) * 1e6;
  const { p50Us = Number.NaN, p99Us = Number.NaN } = report.completion ?? {};
  return { round, server: name, operation, depth, operationsPerSecond: report.operationsPerSecond, cpuUs, p50Us, p99Us };
}

async function startOurs(scope: BenchScope): Promise<MemoryServer> {
  const socket = join(scope.newFolder('front-end'), 'nbd.sock');
  const task: MemoryServerTask = { socket, sizeBytes: SIZE_MIB * MIB };
  const [process] = await startAlone(scope, 'memory-server', task);
  return { name: 'farshore', process, uri: `nbd+unix:///?socket=${socket}` };
}

async function startNbdkit(scope: BenchScope): Promise<MemoryServer> {
  const socket = join(scope.newFolder('nbdkit'), 'nbd.sock');
  const process = scope.start('nbdkit memory', NBDKIT_MEMORY.program, NBDKIT_MEMORY.arguments(socket, '', SIZE_MIB));
  await scope.listens(socket, process);
  return { name: 'nbdkit-memory', process, uri: `nbd+unix:///?socket=${socket}` };
}

/** Make the section of the samples. Pure. */
export function frontEndSection(samples: readonly FrontEndSample[]): Section {
  const at = (server: string, operation: string, depth: number): FrontEndSample[] =>
    samples.filter((one) => one.server === server && one.operation === operation && one.depth === depth);
  const ratio = (operation: string, depth: number) =>
    pairRatios(rates(at('farshore', operation, depth)), rates(at('nbdkit-memory', operation, depth)));
  const rows = DEPTHS.flatMap((depth) =>
    OPERATIONS.flatMap((operation) =>
      (['farshore', 'nbdkit-memory'] as const).map((server) => {
        const found = at(server, operation, depth);
        const figure = (of: (sample: FrontEndSample) => number): string => shownSpread(spreadOf(found.map(of)));
        return [
          `4k ${operation}, depth ${depth}`,
          server,
          figure((one) => one.operationsPerSecond),
          figure((one) => one.cpuUs),
          figure((one) => one.p50Us),
          figure((one) => one.p99Us),
          server === 'farshore' ? shownSpread(ratio(operation, depth)) : '',
        ];
      }),
    ),
  );
  const targets = DEPTHS.flatMap((depth): TargetResult[] => {
    const spreads = OPERATIONS.flatMap((operation) => {
      const spread = ratio(operation, depth);
      return spread === null ? [] : [{ operation, spread }];
    }).toSorted((left, right) => left.spread.median - right.spread.median);
    const [lower, upper] = spreads;
    if (lower === undefined) return [];
    const note = upper === undefined ? lower.operation : `${lower.operation}; ${upper.operation} ${shownSpread(upper.spread)}`;
    return [{ id: `front-end-${depth}/nbdkit-memory` satisfies TargetId, spread: lower.spread, note }];
  });
  return {
    title: 'NBD front end alone',
    notes: [
      'Our NBD server over plain memory, in a process of its own, and `nbdkit memory`. The row of issue 6 takes the lower of both ratios.',
    ],
    columns: ['workload', 'server', 'operations/s', 'CPU, us per operation', 'p50, us', 'p99, us', 'ratio'],
    rows,
    samples,
    targets,
  };
}

function rates(samples: readonly FrontEndSample[]): { round: number; value: number }[] {
  return samples.map(({ round, operationsPerSecond }) => ({ round, value: operationsPerSecond }));
}
