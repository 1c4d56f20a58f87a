import { availableParallelism } from 'node:os';
import { writeFileSync } from 'node:fs';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { EXIT } from '../src/model/errors.ts';
import type { ExhaustiveSummary } from '../src/simulation/exhaustive/exhaustive.ts';
import type { SimulationSummary } from '../src/simulation/summary.ts';

const PLANS_DEFAULT = 1;

interface ExhaustiveFlags {
  readonly threads: number | undefined;
  readonly plans: number | undefined;
  readonly world: number | undefined;
  readonly trace: string | undefined;
}

export default class Simulate extends BaseCommand {
  static override summary = 'Run both hosts in a simulated world that breaks, from seeds, and judge every state reached.';
  static override description =
    'The production code of primary and secondary on simulated disks, links and clocks: crashes that lose, tear and reorder what was not flushed, lost and clogged links, duplicates, failing disks, promotions, impostors. ' +
    'A seed always gives the same run. Progress goes to stderr. Exit code 0 if no seed broke a promise, 1 otherwise, with the command that shows the first one again. The model is in docs/simulation.md.';
  static override examples = [
    '<%= config.bin %> simulate --seeds 1..20000',
    '<%= config.bin %> simulate --seed 42 --trace seed-42.txt',
    '<%= config.bin %> simulate --seeds 1000000..2000000 --json',
    '<%= config.bin %> simulate --exhaustive',
    '<%= config.bin %> simulate --exhaustive --world 4711 --trace world-4711.txt',
  ];
  static override flags = {
    seeds: Flags.string({ summary: 'Range of seeds.', helpValue: 'A..B', default: '1..2000', exclusive: ['seed'] }),
    seed: Flags.integer({ summary: 'One seed alone.', helpValue: 'N', min: 0, max: 2 ** 31 - 1 }),
    trace: Flags.string({
      summary: 'Write every event of the one seed to this file, a line each.',
      helpValue: 'FILE',
      relationships: [{ type: 'some', flags: ['seed', 'world'] }],
    }),
    exhaustive: Flags.boolean({
      summary: 'Small worlds instead of seeds: every crash of every short history, and a second crash in the recovery.',
      exclusive: ['seeds', 'seed'],
    }),
    plans: Flags.integer({
      summary: 'How many of the 20 plans of where commands go each short history is tried with; default 1.',
      helpValue: 'N',
      min: 1,
      max: 20,
      dependsOn: ['exhaustive'],
      exclusive: ['world'],
    }),
    world: Flags.integer({ summary: 'One small world alone.', helpValue: 'N', min: 0, dependsOn: ['exhaustive'] }),
    threads: Flags.integer({ summary: 'Threads that simulate.', helpValue: 'N', min: 1, max: 256 }),
  };

  async run(): Promise<SimulationSummary | ExhaustiveSummary> {
    const { flags } = await this.parse(Simulate);
    if (flags.exhaustive) return this.#exhaustive(flags);
    const { runSeeds, traceSeed } = await import('../src/simulation/runner.ts');
    const { parseSeedRange } = await import('../src/simulation/seed-range.ts');
    const { progressLine, summaryText } = await import('../src/simulation/summary-text.ts');
    const { Tally } = await import('../src/simulation/summary.ts');
    let summary: SimulationSummary;
    if (flags.seed === undefined) {
      const terminal = process.stderr.isTTY;
      const onProgress = progressLine((text) => void process.stderr.write(text), terminal);
      summary = await runSeeds({
        ...parseSeedRange(flags.seeds),
        threads: flags.threads ?? Math.max(2, availableParallelism()),
        failuresMax: 10,
        onProgress,
      });
    } else {
      const { report, lines } = await traceSeed(flags.seed);
      if (flags.trace !== undefined) writeFileSync(flags.trace, `${lines.join('\n')}\n`);
      const tally = new Tally();
      tally.add(report);
      summary = tally.summary(0);
    }
    this.log(summaryText(summary));
    if (summary.failures.length > 0) this.endWith(EXIT.failed);
    return summary;
  }

  async #exhaustive(flags: ExhaustiveFlags): Promise<ExhaustiveSummary> {
    const { exploreWorlds, traceWorld } = await import('../src/simulation/exhaustive/exhaustive.ts');
    const { exhaustiveProgress, exhaustiveText } = await import('../src/simulation/exhaustive/exhaustive-text.ts');
    let summary: ExhaustiveSummary;
    if (flags.world === undefined) {
      const onProgress = exhaustiveProgress((text) => void process.stderr.write(text), process.stderr.isTTY);
      const threads = flags.threads ?? Math.max(2, availableParallelism());
      summary = await exploreWorlds({ threads, plans: flags.plans ?? PLANS_DEFAULT, failuresMax: 10, onProgress });
    } else {
      const traced = await traceWorld(flags.world);
      if (flags.trace !== undefined) writeFileSync(flags.trace, `${traced.lines.join('\n')}\n`);
      summary = traced.summary;
    }
    this.log(exhaustiveText(summary));
    if (summary.violations.length > 0) this.endWith(EXIT.failed);
    return summary;
  }
}
