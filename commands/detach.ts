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
  static override examples = ['<%= config.bin %> detach -c primary.yaml'];
  static override flags = { config: configFlag };

  async run(): Promise<DetachResult> {
    const { flags } = await this.parse(Detach);
    const { targetOf } = await import('../src/cli/host-target.ts');
    const { giveCommand } = await import('../src/cli/control-client.ts');
    const { divergedFrom } = (await giveCommand(await targetOf(flags), 'detach', {})) as { divergedFrom: number | null };
    this.log(`detached: the copy stays at ${divergedFrom === null ? 'its start' : `data set ${divergedFrom} or later`}, this primary serves without it`);
    return { divergedFrom: divergedFrom === null ? null : String(divergedFrom) };
  }
}
