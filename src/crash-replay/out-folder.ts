/** The folder that a fixture is written to: a new one, or one with nothing in it. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, messageOf, UsageError } from '../model/errors.ts';

/** Make the folder. @throws UsageError ERR_FIXTURE_OUT when something is there, or it cannot be made */
export function prepareOut(out: string): void {
  try {
    if (existsSync(out) && readdirSync(out).length > 0) {
      throw new UsageError('ERR_FIXTURE_OUT', `${out} is not empty: a fixture is written into a new or an empty folder`, {
        hint: 'name another folder with --out, or remove this one',
      });
    }
    mkdirSync(out, { recursive: true });
  } catch (error) {
    if (errnoOf(error) === 'ERR_FIXTURE_OUT') throw error;
    throw new UsageError('ERR_FIXTURE_OUT', `${out} cannot be made: ${messageOf(error)}`, { cause: error });
  }
}

/** Remove what was written of a fixture that did not come to its end: half of one would be taken for a whole one. */
export function clearOut(out: string): void {
  for (const name of readdirSync(out)) rmSync(join(out, name), { recursive: true, force: true, maxRetries: 3 });
}
