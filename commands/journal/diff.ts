import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { journalArgument, stateFlag } from '../../src/cli/journal-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { EXIT, UsageError } from '../../src/model/errors.ts';

const LIMIT_DEFAULT = 20;

export default class JournalDiff extends BaseCommand {
  static override summary = 'Compare two journals or two rings, or say who wrote which blocks.';
  static override description =
    'Two files are compared as journals: header, complete flag, where the records end, and the records by number: only in one, differing (which fields and checksums), reordered (arrived at another place). Two folders are ' +
    'compared as rings: watermark, and each data set with the same one of the other, whatever slots they lie in. Bytes behind the end of the records are not compared. Exit code 0 when equal, 1 when different. ' +
    '--overlaps says which blocks two data sets both wrote and which records wrote them last; --lba says who wrote one block, in order, and who last: exit code 0 whatever the answer is. ' +
    'Reads only, takes no lock, in memory that depends on the records of two journals and never on their bytes.';
  static override examples = [
    '<%= config.bin %> journal diff slot-0003.journal copy/slot-0003.journal',
    '<%= config.bin %> journal diff ./secondary/journals ./before-the-crash --json',
    '<%= config.bin %> journal diff slot-0003.journal slot-0004.journal --overlaps',
    '<%= config.bin %> journal diff ./secondary --overlaps --data-sets 88409,88410',
    '<%= config.bin %> journal diff ./secondary --lba 2048 --volume db1',
  ];
  static override args = {
    a: journalArgument,
    b: Args.string({ name: 'DIR|FILE', description: 'What it is compared with: another of the same kind.' }),
  };
  static override flags = {
    overlaps: Flags.boolean({ summary: 'Which blocks two data sets both wrote, and who wrote them last.', exclusive: ['lba'] }),
    exact: Flags.boolean({
      summary: 'With --overlaps: a range for each record that wrote last, instead of one for all neighbours.',
      dependsOn: ['overlaps'],
    }),
    'data-sets': Flags.string({ summary: 'With --overlaps: two data sets of one folder.', helpValue: 'N,M', dependsOn: ['overlaps'] }),
    lba: Flags.string({ summary: 'Who wrote this block (of 512 bytes), in order.', helpValue: 'X' }),
    volume: Flags.string({
      summary: "With --lba: of this volume alone: a name of the state's volume table, or a VLUN.",
      helpValue: 'NAME',
      dependsOn: ['lba'],
    }),
    limit: Flags.integer({
      summary: `How many of each kind are listed for each journal, in text and with --json; default ${LIMIT_DEFAULT}.`,
      helpValue: 'N',
      min: 0,
      max: 65_536,
      default: LIMIT_DEFAULT,
    }),
    format: Flags.option({
      summary: 'text for people; ndjson: one line for each difference, range or writer, then one for the whole.',
      options: ['text', 'ndjson'] as const,
      default: 'text' as const,
    })(),
    state: stateFlag,
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalDiff);
    const { compare, compareBlocks, findBlockWriters, parseTwoDataSets } = await import('../../src/inspection/diff/diff.ts');
    const { parseNumber } = await import('../../src/inspection/show/record-filter.ts');
    const { LineOutput, whileRead } = await import('../../src/inspection/show/show-output.ts');
    const lines = flags.format === 'ndjson' && !this.jsonEnabled() ? new LineOutput(process.stdout) : null;
    const options = {
      disk: new NodeDisk(),
      a: args.a,
      b: args.b,
      stateDirectory: flags.state,
      limit: flags.limit,
      exact: flags.exact,
      lines,
    };
    const answer = await whileRead(() => {
      if (flags.lba !== undefined) {
        if (args.b !== undefined) throw new UsageError('ERR_USAGE', '--lba looks into one folder or file: leave the second out');
        return findBlockWriters(options, { lba: parseNumber(flags.lba, '--lba'), volume: flags.volume });
      }
      const dataSets = flags['data-sets'];
      return flags.overlaps ? compareBlocks(options, dataSets === undefined ? null : parseTwoDataSets(dataSets)) : compare(options);
    });
    if (answer === null) return {};
    for (const line of answer.text) this.log(line);
    if (!answer.equal && !flags.overlaps) this.endWith(EXIT.failed);
    return answer.json;
  }
}
