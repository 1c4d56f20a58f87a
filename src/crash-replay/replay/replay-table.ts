/** The table of `fixture replay`, at most 80 columns wide, and what stands below it for a fixture that does not pass. */
import { wrap } from '../../demo/screen.ts';
import { rangesOf } from '../../protocol/recovery-summary.ts';
import type { RecoveryAction } from '../../protocol/recovery-decision.ts';
import type { FoundDecision } from './replay-differences.ts';
import type { ReplayReport } from './replay.ts';

const WIDTH = 80;
const COPY = { equal: 'equal', unchanged: 'same', wrong: 'WRONG', unknown: '?', 'not there': '-' } as const;
const COPY_WIDTH = 5;
const VERDICT_WIDTH = 7;
const DECISION_WIDTH_MIN = 20;
const GAPS = 6;

/** Lines of the table, made as the fixtures are replayed. */
export class ReplayTable {
  readonly #nameWidth: number;
  readonly #decisionWidth: number;

  constructor(names: readonly string[]) {
    const widest = Math.max('fixture'.length, ...names.map((name) => name.length));
    this.#nameWidth = Math.min(widest, WIDTH - GAPS - COPY_WIDTH - VERDICT_WIDTH - DECISION_WIDTH_MIN);
    this.#decisionWidth = WIDTH - GAPS - this.#nameWidth - COPY_WIDTH - VERDICT_WIDTH;
  }

  head(): string {
    return this.#line('fixture', 'recovery', 'copy', 'verdict');
  }

  row(report: ReplayReport): string[] {
    const decision = wrap(describeDecision(report.found), this.#decisionWidth);
    const name = cut(report.fixture, this.#nameWidth);
    const copy = COPY[report.volumes];
    const first = this.#line(name, decision[0] ?? '', copy, report.passed ? 'ok' : 'FAILED');
    return [first, ...decision.slice(1).map((text) => this.#line('', text, '', ''))];
  }

  #line(name: string, decision: string, copy: string, verdict: string): string {
    const cells = [name.padEnd(this.#nameWidth), decision.padEnd(this.#decisionWidth), copy.padEnd(COPY_WIDTH), verdict];
    return cells.join('  ').trimEnd();
  }
}

/** What did not agree, with names; nothing for a fixture that passed. */
export function describeDifferences(report: ReplayReport): string[] {
  if (report.passed) return [];
  const lines = report.differences.flatMap(({ what, expected, found }) => [
    ...indent(`${what}:`, 2),
    ...indent(`expected ${expected}`, 4),
    ...indent(`found    ${found}`, 4),
  ]);
  return ['', `${cut(report.fixture, WIDTH - 20)} does not agree:`, ...lines];
}

/** The last lines: what the marks of the column `copy` mean, as far as they occur, and how many do not agree. */
export function describeTotal(reports: readonly ReplayReport[]): string[] {
  const failed = reports.filter(({ passed }) => !passed).length;
  const count = `${reports.length} ${reports.length === 1 ? 'fixture' : 'fixtures'}`;
  const occurs = (volumes: ReplayReport['volumes']): boolean =>
    reports.some((report) => report.found !== null && report.volumes === volumes);
  return [
    ...(occurs('unknown') ? ['?  recovered twice; what the volumes should be is not known'] : []),
    ...(occurs('not there') ? ['-  the volumes are not wholly in the folder: only decisions were compared'] : []),
    failed === 0 ? `${count}: all as expected` : `${failed} of ${count} ${failed === 1 ? 'does' : 'do'} not agree with what is expected`,
  ];
}

/** What recovery decided, in a few words: `replay 4-5, keep 6`. */
export function describeDecision(found: FoundDecision | null): string {
  if (found === null) return 'cannot be replayed';
  if (found.outcome === 'refuse') return `refuse: ${reasonOf(found)}`;
  const phrases = [
    phrase('replay', found, ['replay']),
    phrase('keep', found, ['keep partial', 'keep complete']),
    phrase('discard', found, ['discard']),
    regionPhrase(found),
  ].filter((text) => text !== null);
  return phrases.length === 0 ? 'nothing to do' : phrases.join(', ');
}

function reasonOf({ journals, error }: FoundDecision): string {
  const refused = journals.find(({ action }) => action === 'refuse');
  return refused?.label ?? (error?.code ?? '').replace(/^ERR_/, '').toLowerCase().replaceAll('_', ' ');
}

function regionPhrase({ withRegion }: FoundDecision): string | null {
  if (withRegion === undefined) return null;
  return withRegion.error === null ? `add ${withRegion.added} records of the peer` : "refuse the peer's region";
}

function phrase(verb: string, { journals }: FoundDecision, actions: readonly RecoveryAction[]): string | null {
  const ids = journals.flatMap(({ dataSet, action }) => (actions.includes(action) && dataSet !== null ? [dataSet] : []));
  return ids.length === 0 ? null : `${verb} ${rangesOf(ids.sort((a, b) => a - b))}`;
}

function indent(text: string, by: number): string[] {
  const width = WIDTH - by;
  return wrap(text, width)
    .flatMap((line) => line.match(new RegExp(`.{1,${width}}`, 'gs')) ?? [''])
    .map((line) => `${' '.repeat(by)}${line}`);
}

/** A long path keeps its end, which tells it apart. */
function cut(text: string, width: number): string {
  return text.length <= width ? text : `...${text.slice(text.length - width + 3)}`;
}
