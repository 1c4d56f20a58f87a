import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';

export default class JournalImport extends BaseCommand {
  static override summary = 'Put exported data sets back, into a new folder or into a stopped ring.';
  static override description =
    'The export is checked whole first: one that is cut short or damaged is never used (exit code 6). Into a new or empty folder it makes the ring that was exported: geometry, slots and watermark as they were, torn and damaged ' +
    'journals too, all other slots free. Into an existing ring it puts the journals into their slots, all or none, and refuses (exit code 5) when a host uses the ring, when group, generation, stream or geometry differ, when ' +
    'a journal is damaged or outside the window, and when a slot holds a data set above the watermark. The watermark of an existing ring stays as it is. Killed at any moment, it has harmed nothing; run it again.';
  static override examples = [
    '<%= config.bin %> journal import ring.fsx ./looking-at-it',
    '<%= config.bin %> journal import data-set-88412.fsx ./secondary/journals --dry-run',
    '<%= config.bin %> journal import data-set-88412.fsx ./secondary/journals',
  ];
  static override args = {
    file: Args.string({ name: 'FILE', description: 'What "journal export" wrote.', required: true }),
    dir: Args.string({
      name: 'DIR',
      description: "A new or empty folder; or a ring's folder, or the state folder around it.",
      required: true,
    }),
  };
  static override flags = {
    'dry-run': Flags.boolean({ summary: 'Check everything, say what would be done, and change nothing.' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalImport);
    const { importJournals } = await import('../../src/inspection/portable/import-journals.ts');
    const { importJson, importText } = await import('../../src/inspection/portable/portable-text.ts');
    const report = await importJournals({ disk: new NodeDisk(), path: args.file, directory: args.dir, dryRun: flags['dry-run'] });
    for (const line of importText(report)) this.log(line);
    return importJson(report);
  }
}
