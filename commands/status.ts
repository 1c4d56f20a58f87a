import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { optionalConfigFlag } from '../src/cli/flags.ts';
import { EXIT } from '../src/model/errors.ts';
import type { StatusReport } from '../src/model/status.ts';

export default class Status extends BaseCommand {
  static override summary = 'Show what the copy is, how records flow, and how far the copy is behind.';
  static override description =
    'Asks the running host over its control socket (-c) or its status page (--url). Exit code 4 when the group is degraded, 1 when it failed, 3 when no host answers.';
  static override examples = [
    '<%= config.bin %> status -c primary.yaml',
    '<%= config.bin %> status --url http://127.0.0.1:10821 --json',
    '<%= config.bin %> status -c secondary.yaml --watch',
    '<%= config.bin %> status -c peer.yaml',
  ];
  static override flags = {
    config: optionalConfigFlag,
    url: Flags.string({ summary: 'Status page of a host, instead of a config.', helpValue: 'URL', exclusive: ['config'] }),
    watch: Flags.boolean({ summary: 'Show it again every second, until interrupted.' }),
  };

  async run(): Promise<StatusReport> {
    const { flags } = await this.parse(Status);
    const { targetOf } = await import('../src/cli/host-target.ts');
    const { askStatus } = await import('../src/cli/control-client.ts');
    const { renderStatus } = await import('../src/status/render.ts');
    const target = await targetOf(flags);
    const colours = process.stdout.isTTY && process.env.NO_COLOR === undefined;
    for (;;) {
      const report = await askStatus(target);
      if (flags.watch && this.jsonEnabled()) process.stdout.write(`${JSON.stringify(report)}\n`);
      else this.log(`${flags.watch && colours ? '\u001B[2J\u001B[H' : ''}${renderStatus(report, colours).trimEnd()}`);
      if (!flags.watch) {
        if (report.state === 'failed') this.endWith(EXIT.failed);
        else if (isDegraded(report)) this.endWith(EXIT.degraded);
        return report;
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

/** States in which nothing is replicated now, so that the copy falls behind. */
const DEGRADED: ReadonlySet<StatusReport['state']> = new Set(['degraded', 'disconnected', 'waiting-for-peer', 'resync-needed']);

function isDegraded(report: StatusReport): boolean {
  if (DEGRADED.has(report.state)) return true;
  return report.mode !== 'none' && report.objectiveSeconds !== null && report.behind.seconds > report.objectiveSeconds;
}
