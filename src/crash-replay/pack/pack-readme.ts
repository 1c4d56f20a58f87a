/** The README of a pack that was made of a real host. */
import { formatBytes } from '../../model/units.ts';
import type { Decision } from '../replay/decide-recovery.ts';
import type { FixtureVolume } from '../fixture-files.ts';

export interface Pack {
  readonly options: { readonly recover: 'start' | 'promote'; readonly withoutData: boolean };
  readonly volumes: readonly FixtureVolume[];
  readonly decision: Decision;
}

export function packReadme({ options, volumes, decision }: Pack): string {
  const { outcome, error, through } = decision;
  const then =
    outcome === 'refuse'
      ? `refuses: ${error?.code ?? ''}`
      : `brings the copy ${through === null ? 'to no data set' : `to data set ${through}`}`;
  const lines = [
    '# A secondary as it was stopped',
    '',
    `1. A ${options.recover} now ${then}; \`expected.json\` has the decision for every journal.`,
    `2. Volumes: ${volumes.map(describeVolume).join('; ') || 'none is known'}.`,
    options.withoutData
      ? '3. No data is in it: every payload is text that follows from a key that is stored nowhere; `replaced.json` lists every checksum that changed for it. Which payloads, or blocks of a volume, were equal or zeroes can still be seen.'
      : '3. The journals are whole files: **they hold the data that was written**.',
    '4. Names of group and volumes, numbers, lengths, places and times of writes are as they were; free text, paths and addresses are left out.',
    '5. `farshore fixture replay DIR` asks recovery again about these files.',
  ];
  return `${lines.join('\n')}\n`;
}

function describeVolume(volume: FixtureVolume): string {
  if (volume.content === 'none') return `${volume.name} is left out`;
  if (volume.content === 'whole') return `${volume.name} is whole`;
  const bytes = volume.ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  return `of ${volume.name} ${volume.ranges.length} ranges, ${formatBytes(bytes)}, that data sets above the watermark touch`;
}
