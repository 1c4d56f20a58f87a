/** One record's payload as bytes, as they went into the volume. Never the bytes of a record that fails a checksum. */
import { scanFile, type FileScan } from '../../../journals/file-scan.ts';
import type { Disk } from '../../disk/disk.ts';
import { CorruptionError, FarshoreError, UsageError } from '../../model/errors.ts';
import type { SequenceNumber } from '../../model/ids.ts';
import type { LineOutput } from '../show/show-output.ts';
import { openToRead, type FoundJournal } from '../show/show-source.ts';

export interface PayloadOptions {
  readonly disk: Disk;
  readonly found: Pick<FoundJournal, 'path' | 'slot'>;
  readonly sequence: SequenceNumber;
  readonly output: LineOutput;
  /** Memory to scan through, made by `scanWindow`. */
  readonly window?: Uint8Array;
}

/**
 * Write the payload of the record with this number; of several, of the first, as recovery takes it.
 * @throws FarshoreError ERR_RECORD_NOT_FOUND, ERR_NO_PAYLOAD, ERR_JOURNAL_READ; CorruptionError ERR_RECORD_UNREADABLE; ReaderGone
 */
export async function dumpPayload({ disk, found, sequence, output, window }: PayloadOptions): Promise<void> {
  const file = openToRead(disk, found.path);
  try {
    let payload: Uint8Array | null = null;
    let type = '';
    const scan = await scanFile({
      file,
      slot: found.slot ?? 0,
      ...(window === undefined ? {} : { window }),
      enough: () => payload !== null,
      take: ({ record, window: memory }) => {
        if (payload !== null || record.type === 'pad' || record.sequence !== sequence) return;
        type = record.type;
        payload = memory.slice(record.payloadOffset, record.payloadOffset + record.payloadBytes);
      },
    });
    const bytes = payload as Uint8Array | null;
    if (bytes === null) throw recordMissing(scan, sequence);
    if (bytes.length === 0)
      throw new FarshoreError('ERR_NO_PAYLOAD', `record ${sequence} in ${found.path} is a ${type}, which has no payload`, {
        hint: 'leave --payload out to see the record',
        details: { path: found.path, sequence: `${sequence}`, type },
      });
    output.raw(bytes);
    await output.leave();
  } finally {
    file.closeSync();
  }
}

/** Bytes for people's eyes only go to a terminal. @throws UsageError ERR_PAYLOAD_TO_TERMINAL */
export function refuseTerminal(stream: { readonly isTTY?: boolean }): void {
  if (stream.isTTY !== true) return;
  throw new UsageError('ERR_PAYLOAD_TO_TERMINAL', 'a payload is bytes of any kind, and stdout is a terminal', {
    hint: 'write it to a file or a pipe: ... --payload > block.bin, or ... --payload | xxd',
  });
}

/** A number that is not among the readable records. */
export function recordMissing({ path, tail }: Pick<FileScan, 'path' | 'tail'>, sequence: SequenceNumber): FarshoreError {
  const details = { path, sequence: `${sequence}`, tail };
  const raw = `farshore journal dump ${path} --offset ${tail.offset} shows the bytes there`;
  if (tail.verdict === 'clean-end')
    return new FarshoreError(
      'ERR_RECORD_NOT_FOUND',
      `no record in ${path} has number ${sequence}; its records end cleanly at byte ${tail.offset}`,
      {
        hint: `farshore journal show ${path} lists the numbers that are there`,
        details,
      },
    );
  return new CorruptionError(
    'ERR_RECORD_UNREADABLE',
    `no readable record in ${path} has number ${sequence}, and from byte ${tail.offset} on nothing can be read: expected ${tail.expected}, found ${tail.found}`,
    { hint: raw, details },
  );
}
