/** Which journals of a ring an export takes. */
import { UsageError } from '../../model/errors.ts';
import type { PeekedJournal } from '../ring/peek-journal.ts';
import { parseRange, type NumberRange } from '../show/record-filter.ts';

export type ExportSelection = { readonly kind: 'all' } | { readonly kind: 'range'; readonly range: NumberRange };

/** Understand the flags of the command. @throws UsageError ERR_USAGE, ERR_RANGE */
export function parseSelection(flags: { one: string | undefined; range: string | undefined; all: boolean }): ExportSelection {
  const given = [flags.one, flags.range, flags.all || undefined].filter((value) => value !== undefined);
  if (given.length !== 1) throw new UsageError('ERR_USAGE', 'which data sets? give one of --data-set N, --data-sets N-M and --all');
  if (flags.all) return { kind: 'all' };
  return { kind: 'range', range: parseRange(flags.one ?? flags.range ?? '', flags.one === undefined ? '--data-sets' : '--data-set') };
}

export function showSelection(selection: ExportSelection): string {
  if (selection.kind === 'all') return 'anything';
  const { from, to } = selection.range;
  return from === to ? `data set ${from}` : `one of data sets ${from} to ${to}`;
}

/** `all` leaves out what is free; a range takes what its header or its records name. */
export function isWantedBy(selection: ExportSelection, { header, dataSet, free }: PeekedJournal): boolean {
  if (selection.kind === 'all') return !free;
  const named = [dataSet, header.verdict === 'readable' ? header.dataSet : null];
  return named.some((id) => id !== null && id >= selection.range.from && id <= selection.range.to);
}
