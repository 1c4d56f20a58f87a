/**
 * Decision tables as data (DESIGN section 6): a few named inputs with a few values each, and rows that say which combinations
 * they decide. A table is sound when every combination matches exactly one row; `checkTable` tries them all, in a test.
 */
import { assert } from '../model/assert.ts';

/** The inputs of a table by name, each with all its values. At most 31 values each. */
export type Inputs = Readonly<Record<string, readonly string[]>>;

/** One value for each input. */
export type Tuple<I extends Inputs> = { readonly [K in keyof I]: I[K][number] };

/** The accepted values by input; an input that is not named may have any value. */
export type Condition<I extends Inputs> = { readonly [K in keyof I]?: readonly I[K][number][] };

export interface Row<I extends Inputs, Result> {
  /** Printed in the log and by the inspection tool. */
  readonly label: string;
  /** The row matches when any of these holds. */
  readonly when: readonly Condition<I>[];
  readonly then: Result;
}

export interface DecisionTable<I extends Inputs, Result> {
  readonly name: string;
  readonly inputs: I;
  readonly rows: readonly Row<I, Result>[];
}

/** What `checkTable` found; a sound table has three empty lists. */
export interface TableReport {
  readonly combinations: number;
  /** Combinations that no row decides, at most ten. */
  readonly unmatched: readonly string[];
  /** Combinations that several rows decide, at most ten. */
  readonly ambiguous: readonly string[];
  /** Labels of rows that no combination reaches. */
  readonly unreachable: readonly string[];
}

const EXAMPLES_MAX = 10;

/** Find the one row that matches; a tuple that does not match exactly one row is a broken invariant. */
export function decide<I extends Inputs, Result>(table: DecisionTable<I, Result>, tuple: Tuple<I>): Row<I, Result> {
  const rows = table.rows.filter((row) => row.when.some((condition) => holds(condition, tuple)));
  const row = rows[0];
  assert(row !== undefined && rows.length === 1, `${table.name}: ${rows.length} rows match ${describeTuple(tuple)}`);
  return row;
}

/** Show a tuple as `input=value` pairs, for messages and --trace. */
export function describeTuple(tuple: Readonly<Record<string, string>>): string {
  return Object.entries(tuple)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

/** Try every combination of the inputs against every row: the proof that a table is total and free of contradictions. */
export function checkTable<I extends Inputs, Result>(table: DecisionTable<I, Result>): TableReport {
  const names = Object.keys(table.inputs);
  const values = names.map((name) => table.inputs[name] ?? []);
  const rows = table.rows.map((row) => row.when.map((condition) => masksOf(table, condition)));
  const reached = table.rows.map(() => false);
  const unmatched: string[] = [];
  const ambiguous: string[] = [];
  const digits = names.map(() => 0);
  let combinations = 0;
  do {
    combinations += 1;
    const matching = matchingRows(rows, digits);
    for (const index of matching) reached[index] = true;
    const found = matching.length === 0 ? unmatched : ambiguous;
    if (matching.length !== 1 && found.length < EXAMPLES_MAX) {
      const tuple = names.map((name, i) => `${name}=${values[i]?.[digits[i] ?? 0]}`).join(' ');
      found.push(`${tuple}: ${matching.map((index) => table.rows[index]?.label).join(' | ') || 'no row'}`);
    }
  } while (advance(digits, values));
  const unreachable = table.rows.filter((_, index) => !reached[index]).map((row) => row.label);
  return { combinations, unmatched, ambiguous, unreachable };
}

function holds<I extends Inputs>(condition: Condition<I>, tuple: Tuple<I>): boolean {
  for (const name in condition) {
    const accepted = condition[name];
    if (accepted !== undefined && !accepted.includes(tuple[name])) return false;
  }
  return true;
}

/** One bit mask of accepted values per input, in the order of the inputs; a misspelt name or value is a broken invariant. */
function masksOf<I extends Inputs, Result>(table: DecisionTable<I, Result>, condition: Condition<I>): number[] {
  for (const name of Object.keys(condition)) assert(name in table.inputs, `${table.name}: no input is called ${name}`);
  return Object.entries(table.inputs).map(([name, values]) => {
    const accepted = condition[name];
    if (accepted === undefined) return 2 ** values.length - 1;
    return accepted.reduce((mask, value) => {
      const index = values.indexOf(value);
      assert(index >= 0, `${table.name}: ${name} is never ${value}`);
      return mask | (1 << index);
    }, 0);
  });
}

function matchingRows(rows: readonly (readonly (readonly number[])[])[], digits: readonly number[]): number[] {
  const matching: number[] = [];
  for (let index = 0; index < rows.length; index += 1) {
    if ((rows[index] ?? []).some((masks) => acceptsAll(masks, digits))) matching.push(index);
  }
  return matching;
}

function acceptsAll(masks: readonly number[], digits: readonly number[]): boolean {
  for (let i = 0; i < digits.length; i += 1) {
    if ((((masks[i] ?? 0) >>> (digits[i] ?? 0)) & 1) === 0) return false;
  }
  return true;
}

/** Count up like a mileage counter; false after the last combination. */
function advance(digits: number[], values: readonly (readonly string[])[]): boolean {
  for (let i = digits.length - 1; i >= 0; i -= 1) {
    const next = (digits[i] ?? 0) + 1;
    if (next < (values[i]?.length ?? 0)) {
      digits[i] = next;
      return true;
    }
    digits[i] = 0;
  }
  return false;
}
