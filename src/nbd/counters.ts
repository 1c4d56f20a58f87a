/** What the NBD server counts, in plain fields: metrics are copied from here when somebody asks. */
import type { NbdCommandName } from './constants.ts';
import { NBD_ERRNO } from './contract.ts';
import type { NbdErrno } from './contract.ts';

/** Why a connection ended without a mistake of the client. */
export const ORDERLY_ENDS = ['disconnect', 'abort', 'shutdown'] as const;
/** Why a connection was ended early: by the client's death or by its breach of the protocol. */
export const EARLY_ENDS = [
  /** Closed between two requests, or while options were haggled, without saying so. */
  'hangUp',
  /** Closed inside a request or its payload. */
  'truncated',
  /** The operating system reported an error of the socket. */
  'socketError',
  'negotiationTimeout',
] as const;
export const VIOLATIONS = [
  /** Client flags that the server did not offer. */
  'clientFlags',
  /** An option that does not begin with IHAVEOPT. */
  'optionMagic',
  /** An option longer than the limit. */
  'optionTooBig',
  /** More options than the limit. */
  'optionsTooMany',
  /** Another option than EXPORT_NAME from a client that did not agree to fixed newstyle. */
  'optionBeforeFixed',
  /** EXPORT_NAME cannot be answered with an error: the connection is closed. */
  'unknownExport',
  /** A request that does not begin with the request magic. */
  'requestMagic',
] as const;

export type NbdViolation = (typeof VIOLATIONS)[number];
export type NbdEndReason = (typeof ORDERLY_ENDS)[number] | (typeof EARLY_ENDS)[number] | NbdViolation;
export type NbdErrnoName = Exclude<keyof typeof NBD_ERRNO, 'ok'>;

export interface NbdCounters {
  connectionsOpen: number;
  connectionsAccepted: number;
  /** Closed at once because of the limit of connections. */
  connectionsRefused: number;
  readonly connectionsEnded: Record<NbdEndReason, number>;
  protocolViolations: number;
  readonly requests: Record<NbdCommandName, number>;
  /** Requests with a command number that the protocol does not have. */
  requestsUnknown: number;
  /** Payload bytes of READ replies and of accepted WRITE requests. */
  bytesRead: number;
  bytesWritten: number;
  readonly errors: Record<NbdErrnoName, number>;
  /** Writes to sockets: replies per write tell how well they are coalesced. */
  socketWrites: number;
  replies: number;
}

export function createNbdCounters(): NbdCounters {
  return {
    connectionsOpen: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    connectionsEnded: {
      disconnect: 0,
      abort: 0,
      shutdown: 0,
      hangUp: 0,
      truncated: 0,
      socketError: 0,
      negotiationTimeout: 0,
      clientFlags: 0,
      optionMagic: 0,
      optionTooBig: 0,
      optionsTooMany: 0,
      optionBeforeFixed: 0,
      unknownExport: 0,
      requestMagic: 0,
    },
    protocolViolations: 0,
    requests: { read: 0, write: 0, disconnect: 0, flush: 0, trim: 0, cache: 0, writeZeroes: 0, blockStatus: 0 },
    requestsUnknown: 0,
    bytesRead: 0,
    bytesWritten: 0,
    errors: { EPERM: 0, EIO: 0, ENOMEM: 0, EINVAL: 0, ENOSPC: 0, EOVERFLOW: 0, ENOTSUP: 0, ESHUTDOWN: 0 },
    socketWrites: 0,
    replies: 0,
  };
}

const NAMES: readonly NbdErrnoName[] = ['EPERM', 'EIO', 'ENOMEM', 'EINVAL', 'ENOSPC', 'EOVERFLOW', 'ENOTSUP', 'ESHUTDOWN'];
const ERRNO_NAMES = new Map<number, NbdErrnoName>(NAMES.map((name) => [NBD_ERRNO[name], name]));

/** Name of an errno, for counters and messages. */
export function errnoName(errno: NbdErrno): NbdErrnoName {
  return ERRNO_NAMES.get(errno) ?? 'EIO';
}

/** Take an errno from the wire; one that the protocol does not have means EIO. */
export function errnoFromWire(value: number): NbdErrno {
  if (value === NBD_ERRNO.ok) return NBD_ERRNO.ok;
  return NBD_ERRNO[ERRNO_NAMES.get(value) ?? 'EIO'];
}

export function isViolation(reason: NbdEndReason): reason is NbdViolation {
  return VIOLATIONS.some((violation) => violation === reason);
}
