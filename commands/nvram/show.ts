import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { optionalConfigFlag } from '../../src/cli/flags.ts';
import { peerStateFlag, regionArgument } from '../../src/cli/region-flags.ts';
import { recordFlags } from '../../src/cli/record-flags.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { EXIT } from '../../src/model/errors.ts';
import { ID_MAX } from '../../src/model/ids.ts';

export default class NvramShow extends BaseCommand {
  static override summary = "Show the records that a peer's NVRAM region holds of one data set.";
  static override description =
    'A region that holds records of several data sets needs --data-set. Records stand in the order of their arrival, with the bytes of the file at which they begin. The last lines say what the bytes behind the newest ' +
    'record are: clean end; unreadable (a message that a crash tore, or damage, which the file alone cannot tell); in flight (beside a running peer). Reads in constant memory, locks and changes nothing. Exit code 6 when ' +
    'anything is unreadable or damaged.';
  static override examples = [
    '<%= config.bin %> nvram show -c peer.yaml --data-set 88410',
    '<%= config.bin %> nvram show /dev/shm/farshore.nvram --data-set 88410 --vlun 0 --lba 2048-4095',
    '<%= config.bin %> nvram show -c peer.yaml --data-set 88410 --map',
    '<%= config.bin %> nvram show -c peer.yaml --data-set 88410 --format ndjson | jq -c "select(.type == \\"sync\\")"',
  ];
  static override args = { path: regionArgument };
  static override flags = {
    config: optionalConfigFlag,
    'data-set': Flags.integer({ summary: 'Data set whose records are meant.', helpValue: 'N', min: 0, max: ID_MAX }),
    ...recordFlags({ pads: false }),
    format: Flags.option({
      summary: 'text for people; ndjson: one line for each record, then one for the region.',
      options: ['text', 'ndjson'] as const,
      default: 'text' as const,
    })(),
    state: peerStateFlag,
  };

  async run(): Promise<Record<string, unknown>> {
    const { args, flags } = await this.parse(NvramShow);
    const { regionTargetOf } = await import('../../src/cli/region-target.ts');
    const { parseRange, vlunOf } = await import('../../src/inspection/show/record-filter.ts');
    const { LineOutput, whileRead } = await import('../../src/inspection/show/show-output.ts');
    const { showRegion } = await import('../../src/inspection/nvram/show-region.ts');
    const { RegionJsonWriter, RegionTextWriter } = await import('../../src/inspection/nvram/show-region-writers.ts');
    const disk = new NodeDisk();
    const lba = flags.lba === undefined ? null : parseRange(flags.lba, '--lba');
    const sequence = flags.sequence === undefined ? null : parseRange(flags.sequence, '--sequence');
    const { path, volumes } = await regionTargetOf(disk, { path: args.path, config: flags.config, state: flags.state });
    const vlun = flags.volume === undefined ? (flags.vlun ?? null) : vlunOf(flags.volume, volumes);
    const output = new LineOutput(process.stdout);
    const isJson = this.jsonEnabled() || flags.format === 'ndjson';
    const writer = isJson
      ? new RegionJsonWriter(output, { whole: this.jsonEnabled() })
      : new RegionTextWriter(output, { checksums: flags.checksums, withRecords: !flags.map });
    const filter = { vlun, lba, sequence, types: flags.type ?? null };
    const dataSet = flags['data-set'] ?? null;
    const report = await whileRead(() => showRegion({ disk, path, dataSet, volumes, filter, map: flags.map, output, writer }));
    if (report !== null && report.findings.some(({ verdict }) => verdict !== 'in flight')) this.endWith(EXIT.corruption);
    return {};
  }

  /** What --json shows was written while the region was read: it may be larger than memory. */
  protected override logJson(): void {}
}
