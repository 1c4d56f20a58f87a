import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { ringArgument, stateFlag } from '../../src/cli/journal-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';

export default class JournalLs extends BaseCommand {
  static override summary = 'Show the ring of journals, and what a recovery now would do.';
  static override description =
    'One row for each slot: data set, generation, complete flag, records, how many numbers are missing, bytes and fill, why the data set was cut; below it its sequence numbers, the time of its writes and what ' +
    'recovery decides about it. Then the watermark, and one sentence: what a recovery would replay, keep and discard, and at which data set the copy would then be. Reads the files alone, locks and changes nothing: ' +
    'it works beside a running secondary (whose journals move meanwhile) and after it died, and then it predicts exactly what its next start does.';
  static override examples = [
    '<%= config.bin %> journal ls ./secondary/journals',
    '<%= config.bin %> journal ls ./secondary --all',
    '<%= config.bin %> journal ls ./secondary --json',
    '<%= config.bin %> journal ls /mnt/rescued/journals --state /mnt/rescued/state',
  ];
  static override args = { dir: ringArgument };
  static override flags = {
    state: stateFlag,
    all: Flags.boolean({
      summary: 'Numbers, times and decisions also of slots that are done: their data set is in the volumes, or they are free.',
    }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalLs);
    const { inspectRing } = await import('../../src/inspection/ring/inspect-ring.ts');
    const { locateRing } = await import('../../src/inspection/ring/locate-ring.ts');
    const { ringJson } = await import('../../src/inspection/ring/ring-json.ts');
    const { ringText } = await import('../../src/inspection/ring/ring-text.ts');
    const disk = new NodeDisk();
    const report = await inspectRing({ disk, located: locateRing({ disk, path: args.dir, stateDirectory: flags.state }) });
    for (const line of ringText(report, { all: flags.all })) this.log(line);
    return ringJson(report);
  }
}
