/** A replay by hand as text of 80 columns, and as JSON: the plan, then where the copies are. */
import { formatBytes } from '../../model/units.ts';
import { rangesOf } from '../../protocol/recovery-summary.ts';
import { layOut, wrap, type Column } from '../ring/columns.ts';
import type { PreparedReplay } from './replay.ts';

const SET_COLUMNS: readonly Column[] = [
  { title: 'data set', align: 'right' },
  { title: 'slot', align: 'right' },
  { title: 'flag', align: 'left' },
  { title: 'records', align: 'right' },
  { title: 'changes', align: 'right' },
];
const VOLUME_COLUMNS: readonly Column[] = [
  { title: 'volume', align: 'left' },
  { title: 'vlun', align: 'right' },
  { title: 'commands', align: 'right' },
  { title: 'changes', align: 'right' },
];

/** The plan, before anything is stored. */
export function replayPlanText({ plan, copies, sets, volumesAtWatermark }: PreparedReplay): string[] {
  const { watermark, complete, notReplayed, through, directory } = plan;
  const lines = [
    `journals in ${directory}`,
    watermark === null
      ? 'watermark: nothing is in the source volumes yet'
      : `watermark: data set ${watermark.dataSet}, number ${watermark.finalSequence}`,
  ];
  if (sets.length === 0) {
    lines.push('no data set above the watermark is complete: there is nothing to replay');
  } else {
    const ids = sets.map(({ dataSet }) => dataSet);
    const all = sets.length === complete.length ? '' : ` of ${complete.length} that are complete`;
    lines.push(`replays ${sets.length} data ${sets.length === 1 ? 'set' : 'sets'} (${rangesOf(ids)})${all}, in ascending order:`);
    lines.push(
      ...indented(
        layOut(
          SET_COLUMNS,
          sets.map((set) => [`${set.dataSet}`, `${set.slot}`, set.flagged ? 'yes' : 'no', `${set.records}`, formatBytes(set.changedBytes)]),
        ),
      ),
    );
  }
  const tallies = talliesOf({ copies, sets });
  lines.push('into these copies:');
  lines.push(
    ...indented(
      layOut(
        VOLUME_COLUMNS,
        tallies.map(({ name, vlun, commands, changedBytes }) => [name, `${vlun}`, `${commands}`, formatBytes(changedBytes)]),
      ),
    ),
  );
  lines.push(...tallies.map(({ name, path }) => `  ${name}: ${path}`));
  for (const { dataSet, slot, reason } of notReplayed)
    lines.push(`not replayed: ${dataSet === null ? 'what is' : `data set ${dataSet}`} in slot ${slot}: ${reason}`);
  if (volumesAtWatermark) lines.push('as you say, the copies are pure images of the watermark: they are not compared with later data sets');
  lines.push(
    through === null
      ? 'the copies then hold no data set'
      : `the copies are then at data set ${through.dataSet}, number ${through.finalSequence}`,
  );
  return lines.flatMap((line) => wrap(line, '  '));
}

/** The last line. */
export function replayEndText({ plan, sets }: PreparedReplay, { dryRun, readBack }: { dryRun: boolean; readBack: boolean }): string[] {
  if (dryRun) return ['nothing was changed (--dry-run)'];
  if (sets.length === 0) return ['nothing was changed'];
  const compared = readBack ? ', read back and compared' : '';
  return [`replayed and flushed${compared}: the copies are at data set ${plan.through?.dataSet ?? '-'}`];
}

/** What `--json` prints; identifiers are decimal strings. */
export function replayJson(prepared: PreparedReplay, dryRun: boolean): Record<string, unknown> {
  const { plan, sets, volumesAtWatermark } = prepared;
  const { directory, watermark, complete, notReplayed, through } = plan;
  return {
    directory,
    dryRun,
    volumesAtWatermark,
    watermark: watermark === null ? null : `${watermark.dataSet}`,
    through: through === null ? null : { dataSet: `${through.dataSet}`, finalSequence: `${through.finalSequence}`, chain: through.chain },
    complete: complete.map(({ dataSet }) => `${dataSet}`),
    replayed: sets.map(({ dataSet, slot, path, flagged, records, changedBytes }) => ({
      dataSet: `${dataSet}`,
      slot,
      path,
      completeFlag: flagged,
      records,
      changedBytes,
    })),
    notReplayed: notReplayed.map(({ dataSet, slot, reason }) => ({ dataSet: dataSet === null ? null : `${dataSet}`, slot, reason })),
    volumes: talliesOf(prepared),
  };
}

function talliesOf({ copies, sets }: Pick<PreparedReplay, 'copies' | 'sets'>): {
  name: string;
  vlun: number;
  path: string;
  sizeBytes: number;
  commands: number;
  changedBytes: number;
}[] {
  return copies.map(({ name, vlun, path, sizeBytes }) => {
    const tallies = sets.flatMap((set) => set.tallies.get(vlun) ?? []);
    const commands = tallies.reduce((sum, tally) => sum + tally.commands, 0);
    const changedBytes = tallies.reduce((sum, tally) => sum + tally.changedBytes, 0);
    return { name, vlun, path, sizeBytes, commands, changedBytes };
  });
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
