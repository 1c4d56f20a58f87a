/** What one process of one test file tells the runner, as JSON lines on file descriptor 3. */

export const REPORT_DESCRIPTOR = 3;

/** The sum over all suites of a file; written once, after the last suite has ended. */
export interface FileTally {
  /** Names of all tests that were registered, whether or not they ran. */
  readonly registered: readonly string[];
  /** Tests that passed with all their hooks, as uvu counted them. */
  readonly passed: number;
  readonly skipped: readonly string[];
  /** What must not be, beside failed tests: a failed hook, `.only`, a forgotten `.run()` ... */
  readonly problems: readonly string[];
}

export type ReportLine =
  /** A test begins: shown when the process ends or is stopped in it. */
  | { readonly kind: 'started'; readonly name: string }
  | { readonly kind: 'tally'; readonly tally: FileTally }
  /** All tests have ended, but something keeps the process alive. */
  | { readonly kind: 'alive'; readonly resources: readonly string[] };
