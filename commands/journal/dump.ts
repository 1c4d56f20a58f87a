import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { dumpArgument, stateFlag } from '../../src/cli/journal-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { EXIT, UsageError } from '../../src/model/errors.ts';
import { ID_MAX } from '../../src/model/ids.ts';

const PAYLOAD_BYTES_DEFAULT = 64;
const REGION_BYTES_DEFAULT = 256;

export default class JournalDump extends BaseCommand {
  static override summary = 'Show the bytes of a journal or of the watermark, with the names of their fields.';
  static override description =
    'Header, complete mark, every record field by field, the beginning of each payload; runs of zeroes are folded. Where nothing can be read: the reason, and the next 256 bytes. With --offset a stretch of any ' +
    'bytes, named as far as they have names. With --sequence and --payload the payload of one record, as bytes, to a file or a pipe. Offsets are bytes of the file, in decimal, as in all messages; FORMAT.md has the ' +
    'same tables. Reads in constant memory, locks and changes nothing. Exit code 6 when something cannot be read.';
  static override examples = [
    '<%= config.bin %> journal dump ./secondary/journals/slot-0003.journal',
    '<%= config.bin %> journal dump ./secondary/journals/watermark',
    '<%= config.bin %> journal dump ./secondary --data-set 88410 --sequence 901233 --payload > block.bin',
    '<%= config.bin %> journal dump slot-0003.journal --offset 8192 --length 512',
    '<%= config.bin %> journal dump slot-0003.journal --format ndjson | jq -c "select(.field == \\"chain\\")"',
  ];
  static override args = { path: dumpArgument };
  static override flags = {
    'data-set': Flags.integer({ summary: 'Data set whose journal is meant.', helpValue: 'N', min: 0, max: ID_MAX }),
    'payload-bytes': Flags.integer({
      summary: 'Bytes of each payload that are shown.',
      helpValue: 'N',
      min: 0,
      max: ID_MAX,
      default: PAYLOAD_BYTES_DEFAULT,
    }),
    sequence: Flags.string({ summary: 'Only the records with these numbers.', helpValue: 'N|FROM-TO', exclusive: ['offset'] }),
    payload: Flags.boolean({ summary: "Write the record's payload itself, nothing else.", dependsOn: ['sequence'] }),
    offset: Flags.string({ summary: 'Only the bytes from this one of the file on; 0x for hex.', helpValue: 'N' }),
    length: Flags.string({ summary: 'How many bytes; default 256.', helpValue: 'M', dependsOn: ['offset'] }),
    format: Flags.option({
      summary: 'text for people; ndjson: one line for each field.',
      options: ['text', 'ndjson'] as const,
      default: 'text' as const,
    })(),
    state: stateFlag,
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalDump);
    const { findJournal } = await import('../../src/inspection/show/show-source.ts');
    const { parseNumber, parseRange } = await import('../../src/inspection/show/record-filter.ts');
    const { LineOutput, whileRead } = await import('../../src/inspection/show/show-output.ts');
    const { DumpJson, DumpText } = await import('../../src/inspection/dump/dump-writer.ts');
    const { dumpFile } = await import('../../src/inspection/dump/dump.ts');
    const { dumpPayload, refuseTerminal } = await import('../../src/inspection/dump/dump-payload.ts');
    const disk = new NodeDisk();
    const output = new LineOutput(process.stdout);
    if (flags.payload) {
      if (this.jsonEnabled())
        throw new UsageError('ERR_USAGE', '--payload writes bytes, and --json cannot carry them: leave one of them out');
      refuseTerminal(process.stdout);
    }
    const sequence = flags.sequence === undefined ? null : parseRange(flags.sequence, '--sequence');
    const lengthBytes = flags.length === undefined ? REGION_BYTES_DEFAULT : parseNumber(flags.length, '--length');
    const region = flags.offset === undefined ? null : { from: parseNumber(flags.offset, '--offset'), lengthBytes };
    const found = await findJournal({ disk, path: args.path, dataSet: flags['data-set'] ?? null, stateDirectory: flags.state });
    if (flags.payload && sequence !== null) {
      const wanted = parseNumber(flags.sequence ?? '', '--sequence');
      await whileRead(() => dumpPayload({ disk, found, sequence: wanted, output }));
      return {};
    }
    const writer = this.jsonEnabled() || flags.format === 'ndjson' ? new DumpJson(output, this.jsonEnabled()) : new DumpText(output);
    const report = await whileRead(() => dumpFile({ disk, found, output, writer, payloadBytes: flags['payload-bytes'], sequence, region }));
    if (report?.readable === false) this.endWith(EXIT.corruption);
    return {};
  }

  /** What --json shows was written while the journal was read: it may be larger than memory. */
  protected override logJson(): void {}
}
