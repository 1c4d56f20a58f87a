/** The thread that simulates: nothing else runs in it. */
import { parentPort } from 'node:worker_threads';
import type { WorkerAnswer, WorkerOrder } from './runner.ts';
import { Simulator, type SeedReport } from './simulation.ts';

const simulator = new Simulator();

async function carryOut({ seeds, trace, untilFailure }: WorkerOrder): Promise<void> {
  const reports: SeedReport[] = [];
  const lines: string[] = [];
  for (const seed of seeds) {
    const report = await simulator.run(trace ? { seed, hash: true, trace: (line) => void lines.push(line) } : { seed });
    reports.push(report);
    if (untilFailure === true && report.failure !== null) break;
  }
  parentPort?.postMessage({ reports, lines } satisfies WorkerAnswer);
}

parentPort?.on('message', (order: WorkerOrder) => void carryOut(order));
