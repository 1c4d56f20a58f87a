/** The thread that simulates: nothing else runs in it. */
import { parentPort } from 'node:worker_threads';
import type { WorkerAnswer, WorkerOrder } from './runner.ts';
import { Simulator, type SeedReport } from './simulation.ts';

const simulator = new Simulator();

async function carryOut({ seeds, trace }: WorkerOrder): Promise<void> {
  const reports: SeedReport[] = [];
  const lines: string[] = [];
  for (const seed of seeds) reports.push(await simulator.run(trace ? { seed, hash: true, trace: (line) => void lines.push(line) } : { seed }));
  parentPort?.postMessage({ reports, lines } satisfies WorkerAnswer);
}

parentPort?.on('message', (order: WorkerOrder) => void carryOut(order));
