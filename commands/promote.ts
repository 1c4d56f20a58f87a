import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { configFlag } from '../src/cli/flags.ts';
import type { PromotionReport } from '../src/secondary/promotion.ts';

export default class Promote extends BaseCommand {
  static override summary = 'Make this secondary the primary: keep what is complete, discard the rest, and serve the volumes.';
  static override description =
    'Works on a running secondary, which then serves at once, and on a stopped one, which serves when it is started. Prints what is kept and what is discarded, and at least what the last known ' +
    'head of the primary adds to it. While the primary is connected it refuses (exit code 5) unless --force is given, which tells the primary first; so it does while a peer may hold acknowledged records that no journal has. ' +
    'A peer that took over is promoted with its own config. An interrupted promotion is finished by the next start.';
  static override examples = [
    '<%= config.bin %> promote -c secondary.yaml --dry-run',
    '<%= config.bin %> promote -c secondary.yaml',
    '<%= config.bin %> promote -c secondary.yaml --force --json',
    '<%= config.bin %> promote -c peer.yaml',
  ];
  static override flags = {
    config: configFlag,
    force: Flags.boolean({
      summary:
        'Promote although the primary is connected, which is told first that it is superseded, or although the peer may hold more, which is lost.',
    }),
    'dry-run': Flags.boolean({ summary: 'Say what would be kept and discarded, and change nothing.' }),
  };

  async run(): Promise<PromotionReport> {
    const { flags } = await this.parse(Promote);
    const { promoteHost } = await import('../src/cli/promote-host.ts');
    const { report, running } = await promoteHost(flags.config, { force: flags.force, dryRun: flags['dry-run'] });
    for (const line of report.lines) this.log(line);
    if (report.dryRun) this.log('nothing was changed (--dry-run)');
    else if (running) this.log('promoted, and serving');
    else this.log(`promoted; serve it with: ${this.config.bin} start -c ${flags.config}`);
    if (report.primaryAnswered === false) this.log('the connected primary did not answer: it is told when it is reached again');
    return report;
  }
}
