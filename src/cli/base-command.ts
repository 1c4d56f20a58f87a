/** What every command has: `--json`, whose output is the value that `run` returns, and the exit codes of EXIT. */
import { Command } from '@oclif/core';
import { BrokenInvariant } from '../model/assert.ts';
import type { ExitCode } from '../model/errors.ts';
import { bigintAsText, describeFailure } from './failure.ts';

/**
 * Base of all commands. `run` returns a plain typed object: with `--json` that object is the output, otherwise what `this.log`
 * printed is. Errors are thrown, as `FarshoreError`; `main.ts` shows them. `--json` can stand with every command, so `run` must
 * not print to stdout but through `this.log`, which is silent then.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  /** End with this exit code although nothing was thrown: a status that is degraded, a comparison that failed. */
  protected endWith(exitCode: ExitCode): void {
    process.exitCode = exitCode;
  }

  /** Pass everything on to `main.ts`, with its exit code in both places where oclif looks for one. */
  protected override async catch(thrown: Error): Promise<never> {
    const { exitCode } = describeFailure(thrown);
    const error = thrown as Error & { exitCode?: number; oclif?: { exit?: number } };
    if (!(thrown instanceof BrokenInvariant) && Object.isExtensible(error)) {
      error.oclif = { ...error.oclif, exit: exitCode };
      if (error.exitCode === undefined) error.exitCode = exitCode;
    }
    throw error;
  }

  /** oclif's own cannot print bigint. */
  protected override logJson(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, bigintAsText, 2)}\n`);
  }
}
