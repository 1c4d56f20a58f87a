/** Which parts of a source volume go into a pack: a small one whole, of a large one what the data sets above the watermark touch. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeWatermark } from '../../../journals/watermark.ts';
import { scanJournal } from '../../../journals/scan.ts';
import { NodeDisk } from '../../disk/node-disk.ts';
import { FarshoreError, UsageError } from '../../model/errors.ts';
import { BLOCK_BYTES } from '../../model/ids.ts';
import { mergeRanges } from '../../protocol/ranges.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import type { ByteRange, FixtureVolume, VolumeContent } from '../fixture-files.ts';
import { journalFilesIn, type HostFolder } from '../fixture-folder.ts';

export const WHOLE_VOLUME_BYTES_MAX = 16 * 1024 * 1024;

/** @param host its state and journals; @throws UsageError ERR_FIXTURE_VOLUME when the file has another size than the host's state says */
export function contentOf(volume: VolumeConfig, host: HostFolder): FixtureVolume {
  const { name, vlun, sizeBytes, path } = volume;
  const entry = { name, vlun, sizeBytes };
  if (path === '') return { ...entry, content: 'none' };
  const file = new NodeDisk().open(path, { readOnly: true });
  try {
    if (file.sizeBytes() !== sizeBytes)
      throw new UsageError('ERR_FIXTURE_VOLUME', `${path} has ${file.sizeBytes()} bytes; the volume ${name} has ${sizeBytes}`, {
        hint: 'name the source volume of the secondary',
      });
  } finally {
    file.closeSync();
  }
  return { ...entry, ...choose(sizeBytes, () => touchedRanges(host, vlun, sizeBytes)) };
}

function choose(sizeBytes: number, ranges: () => readonly ByteRange[]): VolumeContent {
  return sizeBytes <= WHOLE_VOLUME_BYTES_MAX ? { content: 'whole' } : { content: 'ranges', ranges: ranges() };
}

/** What the records above the watermark touch of one volume, merged and ascending. */
export function touchedRanges(host: HostFolder, vlun: number, sizeBytes: number): ByteRange[] {
  const { directory } = host.journals;
  const watermark = watermarkOf(directory);
  const touched: { from: number; to: number }[] = [];
  for (const name of journalFilesIn(directory)) {
    const path = join(directory, name);
    if (!name.endsWith('.journal')) continue;
    for (const record of scanJournal(readFileSync(path), { slot: 0, path }).records) {
      if (record.vlun !== vlun || record.type === 'sync' || record.type === 'pad' || record.dataSet <= watermark) continue;
      const from = record.lba * BLOCK_BYTES;
      const to = Math.min(from + record.lengthBytes, sizeBytes);
      if (from < to) touched.push({ from, to: to - 1 });
    }
  }
  return mergeRanges(touched).map(({ from, to }) => ({ offset: from, lengthBytes: to - from + 1 }));
}

/** Data set of the watermark; -1 when nothing is destaged, or nobody can tell. */
function watermarkOf(directory: string): number {
  const path = join(directory, 'watermark');
  try {
    return judgeWatermark(readFileSync(path), path).newest.point?.dataSet ?? -1;
  } catch (error) {
    if (error instanceof FarshoreError || (error instanceof Error && 'code' in error && error.code === 'ENOENT')) return -1;
    throw error;
  }
}
