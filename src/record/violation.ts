/** What a peer can do wrong on a link: a value, never an exception. The receiver closes the link with it and acknowledges nothing. */

import { UNPRINTABLE } from './shape.ts';

/** Every violation by its stable label, with what it means; PROTOCOL.md shows the same list. */
export const VIOLATIONS = {
  'message-length': 'the message is shorter or longer than it says, or longer than LIMITS.messageBytesMax',
  'message-kind': 'the first byte names no message of this version',
  'protocol-version': 'the second byte names another version of the protocol',
  'message-checksum': 'the message was damaged on its way',
  reserved: 'reserved bytes are not zero',
  identifier: 'an identifier is above 2^53 - 1',
  count: 'a list is longer than its limit',
  range: 'a range ends before it begins',
  'reject-reason': 'the reason of a reject is unknown',
  bitmap: 'a held data set contradicts itself: its numbers, its bitmaps, or their order',
  json: 'the body is not UTF-8 or not JSON',
  field: 'a field of the JSON body is missing, unknown, of another type or out of its range',
  'record-header': 'the header of a record is damaged or means nothing, so the rest of the message cannot be read',
  'record-truncated': 'the message ends inside a record',
  'record-type': 'a pad or an empty header among records: they stand in journals only',
  'foreign-stream': 'a record of another generation or stream (I8)',
} as const;

export type ViolationLabel = keyof typeof VIOLATIONS;

export interface Violation {
  readonly kind: 'violation';
  readonly label: ViolationLabel;
  /** Label and details, for the log and the close reason. */
  readonly violation: string;
}

/** The details may quote what the peer has sent: they go into logs, and are made one line of text. */
export function violate(label: ViolationLabel, details: string): Violation {
  return { kind: 'violation', label, violation: `${label}: ${details.replace(UNPRINTABLE, ' ')}` };
}
