import type { ExitCode } from './errors.ts';

/** How a host ended by itself: superseded, or refused by the other side. */
export interface HostEnd {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}
