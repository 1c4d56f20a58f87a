/** Numbers as a reader wants them: three digits, and the range behind the median. */
import type { Spread } from '../support/statistics.ts';

/** Show a number with three significant digits at least, never in exponents. */
export function shown(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return String(Math.round(value));
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return size < 0.001 ? value.toExponential(1) : value.toFixed(size < 0.1 ? 4 : 3);
}

/** Show `median (min-max)`, or `(min to max)` of figures that may be below zero; a dash for what was not measured. */
export function shownSpread(spread: Spread | null, unit = ''): string {
  if (spread === null) return '-';
  const { median, min, max, count } = spread;
  return count === 1 ? `${shown(median)}${unit}` : `${shown(median)}${unit} (${shown(min)}${min < 0 ? ' to ' : '-'}${shown(max)})`;
}
