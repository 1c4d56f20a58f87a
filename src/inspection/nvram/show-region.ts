/**
 * `nvram show`: the records that a region holds of one data set, in the order in which they came. Streams: what is kept of a record are a
 * bit and a checksum. Works on any bytes; takes no lock and writes nothing.
 */
import type { Disk } from '../../disk/disk.ts';
import { UsageError } from '../../model/errors.ts';
import type { DataSetId, VolumeEntry } from '../../model/ids.ts';
import { formatBytes } from '../../model/units.ts';
import type { DecodedRecord } from '../../record/record.ts';
import { mergeRanges } from '../../protocol/ranges.ts';
import { worstVerdict } from '../ring/findings.ts';
import type { NumberVerdict } from '../ring/record-numbers.ts';
import type { ByteVerdict, Finding } from '../ring/ring-report.ts';
import { isFiltering, isWanted, type RecordFilter } from '../show/record-filter.ts';
import type { LineOutput } from '../show/show-output.ts';
import { TouchMap, type VolumeTouch } from '../show/touch-map.ts';
import { HeldDataSets, shownRanges, type HeldDataSet } from './held-data-sets.ts';
import { readRegion, type RegionPicture } from './read-region.ts';
import { endVerdict, regionFindings } from './region-findings.ts';

/** Takes what there is to tell, in this order. */
export interface RegionShowWriter {
  begin(head: RegionShowHead): void;
  record(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): void;
  end(report: RegionShowReport): void;
}

export interface RegionShowHead {
  readonly picture: RegionPicture;
  readonly dataSet: DataSetId;
  readonly held: HeldDataSet;
  readonly volumes: readonly VolumeEntry[] | null;
}

export interface RegionShowReport {
  readonly picture: RegionPicture;
  readonly held: HeldDataSet;
  readonly filtered: boolean;
  readonly wantedRecords: number;
  /** What the wanted records touch; null when it was not asked for. */
  readonly map: readonly VolumeTouch[] | null;
  readonly endVerdict: ByteVerdict;
  readonly verdict: ByteVerdict;
  readonly findings: readonly Finding[];
  readonly read: string;
}

export interface ShowRegionOptions {
  readonly disk: Disk;
  readonly path: string;
  /** Null: the only one that there is. */
  readonly dataSet: DataSetId | null;
  readonly volumes: readonly VolumeEntry[] | null;
  readonly filter: RecordFilter;
  readonly map: boolean;
  readonly output: LineOutput;
  readonly writer: RegionShowWriter;
}

/**
 * Show what a region holds of one data set.
 * @throws UsageError ERR_NOT_A_REGION, ERR_DATA_SET_NEEDED, ERR_DATA_SET_NOT_FOUND, ERR_DATA_SET_TWICE; FarshoreError ERR_NVRAM_OPEN; ReaderGone
 */
export async function showRegion(options: ShowRegionOptions): Promise<RegionShowReport> {
  const { disk, path, volumes, output, writer, filter } = options;
  const first = new HeldDataSets();
  const picture = await readRegion({ disk, path, take: (record, offset) => first.take(record, offset) });
  const chosen = choose(options, first.list());
  writer.begin({ picture, dataSet: chosen.dataSet, held: chosen, volumes });
  await output.leave();
  const held = new HeldDataSets();
  const map = options.map ? new TouchMap() : null;
  let wantedRecords = 0;
  const shown = await readRegion({
    disk,
    path,
    pause: () => output.leave(),
    take: (record, offset) => {
      if (record.dataSet !== chosen.dataSet || record.stream !== chosen.stream || record.generation !== chosen.generation) return;
      const verdict = held.take(record, offset);
      if (!isWanted(filter, record)) return;
      wantedRecords += 1;
      if (map === null) writer.record(record, offset, verdict);
      else if (verdict === 'first' && record.type !== 'sync' && record.type !== 'pad') map.add({ ...record, type: record.type });
    },
  });
  const [now = chosen] = held.list();
  const findings = regionFindings(shown, [now]);
  const report: RegionShowReport = {
    picture: shown,
    held: now,
    filtered: isFiltering(filter),
    wantedRecords,
    map: map?.volumes(volumes) ?? null,
    endVerdict: endVerdict(shown),
    verdict: worstVerdict(findings),
    findings,
    read: `${path} read, ${now.tally.numbers.count} records of the data set, ${formatBytes(shown.contents?.heldBytes ?? 0)} in all`,
  };
  writer.end(report);
  await output.leave();
  return report;
}

function choose({ path, dataSet }: ShowRegionOptions, held: readonly HeldDataSet[]): HeldDataSet {
  const ranges = mergeRanges(held.map(({ dataSet: id }) => ({ from: id, to: id })));
  const there = `data sets there: ${shownRanges(ranges, 12)}`;
  const details = { path, dataSet: dataSet === null ? null : `${dataSet}` };
  const candidates = dataSet === null ? held : held.filter(({ dataSet: id }) => id === dataSet);
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  if (dataSet === null && only !== undefined)
    throw new UsageError('ERR_DATA_SET_NEEDED', `${path} holds records of ${held.length} data sets, and none is named; ${there}`, {
      hint: 'name one with --data-set N',
      details,
    });
  if (only === undefined)
    throw new UsageError(
      'ERR_DATA_SET_NOT_FOUND',
      dataSet === null ? `${path} holds no records` : `${path} holds no records of data set ${dataSet}; ${there}`,
      {
        hint: 'records are given up as soon as a journal of the secondary has them; "farshore nvram ls" shows those that are held',
        details,
      },
    );
  throw new UsageError('ERR_DATA_SET_TWICE', `${path} holds records of data set ${dataSet} of ${candidates.length} streams`, {
    hint: 'no Farshore numbers two data sets alike: keep a copy of the file, and report it',
    details,
  });
}
