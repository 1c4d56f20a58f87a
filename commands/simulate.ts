import { availableParallelism } from 'node:os';
import { writeFileSync } from 'node:fs';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { EXIT } from '../src/model/errors.ts';
import type { SimulationSummary } from '../src/simulation/summary.ts';

export default class Simulate extends BaseCommand {
  static override summary = 'Run both hosts in a simulated world that breaks, from seeds, and judge every state reached.';
  static override description =
    'The production code of primary and secondary on simulated disks, links and clocks: crashes that lose, tear and reorder what was not flushed, lost and clogged links, duplicates, failing disks, promotions, impostors. ' +
    'A seed always gives the same run. Progress goes to stderr. Exit code 0 if no seed broke a promise, 1 otherwise, with the command that shows the first one again. The model is in docs/simulation.md.';
  static override examples = [
    '<%= config.bin %> simulate --seeds 1..20000',
    '<%= config.bin %> simulate --seed 42 --trace seed-42.txt',
    '<%= config.bin %> simulate --seeds 1000000..2000000 --json',
  ];
  static override flags = {
    seeds: Flags.string({ summary: 'Range of seeds.', helpValue: 'A..B', default: '1..2000', exclusive: ['seed'] }),
    seed: Flags.integer({ summary: 'One seed alone.', helpValue: 'N', min: 0, max: 2 ** 31 - 1 }),
    trace: Flags.string({
      summary: 'Write every event of the one seed to this file, a line each.',
      helpValue: 'FILE',
      dependsOn: ['seed'],
    }),
    threads: Flags.integer({ summary: 'Threads that simulate.', helpValue: 'N', min: 1, max: 256 }),
  };

  async run(): Promise<SimulationSummary> {
    const { flags } = await this.parse(Simulate);
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
}
