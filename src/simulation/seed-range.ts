import { UsageError } from '../model/errors.ts';

export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

/** Parse `A..B`, or one number N for `1..N`. @throws UsageError ERR_SEED_RANGE */
export function parseSeedRange(text: string): SeedRange {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(text.trim());
  const first = Number(match?.[1]);
  const [from, to] = match?.[2] === undefined ? [1, first] : [first, Number(match[2])];
  if (match === null || !Number.isSafeInteger(to) || from > to || to >= 2 ** 31) {
    throw new UsageError('ERR_SEED_RANGE', `"${text}" is not a range of seeds: expected A..B with A at most B, both below 2147483648`);
  }
  return { from, to };
}
