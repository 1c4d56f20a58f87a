import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { optionalConfigFlag } from '../src/cli/flags.ts';
import type { StatusReport } from '../src/model/status.ts';

export default class Wait extends BaseCommand {
  static override summary = 'Wait until a host is in a state, instead of a loop in a script.';
  static override description =
    'drained: everything written so far is in the far source volumes. replicating: a link is agreed and records flow; on a peer: its secondary uses it. consistent: the copy is at some data set. promoted: this host serves as promoted. ' +
    'Exit code 0 when it came true, 1 when the time was up.';
  static override examples = [
    '<%= config.bin %> wait -c primary.yaml --for drained',
    '<%= config.bin %> wait -c secondary.yaml --for promoted --timeout 2m',
  ];
  static override flags = {
    config: optionalConfigFlag,
    url: Flags.string({ summary: 'Status page of a host, instead of a config.', helpValue: 'URL', exclusive: ['config'] }),
    for: Flags.option({
      summary: 'What to wait for.',
      options: ['drained', 'replicating', 'consistent', 'promoted'] as const,
      required: true,
    })(),
    timeout: Flags.string({ summary: 'How long, such as 500ms, 30s, 2m.', default: '30s', helpValue: 'DURATION' }),
  };

  async run(): Promise<StatusReport> {
    const { flags } = await this.parse(Wait);
    const { targetOf } = await import('../src/cli/host-target.ts');
    const { waitFor } = await import('../src/cli/wait-for.ts');
    const { parseDurationMs } = await import('../src/model/units.ts');
    const report = await waitFor(await targetOf(flags), { goal: flags.for, timeoutMs: parseDurationMs(flags.timeout) });
    this.log(`${flags.for}: ${report.state}`);
    return report;
  }
}
