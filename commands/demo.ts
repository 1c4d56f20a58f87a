import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import type { AnyReport } from '../src/demo/demo.ts';
import { EXIT } from '../src/model/errors.ts';

export default class Demo extends BaseCommand {
  static override summary = 'Show replication, a killed host and another in its place on this machine, and judge the copy.';
  static override description =
    'Starts a primary, a secondary and a peer as real processes on loopback, in mode write-back, writes to two volumes over NBD, kills the primary (kill -9) in mid-write, promotes the secondary, and compares its volumes ' +
    'with the history of what was written. With --kill secondary it kills the secondary instead, and lets the peer take its place while the application goes on. Takes half a minute and about 0.8 GB below TMPDIR. Exit code 0 only if the verdict is good; 6 if the copy is wrong, which then is left for inspection.';
  static override examples = [
    '<%= config.bin %> demo',
    '<%= config.bin %> demo --seed 42 --json',
    '<%= config.bin %> demo --kill secondary',
    '<%= config.bin %> demo --keep',
  ];
  static override flags = {
    keep: Flags.boolean({
      summary: 'Kill nobody: leave all hosts running, and say how to attach a client, fail over and stop them.',
      exclusive: ['kill'],
    }),
    kill: Flags.option({
      summary: 'Which host dies.',
      options: ['primary', 'secondary'] as const,
      default: 'primary',
    })(),
    seed: Flags.integer({ summary: 'Write what the run with this seed wrote.', min: 0, max: 2 ** 31 - 1, helpValue: 'N' }),
  };

  async run(): Promise<AnyReport> {
    const { flags } = await this.parse(Demo);
    const { runDemo } = await import('../src/demo/demo.ts');
    // The demo's own screen, because its progress moves; with --json stdout is for the report alone.
    const report = await runDemo({
      keep: flags.keep,
      kill: flags.kill,
      seed: flags.seed ?? null,
      stream: this.jsonEnabled() ? process.stderr : process.stdout,
    });
    if (report.verdict === 'bad') this.endWith(report.volumesEqual ? EXIT.failed : EXIT.corruption);
    return report;
  }
}
