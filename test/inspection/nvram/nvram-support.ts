/** A region on a real disk, journals beside it, and what the nvram commands tell of them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRing } from '../../../journals/create.ts';
import { journalPath, watermarkPath } from '../../../journals/files.ts';
import { BLOCK_BYTES, encodeWatermark } from '../../../journals/format.ts';
import { alignedStart } from '../../../src/disk/alignment.ts';
import { NodeDisk } from '../../../src/disk/node-disk.ts';
import { RegionJsonWriter, RegionTextWriter } from '../../../src/inspection/nvram/show-region-writers.ts';
import { showRegion, type RegionShowReport, type ShowRegionOptions } from '../../../src/inspection/nvram/show-region.ts';
import { ALL_RECORDS } from '../../../src/inspection/show/record-filter.ts';
import { LineOutput } from '../../../src/inspection/show/show-output.ts';
import { CHAIN_START } from '../../../src/model/ids.ts';
import type { NvramRegion } from '../../../src/peer/nvram/contract.ts';
import { RING_OFFSET } from '../../../src/peer/nvram/format.ts';
import { buildImage, IDENTITY, SMALL } from '../../journals/support.ts';
import { encodeRecord, GROUP_ID, makeRegion } from '../../peer/nvram/support.ts';
import { finished } from '../../support/scratch.ts';
import { Collector } from '../show-support.ts';

export const disk = new NodeDisk();
export const REGION_BYTES = RING_OFFSET + 64 * 1024;

/** Numbers 3 to 20: the end of data set 0, all of 1 (8 to 15), the beginning of 2. */
export const FIRST = 3;
export const LAST = 20;

/** Make a region that holds the numbers FIRST to LAST, two to a message, and leave it open: a running peer. */
export async function runningRegion(folder: string): Promise<{ path: string; region: NvramRegion }> {
  const path = join(folder, 'region');
  const region = await makeRegion({ disk, path, sizeBytes: REGION_BYTES, hold: 'memory' });
  region.bind(GROUP_ID);
  for (let sequence = FIRST; sequence < LAST; sequence += 2)
    region.store(Buffer.concat([encodeRecord(sequence, 512), encodeRecord(sequence + 1, 512)]), 2);
  return { path, region };
}

/** Make journals that have some numbers of data sets, and a watermark. */
export async function makeJournals(folder: string, options: { numbers: readonly number[]; watermark: number | null }): Promise<string> {
  const directory = join(folder, 'journals');
  await finished((done) => createRing({ disk, directory, geometry: SMALL, alignedStart }, done));
  for (const dataSet of [0, 1, 2]) {
    const records = options.numbers
      .filter((sequence) => Math.floor(sequence / 8) === dataSet)
      .map((sequence) => encodeRecord(sequence, 512));
    if (records.length > 0) writeFileSync(journalPath(directory, dataSet), buildImage({ dataSet, records }));
  }
  const blocks = new Uint8Array(2 * BLOCK_BYTES);
  const point =
    options.watermark === null ? null : { dataSet: options.watermark, finalSequence: options.watermark * 8 + 7, chain: CHAIN_START };
  for (const counter of [0, 1])
    encodeWatermark(blocks.subarray(counter * BLOCK_BYTES, (counter + 1) * BLOCK_BYTES), {
      ...IDENTITY,
      groupId: GROUP_ID,
      point,
      hostEpoch: 0,
      counter,
    });
  writeFileSync(watermarkPath(directory), blocks);
  return directory;
}

export interface Shown {
  readonly text: string;
  readonly report: RegionShowReport;
}

/** Show a data set as text, or as one JSON object. */
export async function show(
  path: string,
  options: Partial<Pick<ShowRegionOptions, 'dataSet' | 'filter' | 'map' | 'volumes'>> & {
    readonly json?: boolean;
    readonly checksums?: boolean;
  },
): Promise<Shown> {
  const collector = new Collector();
  const output = new LineOutput(collector);
  const { json = false, checksums = false, ...others } = options;
  const writer = json
    ? new RegionJsonWriter(output, { whole: true })
    : new RegionTextWriter(output, { checksums, withRecords: others.map !== true });
  const usual = { dataSet: null, volumes: null, filter: ALL_RECORDS, map: false };
  const report = await showRegion({ disk, path, output, writer, ...usual, ...others });
  return { text: collector.text, report };
}
