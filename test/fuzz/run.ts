/**
 * The fuzzer by hand: `node dist/test/fuzz/run.js --seconds 600 [--target NAME] [--seed N]` fuzzes every target, or one, with fresh seeds;
 * `--inputs N` ends each target after so many inputs of one seed; `--target NAME --seed N --input I` or `--target NAME --hex TEXT` shows a failure again. Exit code 1: a property is broken.
 */
import { parseArgs } from 'node:util';
import { feedOne, fuzz, InputSource, type FuzzReport } from './engine.ts';
import { parseInput, showInput } from './hex.ts';
import type { Target } from './target.ts';
import { TARGETS } from './targets.ts';

const INPUTS_OF_A_SEED = 20_000;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string' },
    seed: { type: 'string' },
    inputs: { type: 'string' },
    input: { type: 'string' },
    hex: { type: 'string' },
    show: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
  },
});
const chosen = values.target === undefined ? TARGETS : TARGETS.filter(({ name }) => name === values.target);
if (chosen.length === 0) throw new Error(`no target is called ${values.target}: there are ${TARGETS.map(({ name }) => name).join(', ')}`);
process.exitCode = values.input === undefined && values.hex === undefined ? await fuzzAll() : await showAgain(chosen[0] as Target);

async function showAgain(target: Target): Promise<number> {
  const input =
    values.hex === undefined ? new InputSource(target, Number(values.seed ?? 0)).at(Number(values.input)) : parseInput(values.hex);
  if (values.show) process.stdout.write(`${showInput(input)}\n`);
  try {
    process.stdout.write(`${target.name}: ${await feedOne(target, input)}\n`);
    return 0;
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.stack : String(error)}\n${showInput(input)}\n`);
    return 1;
  }
}

async function fuzzAll(): Promise<number> {
  let failures = 0;
  for (const target of chosen) {
    const reports: FuzzReport[] = [];
    const forMs = (Number(values.seconds) * 1000) / chosen.length;
    const endMs = performance.now() + forMs;
    let seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
    const beginCpu = process.cpuUsage();
    while (performance.now() < endMs) {
      const inputs = values.inputs === undefined ? INPUTS_OF_A_SEED : Number(values.inputs);
      const report = await fuzz({ target, seed, inputs, forMs: endMs - performance.now(), brief: values.brief });
      reports.push(report);
      if (report.failure !== null || values.inputs !== undefined) break;
      seed += 1;
    }
    const { user } = process.cpuUsage(beginCpu);
    process.stdout.write(`${summary(target, reports, user / 1e6)}\n`);
    for (const { failure } of reports) {
      if (failure === null) continue;
      failures += 1;
      process.stdout.write(`\nFAILED ${failure}\n\n`);
    }
  }
  return failures === 0 ? 0 : 1;
}

function summary(target: Target, reports: readonly FuzzReport[], cpuSeconds: number): string {
  const outcomes = new Map<string, number>();
  let inputs = 0;
  for (const report of reports) {
    inputs += report.inputs;
    for (const [outcome, count] of report.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
  }
  const missing = target.mustReach.filter((outcome) => !outcomes.has(outcome));
  const shown = [...outcomes].sort((a, b) => b[1] - a[1]).map(([outcome, count]) => `${outcome} ${count}`);
  const seeds = `seeds ${reports[0]?.seed}..${reports.at(-1)?.seed}`;
  const unreached = missing.length === 0 ? '' : `\n  not reached: ${missing.join(', ')}`;
  return `${target.name}: ${inputs} inputs, ${cpuSeconds.toFixed(1)} s CPU, ${seeds}\n  ${shown.join(', ')}${unreached}`;
}
