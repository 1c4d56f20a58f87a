/** What `farshore fixture record` prints, at most 80 columns wide. */
import type { CrashPoint, CrashStage } from './crash-points.ts';
import type { RecordReport } from '../write-fixture.ts';

const WIDTH = 80;
const INDENT = '    ';

const STAGES: Readonly<Record<CrashStage, string>> = {
  replicating: 'while it replicates',
  recovering: 'in a recovery, after another crash',
  promoting: 'in a promotion, after another crash',
};

/** The crash points, one paragraph each. */
export function describePoints(points: readonly CrashPoint[]): string[] {
  const stages = Object.keys(STAGES) as CrashStage[];
  return stages.flatMap((stage) => [
    `The secondary dies ${STAGES[stage]}:`,
    ...points.filter((point) => point.stage === stage).flatMap(({ name, sentence }) => [`  ${name}`, ...wrapped(sentence)]),
    '',
  ]);
}

/** A recorded fixture. */
export function describeRecord(report: RecordReport): string[] {
  const { directory, journals, outcome, error, writes, writesThrough, recover, watermarkBefore, withRegion } = report;
  const through = (withRegion ?? report).through;
  const at = through === null ? 'at no data set' : `at data set ${through}`;
  const counted = writes === null || writesThrough === null ? '' : `: the first ${writesThrough} of ${writes} writes`;
  return [
    `watermark: ${watermarkBefore === null ? 'nothing is destaged' : `data set ${watermarkBefore}`}`,
    'slot  data set  decision',
    ...journals.map(({ slot, dataSet, action, label }) => row(slot, dataSet, action === label ? action : `${action} (${label})`)),
    ...regionLine(withRegion),
    outcome === 'recover' ? `a ${recover} brings the copy ${at}${counted}` : `a ${recover} refuses: ${error ?? ''}`,
    `written to ${directory}`,
  ];
}

function regionLine(adoption: RecordReport['withRegion']): string[] {
  if (adoption === null) return [];
  return [`the peer's region holds ${adoption.records} records, and adds ${adoption.added ?? 0}`];
}

function row(slot: number, dataSet: number | null, decision: string): string {
  return `${String(slot).padStart(4)}  ${String(dataSet ?? '-').padStart(8)}  ${decision}`;
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(' ')) {
    if (line.length + word.length > WIDTH) {
      lines.push(line.trimEnd());
      line = INDENT;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()];
}
