import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { ringArgument } from '../../src/cli/journal-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { EXIT, UsageError } from '../../src/model/errors.ts';

export default class JournalExport extends BaseCommand {
  static override summary = 'Write data sets of a ring into one portable file.';
  static override description =
    'Takes the journals that hold the data sets, as they are: a torn or damaged one is exported with its verdict, and nothing is left out or repaired. With them travel the geometry, group, generation and stream of the ring, ' +
    'and its watermark. Without --out the export goes to standard output, unless that is a terminal; then --json needs --out. Reads only, takes no lock, and works beside a running secondary: a journal that changes while it ' +
    'is read is read again up to 5 times, then the export is refused (exit code 5). The format is in docs/portable-journals.md; "journal import" puts the journals back: header, complete mark and records byte for byte, zeroes behind them.';
  static override examples = [
    '<%= config.bin %> journal export ./secondary/journals --all --out ring.fsx',
    '<%= config.bin %> journal export ./secondary --data-set 88412 --out data-set-88412.fsx',
    '<%= config.bin %> journal export ./secondary --data-sets 88409-88414 | zstd > in-flight.fsx.zst',
  ];
  static override args = { dir: ringArgument };
  static override flags = {
    'data-set': Flags.string({ summary: 'One data set.', helpValue: 'N' }),
    'data-sets': Flags.string({ summary: 'Those of a range that are there.', helpValue: 'N-M' }),
    all: Flags.boolean({ summary: 'Every journal that is not free, also those that cannot be read.' }),
    out: Flags.string({ char: 'o', summary: 'New file; it gets its name when it is whole.', helpValue: 'FILE' }),
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalExport);
    const { exportJournals } = await import('../../src/inspection/portable/export-journals.ts');
    const { parseSelection } = await import('../../src/inspection/portable/export-selection.ts');
    const { FileSink, StreamSink } = await import('../../src/inspection/portable/export-sink.ts');
    const { locateRing } = await import('../../src/inspection/ring/locate-ring.ts');
    const { exportJson, exportText } = await import('../../src/inspection/portable/portable-text.ts');
    const { whileRead } = await import('../../src/inspection/show/show-output.ts');
    const out = flags.out;
    if (out === undefined && (process.stdout.isTTY || this.jsonEnabled()))
      throw new UsageError('ERR_USAGE', `where to? give --out FILE${this.jsonEnabled() ? '' : ', or redirect standard output'}`);
    const selection = parseSelection({ one: flags['data-set'], range: flags['data-sets'], all: flags.all });
    const disk = new NodeDisk();
    const { directory } = locateRing({ disk, path: args.dir });
    const openSink = () => (out === undefined ? new StreamSink(process.stdout) : new FileSink(disk, out));
    const report = await whileRead(() => exportJournals({ disk, directory, selection, openSink }));
    if (report === null) {
      // Whoever read it has no export.
      this.endWith(EXIT.failed);
      return {};
    }
    for (const line of exportText(report)) {
      if (out === undefined) this.logToStderr(line);
      else this.log(line);
    }
    return exportJson(report);
  }
}
