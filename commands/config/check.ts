import { BaseCommand } from '../../src/cli/base-command.ts';
import { configFlag } from '../../src/cli/flags.ts';

export interface ConfigCheckResult {
  readonly file: string;
  readonly role: string;
  readonly group: string;
}

export default class ConfigCheck extends BaseCommand {
  static override summary = 'Check a config file; silent when it is right.';
  static override description =
    'Every mistake is shown as file:line:column with the wrong word and the nearest right one. Exit code 2 when there is one.';
  static override examples = ['<%= config.bin %> config check -c primary.yaml', '<%= config.bin %> config check -c primary.yaml --json'];
  static override flags = { config: configFlag };

  async run(): Promise<ConfigCheckResult> {
    const { flags } = await this.parse(ConfigCheck);
    const { loadConfig } = await import('../../src/cli/config/load-config.ts');
    const { file, role, group } = await loadConfig(flags.config);
    return { file, role, group };
  }
}
