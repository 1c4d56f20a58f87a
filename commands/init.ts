import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { configFlag } from '../src/cli/flags.ts';

export interface InitResult {
  readonly role: string;
  readonly group: string;
  readonly groupId: string | null;
  readonly state: string;
  readonly volumes: readonly { readonly name: string; readonly path: string; readonly sizeBytes: number }[];
}

export default class Init extends BaseCommand {
  static override summary = "Create what the config names: volumes, journals, a peer's NVRAM region, all zeroes, fully allocated.";
  static override description =
    'Run once on a new host. An existing file that is not empty, or a block device, is only taken with --zero-existing, which overwrites all of it. ' +
    "A primary's init makes a new group; a secondary and a peer join a group when they first meet it. A failed init removes what it made.";
  static override examples = [
    '<%= config.bin %> init -c primary.yaml',
    '<%= config.bin %> init -c secondary.yaml --zero-existing --dry-run',
    '<%= config.bin %> init -c secondary.yaml --zero-existing',
  ];
  static override flags = {
    config: configFlag,
    'zero-existing': Flags.boolean({ summary: 'Overwrite existing files and devices with zeroes. Their data is lost.' }),
    'dry-run': Flags.boolean({ summary: 'Say what would be made and what would be overwritten, and change nothing.' }),
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(Init);
    const { loadConfig } = await import('../src/cli/config/load-config.ts');
    const { initHost, previewInit } = await import('../src/cli/init-host.ts');
    const config = await loadConfig(flags.config, { standalone: true });
    // A peer's init makes none: those of a takeover belong to its secondary.
    const volumes = config.role === 'peer' ? [] : config.volumes.map(({ name, path, sizeBytes }) => ({ name, path, sizeBytes }));
    if (flags['dry-run']) {
      for (const line of previewInit(config)) this.log(line);
      this.log('nothing was changed (--dry-run)');
      return { role: config.role, group: config.group, groupId: null, state: config.stateDirectory, volumes };
    }
    const state = await initHost(config, { zeroExisting: flags['zero-existing'], onProgress: (message) => this.log(message) });
    this.log(
      `initialised the ${state.role} of group ${config.group}${state.groupId === null ? ', which joins its group at first contact' : `, group ID ${state.groupId}`}`,
    );
    this.log(`start it with: ${this.config.bin} start -c ${flags.config}`);
    return { role: state.role, group: config.group, groupId: state.groupId, state: config.stateDirectory, volumes };
  }
}
