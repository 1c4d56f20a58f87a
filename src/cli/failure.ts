/** What a failed command says: what happened, why it matters, what to try. One description, as text or as JSON. */
import { Errors } from '@oclif/core';
import { BrokenInvariant } from '../model/assert.ts';
import { EXIT, FarshoreError, messageOf, type ExitCode } from '../model/errors.ts';
import { nearestWord } from './nearest-word.ts';

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: number;
  readonly details: Readonly<Record<string, unknown>>;
  /** What led to it, as far as it is not in the message. */
  readonly causes: readonly string[];
  /** Only for failures that must not happen: then it is what a report needs. */
  readonly stack: string | undefined;
}

const WHY: Readonly<Record<ExitCode, string>> = {
  [EXIT.ok]: '',
  [EXIT.failed]: 'the command did not do what it was asked to do',
  [EXIT.usage]: 'nothing was done',
  [EXIT.unreachable]: 'a host that is needed does not answer',
  [EXIT.degraded]: 'the group is behind its recovery point objective: more would be lost now than it allows',
  [EXIT.refused]: 'going on could lose or mix up data, so it was refused',
  [EXIT.corruption]: 'damaged bytes were found; none of them is used',
  [EXIT.brokenInvariant]: 'Farshore found itself in a state that must not exist; it stopped because going on could make the copy wrong',
};

/** Describe anything that was thrown. */
export function describeFailure(thrown: unknown): Failure {
  if (isBrokenInvariant(thrown)) {
    return {
      code: 'ERR_BROKEN_INVARIANT',
      message: messageOf(thrown),
      hint: 'start the host again; recovery starts from what is durable. Please report this with the lines below',
      exitCode: EXIT.brokenInvariant,
      details: {},
      causes: causesOf(thrown),
      stack: thrown.stack,
    };
  }
  if (thrown instanceof FarshoreError) {
    const { code, message, hint, exitCode, facts } = thrown;
    return { code, message, hint, exitCode, details: facts, causes: causesOf(thrown), stack: undefined };
  }
  if (thrown instanceof Errors.CLIError) return describeUsage(thrown);
  if (isSystemError(thrown)) {
    const { code, syscall, path } = thrown;
    return {
      code: 'ERR_SYSTEM_CALL',
      message: messageOf(thrown),
      hint: 'check the disk, its space, and the permissions of what is named; nothing was taken for done, so it can be run again',
      exitCode: EXIT.failed,
      details: { errno: code, syscall, path },
      causes: causesOf(thrown),
      stack: undefined,
    };
  }
  return {
    code: 'ERR_UNEXPECTED',
    message: messageOf(thrown),
    hint: 'this is an error that Farshore has no name for; please report it with the lines below',
    exitCode: EXIT.failed,
    details: {},
    causes: causesOf(thrown),
    stack: thrown instanceof Error ? thrown.stack : undefined,
  };
}

/** Whether a command ended itself by `this.exit()`, which says nothing. */
export function isQuietExit(thrown: unknown): boolean {
  return thrown instanceof Errors.ExitError;
}

/** The failure as `--json` shows it. */
export function failureJson(failure: Failure): { error: Record<string, unknown> } {
  const { code, message, hint, exitCode, details, causes, stack } = failure;
  return {
    error: {
      code,
      message,
      hint: hint ?? null,
      exitCode,
      details: JSON.parse(JSON.stringify(details, bigintAsText)),
      causes,
      ...(stack === undefined ? {} : { stack }),
    },
  };
}

/** The failure as people read it. */
export function failureText(failure: Failure, colours: boolean): string {
  const bold = (text: string): string => (colours ? `\u001B[1m${text}\u001B[22m` : text);
  const red = (text: string): string => (colours ? `\u001B[31m${text}\u001B[39m` : text);
  // Several lines are a list, such as the mistakes of a config: they keep their own beginnings, for editors that follow file:line:column.
  const separator = failure.message.includes('\n') || /^\S+:\d+:\d+: /.test(failure.message) ? ':\n' : ': ';
  const lines = [`${red(bold(`Error ${failure.code}`))}${separator}${failure.message}`];
  for (const cause of failure.causes) lines.push(`${bold('Because:')} ${cause}`);
  const why = WHY[failure.exitCode as ExitCode] ?? '';
  if (why !== '') lines.push(`${bold('Meaning:')} ${why} (exit code ${failure.exitCode})`);
  if (failure.hint !== undefined) lines.push(`${bold('Try:')} ${failure.hint}`);
  if (failure.stack !== undefined) lines.push('', failure.stack);
  return `${lines.join('\n')}\n`;
}

/** JSON has no bigint; identifiers are decimal strings there. */
export function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** A worker's error arrives as a copy without its class. */
function isBrokenInvariant(thrown: unknown): thrown is Error {
  return thrown instanceof BrokenInvariant || (thrown instanceof Error && (thrown as { code?: unknown }).code === 'ERR_BROKEN_INVARIANT');
}

/** What Node throws for a system call that failed. */
function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
  if (!(thrown instanceof Error)) return false;
  const { code, errno, syscall } = thrown as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof errno === 'number' && typeof syscall === 'string';
}

function causesOf(thrown: unknown): string[] {
  const causes: string[] = [];
  let shown = messageOf(thrown);
  let cause = thrown instanceof Error ? thrown.cause : undefined;
  while (cause !== undefined && cause !== null && causes.length < 5) {
    const text = messageOf(cause);
    if (!shown.includes(text)) causes.push(text);
    shown = text;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return causes;
}

interface ParseError {
  readonly flags?: unknown;
  readonly parse?: { readonly input?: { readonly flags?: Readonly<Record<string, unknown>>; readonly context?: { readonly id?: string } } };
}

/** oclif's own errors are about the command line: wrong flags, missing arguments. */
function describeUsage(error: Errors.CLIError): Failure {
  const { flags, parse } = error as ParseError;
  const message = error.message
    .replace(/\nSee more help with --help$/, '')
    .replace(/^The following errors? occurred:\s+/, '')
    .replaceAll(/\s*\n\s*/g, '; ');
  const command = parse?.input?.context?.id?.replaceAll(':', ' ');
  const help = `"farshore ${command === undefined ? '' : `${command} `}--help" shows how it is used`;
  return {
    code: error instanceof Errors.ExitError ? 'EEXIT' : 'ERR_USAGE',
    message: message + (Array.isArray(flags) ? nearestFlags(flags, Object.keys(parse?.input?.flags ?? {})) : nearestOption(message)),
    hint: help,
    exitCode: error.oclif.exit ?? EXIT.usage,
    details: {},
    causes: [],
    stack: undefined,
  };
}

function nearestFlags(wrong: readonly unknown[], known: readonly string[]): string {
  const found = wrong.flatMap((flag) => nearestWord(String(flag).replace(/^-+/, '').replace(/=.*$/, ''), known) ?? []);
  return found.length === 0 ? '' : `; did you mean ${found.map((flag) => `--${flag}`).join(', ')}?`;
}

function nearestOption(message: string): string {
  const match = /^Expected (?:--[\w-]+=)?(.*) to be one of: (.*)$/.exec(message);
  const nearest = match === null ? undefined : nearestWord(match[1] ?? '', (match[2] ?? '').split(', '));
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}
