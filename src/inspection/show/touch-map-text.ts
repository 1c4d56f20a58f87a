/** The map of what a data set touches, as text: one strip of 64 characters for each volume. */
import { formatBytes } from '../../model/units.ts';
import { wrap } from '../ring/columns.ts';
import type { VolumeTouch } from './touch-map.ts';

const LEGEND = '. untouched   - below 1/4   = below 1/2   + below 3/4   * more   # all of it';

/** Draw the volumes, and say what the characters mean. */
export function mapText(volumes: readonly VolumeTouch[]): string[] {
  if (volumes.length === 0) return ['no command touches a volume', ''];
  return [...volumes.flatMap(volumeText), LEGEND, ''];
}

function volumeText(volume: VolumeTouch): string[] {
  const { vlun, name, sizeBytes, sizeKnown, cellBytes, cells, commands, firstLba, lastLba, outsideBlocks } = volume;
  const size = sizeKnown ? formatBytes(sizeBytes) : `of unknown size, drawn up to ${formatBytes(sizeBytes)}`;
  const lines = [
    ...wrap(`VLUN ${vlun}${name === null ? '' : ` ${name}`}, ${size}, each character ${formatBytes(cellBytes)}`, '  '),
    `  [${cells}]`,
    ...wrap(`  LBA ${firstLba} to ${lastLba}: ${commands} ${commands === 1 ? 'command' : 'commands'}, ${changes(volume)}`, '  '),
    ...wrap(`  ${volume.touchedBlocks} blocks touched, ${volume.overwrittenBlocks} of them more than once`, '  '),
  ];
  if (outsideBlocks > 0) lines.push(...wrap(`  ${outsideBlocks} blocks lie BEYOND the end of the volume`, '  '));
  return [...lines, ''];
}

function changes({ writtenBytes, zeroedBytes, trimmedBytes }: VolumeTouch): string {
  return `${formatBytes(writtenBytes)} written, ${formatBytes(zeroedBytes)} zeroed, ${formatBytes(trimmedBytes)} trimmed`;
}
