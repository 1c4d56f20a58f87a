import { BaseCommand } from '../../src/cli/base-command.ts';
import { optionalConfigFlag } from '../../src/cli/flags.ts';
import { regionArgument } from '../../src/cli/region-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { EXIT } from '../../src/model/errors.ts';

export default class NvramVerify extends BaseCommand {
  static override summary = "Check every checksum and every rule of a peer's NVRAM region.";
  static override description =
    'Reads superblock, anchors and every held message to the end: checksums of headers, records and payloads, ordinals, digests, sequence numbers. Each finding names file and byte, what was expected and found, whether it ' +
    'matters, and what to do. Verdicts: clean end; unreadable from a byte on (a message that a crash tore, or damage, which the file alone cannot tell); damaged; in flight (beside a running peer). Exit code 6 when anything is ' +
    'unreadable or damaged, also when it does not matter. Changes nothing and takes no lock.';
  static override examples = [
    '<%= config.bin %> nvram verify -c peer.yaml',
    '<%= config.bin %> nvram verify /dev/shm/farshore.nvram --json',
  ];
  static override args = { path: regionArgument };
  static override flags = { config: optionalConfigFlag };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(NvramVerify);
    const { regionTargetOf } = await import('../../src/cli/region-target.ts');
    const { verifyRegion } = await import('../../src/inspection/nvram/verify-region.ts');
    const disk = new NodeDisk();
    const { path } = await regionTargetOf(disk, { path: args.path, config: flags.config });
    const { clean, text, json } = await verifyRegion({ disk, path });
    for (const line of text) this.log(line);
    if (!clean) this.endWith(EXIT.corruption);
    return { clean, ...json };
  }
}
