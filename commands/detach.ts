import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { configFlag } from '../src/cli/flags.ts';

export interface DetachResult {
  readonly divergedFrom: string | null;
}

export default class Detach extends BaseCommand {
  static override summary = 'Let the running primary go on without its secondary.';
  static override description =
    'Records durably from which data set on the copy is no longer followed, releases what was kept for it, and serves without replication. ' +
    'The secondary keeps its consistent copy; it is refused until a resync.';
  static override examples = ['<%= config.bin %> detach -c primary.yaml --dry-run', '<%= config.bin %> detach -c primary.yaml'];
  static override flags = {
    config: configFlag,
    'dry-run': Flags.boolean({ summary: 'Say from which data set the copy would no longer be followed, and change nothing.' }),
  };

  async run(): Promise<DetachResult> {
    const { flags } = await this.parse(Detach);
    const { targetOf } = await import('../src/cli/host-target.ts');
    const { giveCommand } = await import('../src/cli/control-client.ts');
    const dryRun = flags['dry-run'];
    const { divergedFrom } = (await giveCommand(await targetOf(flags), 'detach', { dryRun })) as { divergedFrom: number | null };
    const stays = divergedFrom === null ? 'its start' : `data set ${divergedFrom} or later`;
    if (dryRun) this.log(`would detach: the copy would stay at ${stays}; nothing was changed (--dry-run)`);
    else this.log(`detached: the copy stays at ${stays}, this primary serves without it`);
    return { divergedFrom: divergedFrom === null ? null : String(divergedFrom) };
  }
}
