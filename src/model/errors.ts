/**
 * Operating errors: a stable `ERR_` code, what was found and what was expected, `cause` kept. Every code stands in
 * docs/errors.md (the tidy test holds that). Broken invariants are `BrokenInvariant`; a peer's refusal is a value.
 */

/** Exit codes of every command (OPERATOR.md). */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  degraded: 4,
  refused: 5,
  corruption: 6,
  brokenInvariant: 70,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export type ErrorCode = `ERR_${string}`;

export interface FarshoreErrorOptions {
  readonly cause?: unknown;
  readonly exitCode?: ExitCode;
  /** What to try, as one sentence for the operator. */
  readonly hint?: string;
  /** Facts with units in their names, for --json and the log. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An operating error: base of one class per cause. */
export class FarshoreError extends Error {
  override readonly name: string = 'FarshoreError';
  readonly code: ErrorCode;
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  /** The options' `details`; not by that name, because uvu takes an error's `details` for text and loses the report. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: FarshoreErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.hint = options.hint;
    this.facts = options.details ?? {};
  }
}

/** A refusal that protects data: exit 5. */
export class RefusedError extends FarshoreError {
  override readonly name = 'RefusedError';
  constructor(code: ErrorCode, message: string, options: Omit<FarshoreErrorOptions, 'exitCode'> = {}) {
    super(code, message, { ...options, exitCode: EXIT.refused });
  }
}

/** Damaged bytes that Farshore will not use: exit 6. */
export class CorruptionError extends FarshoreError {
  override readonly name = 'CorruptionError';
  constructor(code: ErrorCode, message: string, options: Omit<FarshoreErrorOptions, 'exitCode'> = {}) {
    super(code, message, { ...options, exitCode: EXIT.corruption });
  }
}

/** A wrong command line or config: exit 2. */
export class UsageError extends FarshoreError {
  override readonly name = 'UsageError';
  constructor(code: ErrorCode, message: string, options: Omit<FarshoreErrorOptions, 'exitCode'> = {}) {
    super(code, message, { ...options, exitCode: EXIT.usage });
  }
}

/** Text of anything thrown, for messages that keep the cause. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** errno name of a system error (`ENOSPC`, `EIO` ...), or undefined. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const code = (thrown as Error & { code?: unknown }).code;
  return typeof code === 'string' ? code : undefined;
}
