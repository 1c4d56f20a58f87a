/** Figures over the rounds of a run: medians with their range, and ratios pair by pair. Pure. */

/** Median with the range it was taken from, and of how many samples. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Return the middle of the values, or the mean of the two in the middle. @throws RangeError when there is none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError('a median of no values');
  return (lower + upper) / 2;
}

/** Return median and range; null when there is no finite value. */
export function spreadOf(values: readonly (number | null | undefined)[]): Spread | null {
  const finite = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  if (finite.length === 0) return null;
  return { median: median(finite), min: Math.min(...finite), max: Math.max(...finite), count: finite.length };
}

/** One figure of one round. */
export interface RoundValue {
  readonly round: number;
  readonly value: number;
}

/** Divide pair by pair, round by round (what stands in one list only is left out), and return the spread of the ratios. */
export function pairRatios(ours: readonly RoundValue[], theirs: readonly RoundValue[]): Spread | null {
  const byRound = new Map(theirs.map(({ round, value }) => [round, value]));
  const ratios = ours.flatMap(({ round, value }) => {
    const other = byRound.get(round);
    return other === undefined || other <= 0 ? [] : [value / other];
  });
  return spreadOf(ratios);
}

/** Return the names in the order of a round: each round begins one further, so that nobody is always first or always behind the same one. */
export function rotated<Item>(items: readonly Item[], round: number): Item[] {
  const start = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
