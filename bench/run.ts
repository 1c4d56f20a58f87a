/**
 * Farshore and its peers side by side: `npm run bench -- [--quick] ...`; docs/benchmark.md says what is measured and how.
 * Exit codes: 0 measured; 1 a copy differs from its volume, or a step failed; 2 usage, or fio is missing.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { exitCodeOf, isSound, runBench } from './bench.ts';
import { OptionError, planBench, USAGE, type BenchPlan } from './options.ts';
import { renderChart } from './report/chart.ts';
import { renderJson } from './report/json.ts';
import { renderMarkdown, targetTable } from './report/markdown.ts';
import { BenchError } from './support/bench-error.ts';
import { withBenchScope } from './support/bench-scope.ts';
import type { BenchResults } from './support/results.ts';
import { findTools } from './support/tools.ts';

const DIFFERS = `
######################################################################
##   THE COPY DIFFERS FROM ITS VOLUME: NO RATE OF THIS RUN COUNTS   ##
######################################################################
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const tools = findTools();
  if (tools.fio === null) {
    say(
      'fio is missing: it is the client of every measurement. On Debian: apt-get install fio nbdkit qemu-utils qemu-system-common libnbd-bin rsync',
    );
    return 2;
  }
  try {
    const plan = planBench(args, tools);
    for (const { name, why } of plan.skipped) say(`skipped: ${name} (${why})`);
    const results = await withBenchScope((scope) => runBench(scope, plan, { say }));
    writeResults(plan, results);
    if (results.failure !== null) say(`the bench failed: ${results.failure}`);
    if (!isSound(results.comparisons)) say(DIFFERS);
    for (const { round, server, state, equal, difference } of results.comparisons) {
      if (!equal) say(`round ${round + 1}, ${server}, ${state}: ${difference}`);
    }
    return exitCodeOf(results);
  } catch (error) {
    if (error instanceof OptionError) {
      say(`${error.message}\n\n${USAGE}`);
      return 2;
    }
    if (!(error instanceof BenchError)) throw error;
    say(error.message);
    return 1;
  }
}

function writeResults(plan: BenchPlan, results: BenchResults): void {
  const folder = resolve(plan.folder);
  mkdirSync(folder, { recursive: true });
  const json = renderJson(results);
  writeFileSync(join(folder, 'results.json'), json);
  writeFileSync(join(folder, 'results.md'), renderMarkdown(results));
  if (results.samples.length > 0) writeFileSync(join(folder, 'chart.svg'), renderChart(results));
  if (plan.json) process.stdout.write(json);
  else process.stdout.write(`${targetTable(results.targets)}\n`);
  say(`written: ${folder}/results.json, results.md${results.samples.length > 0 ? ', chart.svg' : ''}`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
