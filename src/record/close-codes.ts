/** WebSocket close codes of a link, from the range that RFC 6455 leaves to applications (4000-4999). PROTOCOL.md shows the same table. */
export const CLOSE_CODE = {
  /** The host stops cleanly; dial again later. */
  shutdown: 4000,
  /** The sender of this code received something that breaks the protocol; the close reason names the violation. */
  protocolViolation: 4001,
  /** The handshake ended with `refuse`: these two hosts must not replicate; the operator has to act. */
  refused: 4002,
  /** The handshake ended with `wait`: dial again later. */
  wait: 4003,
  /** Nothing arrived for `LIMITS.linkSilenceMs`; dial again. */
  silent: 4004,
  /** This group goes on under another primary. */
  superseded: 4005,
  /** The link belongs to another pair of sessions than the one that was agreed last; dial again. */
  otherSession: 4006,
} as const;

export type CloseCodeName = keyof typeof CLOSE_CODE;

/** Name of a close code, for the log; null for a code that is not ours. */
export function closeCodeName(code: number): CloseCodeName | null {
  const names = Object.keys(CLOSE_CODE) as CloseCodeName[];
  return names.find((name) => CLOSE_CODE[name] === code) ?? null;
}
