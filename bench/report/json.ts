/** The results as JSON: a line per sample, so that two runs can be compared line by line. */
import type { BenchResults } from '../support/results.ts';

const DIGITS = 6;

/** Render everything; fractions with six significant digits. */
export function renderJson(results: BenchResults): string {
  const parts = Object.entries(results).map(([name, value]: [string, unknown]) => {
    const text =
      Array.isArray(value) && value.length > 0
        ? `[\n${value.map((item) => `  ${JSON.stringify(item, rounded)}`).join(',\n')}\n ]`
        : JSON.stringify(value, rounded);
    return ` ${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${parts.join(',\n')}\n}\n`;
}

function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value;
}
