/** What the NBD server needs of whoever serves the volumes. */

/** errno values of the NBD protocol that a backend may answer with; 0 is success. */
export const NBD_ERRNO = {
  ok: 0,
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;
export type NbdErrno = (typeof NBD_ERRNO)[keyof typeof NBD_ERRNO];

export interface NbdExport {
  readonly name: string;
  readonly description: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
}

/** A checked request: in bounds, aligned to 512, flags valid. It is under way from `submit` until `complete`. */
export interface NbdRequest {
  readonly command: 'read' | 'write' | 'flush' | 'trim' | 'writeZeroes' | 'cache';
  readonly exportIndex: number;
  readonly offset: number;
  readonly lengthBytes: number;
  /** Force unit access: durable before the reply. */
  readonly fua: boolean;
  /** WRITE_ZEROES only. */
  readonly fastZero: boolean;
  readonly noHole: boolean;
  /** WRITE: the payload, valid and unchanged until `complete`. READ: the buffer to fill. Otherwise null. */
  readonly data: Uint8Array | null;
  /** Called exactly once, at any time (also inside submit). Replies of one turn are coalesced. */
  complete(errno: NbdErrno): void;
}

export interface NbdBackend {
  /** Looked up at each negotiation, index = exportIndex. */
  exports(): readonly NbdExport[];
  /** All requests that one read of a socket brought, in order. */
  submit(requests: readonly NbdRequest[]): void;
  /** A client is there or gone, for status. */
  connectionsChanged?(count: number): void;
}
