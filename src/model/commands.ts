/** The commands of the patent's Figure 4, and what else may stand in a record (DESIGN section 4). */

/** Type of a record; the numbers are part of format version 1. */
export const RECORD_TYPE = { write: 1, zero: 2, trim: 3, sync: 4, pad: 5 } as const;
export type RecordTypeName = keyof typeof RECORD_TYPE;
export type RecordTypeCode = (typeof RECORD_TYPE)[RecordTypeName];

/** Why the primary closed a data set; the numbers are part of format version 1. */
export const CUT_REASON = { flush: 1, fua: 2, size: 3, age: 4, bookmark: 5, resync: 6, shutdown: 7 } as const;
export type CutReason = keyof typeof CUT_REASON;

/** The write commands: those that change a volume. */
export type WriteType = 'write' | 'zero' | 'trim';
