/** The one record encoding (DESIGN section 4): the same bytes on the wire, in the memory buffer, in the journal and in NVRAM. */
export type {
  BadReason,
  BadRecord,
  DecodedRecord,
  DecodeResult,
  RecordNumbers,
  RecordPeek,
  RecordStream,
  SyncCommand,
  SyncContent,
  WriteCommand,
} from './contract.ts';
export { hashChain } from './hash-chain.ts';
export { FORMAT_MAGIC, FORMAT_VERSION, NO_VLUN, RECORD_HEADER_BYTES, SYNC_PAYLOAD_BYTES, SYNC_RECORD_BYTES } from './layout.ts';
export { RecordReader } from './record-reader.ts';
export { encodedWriteBytes, RecordWriter } from './record-writer.ts';
