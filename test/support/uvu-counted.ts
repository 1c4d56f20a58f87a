/**
 * uvu with a tally: the same `test` and `suite`, but every registration, start, hook failure, skip and `.only` is noted, because
 * uvu itself loses them. `run-file.ts` compares the tally with what uvu says after the last suite.
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { suite as uvuSuite, type Callback, type Context, type Test } from 'uvu';
import { REPORT_DESCRIPTOR, type ReportLine } from './test-report.ts';

/** Skips without a missing tool would let a broken test pass for ever; `tools.ts` makes names that say what is needed. */
const NEEDED = /\(needs .+\)$/;

export const noted = {
  registered: [] as string[],
  skipped: [] as string[],
  problems: [] as string[],
  /** The newest failure of a test: uvu ends its suite, silently, on an error that it cannot show. */
  lastFailure: '',
  /** A failed after.each is called twice by uvu: note it once. */
  problem(text: string): void {
    if (!noted.problems.includes(text)) noted.problems.push(text);
  },
};

export function report(line: ReportLine): void {
  writeSync(REPORT_DESCRIPTOR, `${JSON.stringify(line)}\n`);
}

/** Make a suite like uvu's. */
export function suite<T = Context>(title = '', context?: T): Test<T> {
  const inner = context === undefined ? (uvuSuite(title) as unknown as Test<T>) : uvuSuite<T>(title, context);
  const nameOf = (name: string): string => (title === '' ? name : `${title} > ${name}`);
  const register = (name: string, handler: Callback<T>): void => {
    const fullName = nameOf(name);
    noted.registered.push(fullName);
    inner(name, async (state) => {
      report({ kind: 'started', name: fullName });
      try {
        await callThrowingErrors(() => handler(state));
      } catch (error) {
        noted.lastFailure = `"${fullName}" failed: ${inspect(error)}`;
        throw error;
      }
    });
  };
  const hook = (label: string, add: (handler: Callback<T>) => void) => (handler: Callback<T>) =>
    add(async (state) => {
      try {
        await callThrowingErrors(() => handler(state));
      } catch (error) {
        noted.problem(`${nameOf(label)} hook failed: ${inspect(error)}`);
        throw error;
      }
    });
  const before = Object.assign(hook('before', inner.before), { each: hook('before.each', inner.before.each) });
  const after = Object.assign(hook('after', inner.after), { each: hook('after.each', inner.after.each) });
  return Object.assign(register, {
    before,
    after,
    only: (name: string, handler: Callback<T>): void => {
      noted.problem(`"${nameOf(name)}" is registered with .only, which hides all other tests`);
      register(name, handler);
    },
    skip: (name = ''): void => {
      if (!NEEDED.test(name))
        noted.problem(`"${nameOf(name)}" is skipped without a missing tool: use needsTools() of test/support/tools.ts`);
      noted.skipped.push(nameOf(name));
      inner.skip(name);
    },
    run: (): void => inner.run(),
  });
}

export const test: Test = suite();

/** uvu cannot show what is not an Error, and then loses the test. */
async function callThrowingErrors(handler: () => Promise<void> | void): Promise<void> {
  try {
    await handler();
  } catch (thrown) {
    throw thrown instanceof Error ? thrown : new Error(`thrown, but not an Error: ${inspect(thrown)}`);
  }
}
