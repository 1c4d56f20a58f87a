import { Args } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { SAMPLE_ROLES, sampleConfig, type SampleRole } from '../../src/cli/config/sample.ts';

export interface ConfigSampleResult {
  readonly role: SampleRole;
  readonly text: string;
}

export default class ConfigSample extends BaseCommand {
  static override summary = 'Print a commented config file.';
  static override description =
    'The samples work together on one machine: primary and secondary alone, or with the peer, when the mode of the secondary is write-back.';
  static override examples = [
    '<%= config.bin %> config sample primary > primary.yaml',
    '<%= config.bin %> config sample secondary > secondary.yaml',
    '<%= config.bin %> config sample peer > peer.yaml',
  ];
  static override args = {
    role: Args.option({ options: SAMPLE_ROLES })({ required: true, description: 'Role of the host.' }),
  };

  async run(): Promise<ConfigSampleResult> {
    const { args } = await this.parse(ConfigSample);
    const text = sampleConfig(args.role);
    this.log(text.trimEnd());
    return { role: args.role, text };
  }
}
