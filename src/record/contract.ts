/** The record as the other folders see it (DESIGN section 4): one encoding for wire, memory buffer, journal and NVRAM. Codec: record.ts. */
import type { CutReason, WriteType } from '../model/commands.ts';
import type { Chain, DataSetId, SequenceNumber, SessionId, StreamId } from '../model/ids.ts';

/** What all records of one stream have in common; made once, handed to every encode and decode. */
export interface RecordStream {
  readonly generation: number;
  readonly stream: StreamId;
}

/** A write, zero or trim command to encode. `payload` only with write; its length is the command's length. */
export interface WriteCommand {
  readonly type: WriteType;
  readonly vlun: number;
  readonly lba: number;
  readonly lengthBytes: number;
  readonly timeUs: number;
  readonly payload: Uint8Array | null;
}

export interface SyncCommand {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly finalSequence: SequenceNumber;
  readonly reason: CutReason;
  readonly chain: Chain;
  readonly incarnation: SessionId;
  readonly timeUs: number;
}
