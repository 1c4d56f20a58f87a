/** `journal ls` and `journal verify` as text: what a tired operator has to know, on 80 columns. */
import type { RecoveryAction } from '../../protocol/recovery-decision.ts';
import { formatBytes } from '../../model/units.ts';
import { bar, layOut, shownTime, TERMINAL_COLUMNS, wrap, type Column } from './columns.ts';
import type { Finding, RingReport, SlotReport } from './ring-report.ts';

const COLUMNS: readonly Column[] = [
  { title: 'slot', align: 'right' },
  { title: 'data set', align: 'right' },
  { title: 'gen', align: 'right' },
  { title: 'flag', align: 'left' },
  { title: 'records', align: 'right' },
  { title: 'missing', align: 'right' },
  { title: 'bytes', align: 'right' },
  { title: 'fill', align: 'left' },
  { title: 'cut', align: 'left' },
  { title: 'recovery', align: 'left' },
];
const BAR_WIDTH = 6;

/** What recovery does with a slot, in one word. */
const WORDS: Readonly<Record<RecoveryAction, string>> = {
  replay: 'replay',
  'keep partial': 'keep',
  'keep complete': 'keep',
  'done already': 'done',
  discard: 'discard',
  refuse: 'REFUSE',
};

/** The ring as a table, and what a recovery now would do. @param all numbers, times and decisions also of slots that are done */
export function ringText(report: RingReport, { all }: { readonly all: boolean }): string[] {
  const { slots, geometry, directory } = report;
  const rows = slots.map((slot) => row(slot, geometry?.capacityBytes ?? 0));
  const [title = '', ...lines] = layOutAll(rows);
  return [
    ...wrap(`journals in ${directory}: ${shownGeometry(report)}`, '  '),
    title,
    ...slots.flatMap((slot, index) => [lines[index] ?? '', ...detail(slot, all)]),
    '',
    ...closing(report),
  ];
}

/** The numbers of a group that is very old are long: what else tells is left out, until the table fits a terminal. */
function layOutAll(rows: readonly (readonly string[])[]): string[] {
  let lines: string[] = [];
  for (const without of [[], ['fill'], ['fill', 'cut']]) {
    const kept = COLUMNS.map(({ title }, index) => ({ title, index })).filter(({ title }) => !without.includes(title));
    lines = layOut(
      kept.flatMap(({ index }) => COLUMNS[index] ?? []),
      rows.map((cells) => kept.map(({ index }) => cells[index] ?? '')),
    );
    if (lines.every((line) => line.length <= TERMINAL_COLUMNS)) break;
  }
  return lines;
}

function shownGeometry({ geometry, running }: RingReport): string {
  const use = running === null ? '' : running ? ', in use by a running host' : ', no host is running';
  return geometry === null ? `no journal tells the geometry${use}` : `${geometry.slots} slots of ${formatBytes(geometry.slotBytes)}${use}`;
}

function row({ slot, contents, decision }: SlotReport, capacityBytes: number): string[] {
  if (contents === null) return [`${slot}`, '-', '-', '-', '-', '-', '-', 'missing', '', word(decision)];
  const { scan, numbers, missing, recordBytes, cutReason, generation } = contents;
  const { header, completeMark } = scan;
  const dataSet = decision?.held === undefined || decision.held === null ? headerDataSet(contents) : decision.dataSet;
  const shownGeneration = generation ?? (header.verdict === 'readable' && header.dataSet !== null ? header.generation : null);
  const flag = completeMark.verdict === 'set' ? 'yes' : completeMark.verdict === 'not-set' ? 'no' : '?';
  const empty = dataSet === null;
  return [
    `${slot}`,
    empty ? '-' : `${dataSet}`,
    shownGeneration === null ? '-' : `${shownGeneration}`,
    empty ? '-' : flag,
    empty ? '-' : `${numbers}`,
    // Without a sync command nobody knows how many come: these are missing at least.
    empty ? '-' : `${missing}${contents.finalSequence === null ? '+' : ''}`,
    empty ? '-' : formatBytes(recordBytes),
    bar(capacityBytes === 0 ? 0 : recordBytes / capacityBytes, BAR_WIDTH),
    cutReason ?? '',
    word(decision),
  ];
}

function word(decision: SlotReport['decision']): string {
  return decision === null ? '' : WORDS[decision.action];
}

function headerDataSet({ scan, dataSet }: NonNullable<SlotReport['contents']>): number | null {
  return dataSet ?? (scan.header.verdict === 'readable' ? scan.header.dataSet : null);
}

/** What is said below a slot's row; nothing for a slot that is simply done. */
function detail({ contents, decision, verdict, findings }: SlotReport, all: boolean): string[] {
  const lines: string[] = [];
  const open = all || decision === null || decision.action !== 'done already';
  if (contents !== null && open && contents.firstSequence !== null && contents.highestSequence !== null)
    lines.push(...indented(`numbers ${contents.firstSequence} to ${contents.highestSequence}${times(contents)}`));
  if (decision !== null && open)
    lines.push(...indented(`=> ${decision.action === decision.label ? '' : `${decision.action}: `}${decision.label}`));
  if (verdict !== 'clean end') lines.push(...findings.flatMap((finding) => indented(`!! ${verdictOf(finding)}: ${finding.what}`)));
  return lines;
}

function times({ firstWriteUs, lastWriteUs }: NonNullable<SlotReport['contents']>): string {
  if (firstWriteUs === null || lastWriteUs === null) return '';
  const from = shownTime(firstWriteUs);
  const to = shownTime(lastWriteUs);
  return `, ${from} to ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
}

function verdictOf({ verdict, offset }: Finding): string {
  return offset === null ? verdict : `${verdict} at byte ${offset}`;
}

function indented(text: string): string[] {
  return wrap(`      ${text}`, '         ');
}

function closing(report: RingReport): string[] {
  const { watermark, plan, refusal, moving, running, notes, state } = report;
  const point = watermark.newest?.point ?? null;
  const block = watermark.block === null ? '' : ` (block ${watermark.block})`;
  const lines =
    watermark.newest === null
      ? ['watermark: cannot be read']
      : point === null
        ? [`watermark: nothing is in the source volumes yet${block}`]
        : [`watermark: data set ${point.dataSet}, number ${point.finalSequence}, generation ${watermark.newest.generation}${block}`];
  lines.push(...notes.map((note) => `note: ${note}`));
  if (moving) lines.push('the host changed journals while they were read: this is no single moment, and no prediction');
  const when =
    running === true
      ? 'if the host died now'
      : state?.condition === 'promoting'
        ? 'the next start finishes the promotion'
        : 'the next start';
  if (refusal !== null && !(running === true && moving)) lines.push(`${when}: refuses, ${refusal.code}: ${refusal.message}`);
  else if (plan !== null) lines.push(`${when}: ${plan.lines.at(-1) ?? ''}`);
  return lines.flatMap((line) => wrap(line, '  '));
}

/** What is damaged, whether it matters, and what to do. */
export function verifyText(report: Pick<RingReport, 'findings' | 'slots' | 'notes'> & { readonly read: string }): string[] {
  const { findings, notes, read } = report;
  const lines = findings.flatMap((finding) => [
    ...wrap(`${finding.path}${finding.offset === null ? '' : `, byte ${finding.offset}`}: ${finding.verdict}`, '  '),
    ...wrap(`  what      ${finding.what}`, '            '),
    ...wrap(`  expected  ${finding.expected}`, '            '),
    ...wrap(`  found     ${finding.found}`, '            '),
    ...wrap(`  matters   ${finding.matters ? 'yes' : 'no'}: ${finding.meaning}`, '            '),
    ...wrap(`  try       ${finding.advice}`, '            '),
    '',
  ]);
  return [...lines, ...notes.flatMap((note) => wrap(`note: ${note}`, '  ')), ...wrap(`${read}; ${verdictText(findings)}`, '  ')];
}

function verdictText(findings: readonly Finding[]): string {
  const bad = findings.filter(({ verdict }) => verdict !== 'in flight');
  if (bad.length === 0) return findings.length === 0 ? 'nothing is damaged' : 'nothing is damaged; what is in flight was not judged';
  const matter = bad.filter(({ matters }) => matters).length;
  return `${bad.length} ${bad.length === 1 ? 'finding' : 'findings'}, ${matter === 0 ? 'none of which matters' : `${matter} of which ${matter === 1 ? 'matters' : 'matter'}`}`;
}
