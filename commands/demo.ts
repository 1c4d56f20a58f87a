import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import type { KeepReport } from '../src/demo/keep.ts';
import type { DemoReport } from '../src/demo/verdict.ts';
import { EXIT } from '../src/model/errors.ts';

export default class Demo extends BaseCommand {
  static override summary = 'Show replication, a killed primary and a promotion on this machine, and judge the copy.';
  static override description =
    'Starts a primary and a secondary as real processes on loopback, writes to two volumes over NBD, kills the primary (kill -9) in mid-write, promotes the secondary, and compares its volumes ' +
    'with the history of what was written. Takes half a minute and about 0.8 GB below TMPDIR. Exit code 0 only if the verdict is good; 6 if the copy is wrong, which then is left for inspection.';
  static override examples = ['<%= config.bin %> demo', '<%= config.bin %> demo --seed 42 --json', '<%= config.bin %> demo --keep'];
  static override flags = {
    keep: Flags.boolean({ summary: 'Kill nobody: leave both hosts running, and say how to attach a client, fail over and stop them.' }),
    seed: Flags.integer({ summary: 'Write what the run with this seed wrote.', min: 0, max: 2 ** 31 - 1, helpValue: 'N' }),
  };

  async run(): Promise<DemoReport | KeepReport> {
    const { flags } = await this.parse(Demo);
    const { runDemo } = await import('../src/demo/demo.ts');
    // The demo's own screen, because its progress moves; with --json stdout is for the report alone.
    const report = await runDemo({
      keep: flags.keep,
      seed: flags.seed ?? null,
      stream: this.jsonEnabled() ? process.stderr : process.stdout,
    });
    if (report.verdict === 'bad') this.endWith(report.volumesEqual ? EXIT.failed : EXIT.corruption);
    return report;
  }
}
