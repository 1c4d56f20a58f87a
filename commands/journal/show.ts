import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { journalArgument, stateFlag } from '../../src/cli/journal-flags.ts';
import { recordFlags } from '../../src/cli/record-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { EXIT } from '../../src/model/errors.ts';
import { ID_MAX } from '../../src/model/ids.ts';

export default class JournalShow extends BaseCommand {
  static override summary = 'Show one journal: header, records, what is missing, and where its bytes end.';
  static override description =
    'A folder needs --data-set, which is found by header, records or complete flag; a file needs nothing. Records stand in the order of their arrival, gaps in their numbers are told after the last of them. ' +
    'The last lines say what the bytes behind the records are: clean end; unreadable (a torn tail or damage, which the file alone cannot tell); damaged (no crash leaves it so); in flight (beside a running host). ' +
    'Reads in constant memory, locks and changes nothing. Exit code 6 when anything is unreadable or damaged.';
  static override examples = [
    '<%= config.bin %> journal show ./secondary --data-set 88410',
    '<%= config.bin %> journal show ./secondary/journals/slot-0003.journal --volume db1 --lba 2048-4095',
    '<%= config.bin %> journal show ./secondary/journals --data-set 88410 --map',
    '<%= config.bin %> journal show slot-0003.journal --format ndjson | jq -c "select(.type == \\"sync\\")"',
  ];
  static override args = { path: journalArgument };
  static override flags = {
    'data-set': Flags.integer({ summary: 'Data set whose journal is meant.', helpValue: 'N', min: 0, max: ID_MAX }),
    ...recordFlags({ pads: true }),
    format: Flags.option({
      summary: 'text for people; ndjson: one line for each record, then one for the journal.',
      options: ['text', 'ndjson'] as const,
      default: 'text' as const,
    })(),
    state: stateFlag,
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalShow);
    const { findJournal } = await import('../../src/inspection/show/show-source.ts');
    const { parseRange, vlunOf } = await import('../../src/inspection/show/record-filter.ts');
    const { LineOutput, whileRead } = await import('../../src/inspection/show/show-output.ts');
    const { JsonWriter, NdjsonWriter } = await import('../../src/inspection/show/show-json.ts');
    const { TextWriter } = await import('../../src/inspection/show/show-text.ts');
    const { showJournal } = await import('../../src/inspection/show/show.ts');
    const disk = new NodeDisk();
    const lba = flags.lba === undefined ? null : parseRange(flags.lba, '--lba');
    const sequence = flags.sequence === undefined ? null : parseRange(flags.sequence, '--sequence');
    const found = await findJournal({ disk, path: args.path, dataSet: flags['data-set'] ?? null, stateDirectory: flags.state });
    const vlun = flags.volume === undefined ? (flags.vlun ?? null) : vlunOf(flags.volume, found.volumes);
    const output = new LineOutput(process.stdout);
    const writer = this.jsonEnabled()
      ? new JsonWriter(output)
      : flags.format === 'ndjson'
        ? new NdjsonWriter(output)
        : new TextWriter(output, { checksums: flags.checksums, withRecords: !flags.map });
    const filter = { vlun, lba, sequence, types: flags.type ?? null };
    const report = await whileRead(() => showJournal({ disk, found, filter, map: flags.map, output, writer }));
    if (report !== null && report.findings.some(({ verdict }) => verdict !== 'in flight')) this.endWith(EXIT.corruption);
    return {};
  }

  /** What --json shows was written while the journal was read: it may be larger than memory. */
  protected override logJson(): void {}
}
