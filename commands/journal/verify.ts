import { BaseCommand } from '../../src/cli/base-command.ts';
import { journalArgument, stateFlag } from '../../src/cli/journal-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { EXIT } from '../../src/model/errors.ts';

export default class JournalVerify extends BaseCommand {
  static override summary = 'Check every checksum and every rule of the journals.';
  static override description =
    'Reads every journal and the watermark to their ends: checksums of headers, complete marks, records and payloads, sequence numbers, chains, places in the ring. Each finding names file and byte, what was expected ' +
    'and found, whether it matters, and what to do. Verdicts: clean end; unreadable from a byte on (a torn tail or damage, which the file alone cannot tell in a data set that is not complete); damaged (no crash ' +
    'leaves it so); in flight (beside a running host). Exit code 6 when anything is unreadable or damaged, also when it does not matter. Changes nothing and takes no lock.';
  static override examples = [
    '<%= config.bin %> journal verify ./secondary/journals',
    '<%= config.bin %> journal verify ./secondary/journals/slot-0003.journal',
    '<%= config.bin %> journal verify ./secondary --json',
  ];
  static override args = { path: journalArgument };
  static override flags = { state: stateFlag };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(JournalVerify);
    const { verify } = await import('../../src/inspection/ring/verify.ts');
    const { clean, text, json } = await verify({ disk: new NodeDisk(), path: args.path, stateDirectory: flags.state });
    for (const line of text) this.log(line);
    if (!clean) this.endWith(EXIT.corruption);
    return { clean, ...json };
  }
}
