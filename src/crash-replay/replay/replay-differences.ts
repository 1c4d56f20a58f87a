/** What recovery decided against what a fixture expects, difference by difference. */
import type { ExpectedJournal, FixtureExpected } from '../fixture-files.ts';

/** What recovery decides; the volumes are not its own to say. */
export type FoundDecision = Omit<FixtureExpected, 'volumes' | 'volumesFrom'>;

export interface Difference {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

/** Compare outcome, error, watermark, and the decision for each journal. */
export function differencesOf(expected: FixtureExpected, found: FoundDecision): Difference[] {
  const slots = new Set([...expected.journals, ...found.journals].map(({ slot }) => slot));
  const journals = [...slots].flatMap((slot) =>
    differ(`slot ${slot}`, describeJournal(expected.journals, slot), describeJournal(found.journals, slot)),
  );
  return [
    ...differ('outcome', expected.outcome, found.outcome),
    ...differ('error', describeError(expected), describeError(found)),
    ...differ('data set of the watermark', expected.watermarkBefore, found.watermarkBefore),
    ...differ('data set that the copy would be at', expected.through, found.through),
    ...journals,
  ];
}

/** One difference, or none. */
export function differ(what: string, expected: string | number | null, found: string | number | null): Difference[] {
  return expected === found ? [] : [{ what, expected: String(expected ?? 'none'), found: String(found ?? 'none') }];
}

function describeError({ error }: Pick<FixtureExpected, 'error'>): string {
  return error === null ? 'none' : `${error.code} (exit ${error.exitCode})`;
}

function describeJournal(journals: readonly ExpectedJournal[], slot: number): string {
  const journal = journals.find((candidate) => candidate.slot === slot);
  return journal === undefined ? 'no decision' : `data set ${journal.dataSet ?? '-'}: ${journal.label} (${journal.action})`;
}
