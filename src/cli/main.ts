/** Run the command line, and give every failure one shape, on stderr or as JSON, and its exit code. */
import { writeSync } from 'node:fs';
import { flush, run, settings } from '@oclif/core';
import { endLogs } from '../status/log.ts';
import { EXIT } from '../model/errors.ts';
import { describeFailure, failureJson, failureText, isQuietExit, type Failure } from './failure.ts';

/** Run one command. Ends the process itself only when something failed. */
export async function main(args: string[]): Promise<void> {
  // Farshore is compiled before it runs; oclif must not look for TypeScript, whatever NODE_ENV says.
  settings.enableAutoTranspile = false;
  const json = wantsJson(args);
  // A reader of the log that goes away must not take the host with it.
  process.stderr.on('error', () => {});
  process.on('uncaughtException', (error) => void endWith(error, json));
  try {
    await run(args, import.meta.url);
    await flush();
  } catch (error) {
    await endWith(error, json);
  }
}

/** The failure that the process is ending with. */
let ending: Failure | null = null;

async function endWith(thrown: unknown, json: boolean): Promise<void> {
  const failure = describeFailure(thrown);
  if (failure.exitCode === EXIT.brokenInvariant) endAtOnce(failure);
  // It could not be shown (stdout is on a full disk): telling that there too would fail again, for ever.
  if (ending !== null) endAtOnce(ending);
  ending = failure;
  if (!isQuietExit(thrown)) {
    if (json) process.stdout.write(`${JSON.stringify(failureJson(failure), null, 2)}\n`);
    process.stderr.write(json ? '' : failureText(failure, colours()));
  }
  await endLogs();
  process.exit(failure.exitCode);
}

/** A broken invariant ends the process before anything else runs over what is half done: no callback, no acknowledgement. */
function endAtOnce(failure: Failure): never {
  writeSync(2, failureText(failure, false));
  process.exit(failure.exitCode);
}

/** `--json` before a `--`. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

function colours(): boolean {
  return process.stderr.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb';
}
