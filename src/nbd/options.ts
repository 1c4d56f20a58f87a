/** Encoding and decoding of what the option phase carries: option replies, and the data of INFO, GO and *_META_CONTEXT. */
import { LIMITS } from '../model/limits.ts';
import {
  NBD_ALLOCATION_CONTEXT,
  NBD_BLOCK_SIZE,
  NBD_BYTES,
  NBD_HANDSHAKE_FLAG,
  NBD_INFO,
  NBD_MAGIC,
  NBD_OPTION_REPLY,
  NBD_TRANSMISSION_FLAG,
} from './constants.ts';
import type { NbdOptionReplyType } from './constants.ts';
import type { NbdExport } from './contract.ts';

/** Encode the greeting: fixed newstyle, no zeroes. */
export function encodeGreeting(): Buffer {
  const bytes = Buffer.alloc(NBD_BYTES.greeting);
  bytes.writeBigUInt64BE(NBD_MAGIC.init, 0);
  bytes.writeBigUInt64BE(NBD_MAGIC.option, 8);
  bytes.writeUInt16BE(NBD_HANDSHAKE_FLAG.fixedNewstyle | NBD_HANDSHAKE_FLAG.noZeroes, 16);
  return bytes;
}

/** Encode one option reply; `data` of an error is a message for people. */
export function encodeOptionReply(option: number, type: NbdOptionReplyType, data: Uint8Array | string = ''): Buffer {
  const body = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
  const bytes = Buffer.alloc(NBD_BYTES.optionReplyHeader + body.length);
  bytes.writeBigUInt64BE(NBD_MAGIC.optionReply, 0);
  bytes.writeUInt32BE(option, 8);
  bytes.writeUInt32BE(type, 12);
  bytes.writeUInt32BE(body.length, 16);
  bytes.set(body, NBD_BYTES.optionReplyHeader);
  return bytes;
}

/** Say what an export can do; DF only where structured replies were agreed. */
export function transmissionFlags(entry: NbdExport, structured: boolean): number {
  const flag = NBD_TRANSMISSION_FLAG;
  const always =
    flag.hasFlags |
    flag.sendFlush |
    flag.sendFua |
    flag.sendTrim |
    flag.sendWriteZeroes |
    flag.canMultiConn |
    flag.sendCache |
    flag.sendFastZero;
  return always | (entry.readOnly ? flag.readOnly : 0) | (structured ? flag.sendDf : 0);
}

/** Encode the end of EXPORT_NAME: size, flags, and the zeroes that old clients expect. */
export function encodeExportNameReply(entry: NbdExport, options: { structured: boolean; zeroes: boolean }): Buffer {
  const bytes = Buffer.alloc(10 + (options.zeroes ? NBD_BYTES.exportNamePadding : 0));
  bytes.writeBigUInt64BE(BigInt(entry.sizeBytes), 0);
  bytes.writeUInt16BE(transmissionFlags(entry, options.structured), 8);
  return bytes;
}

/** Encode the information items of one export: size with flags and block sizes always, texts when they were asked for. */
export function encodeInfoReplies(
  option: number,
  entry: NbdExport,
  options: { structured: boolean; wanted: ReadonlySet<number> },
): Buffer[] {
  const exportInfo = Buffer.alloc(12);
  exportInfo.writeUInt16BE(NBD_INFO.export, 0);
  exportInfo.writeBigUInt64BE(BigInt(entry.sizeBytes), 2);
  exportInfo.writeUInt16BE(transmissionFlags(entry, options.structured), 10);

  const blockSize = Buffer.alloc(14);
  blockSize.writeUInt16BE(NBD_INFO.blockSize, 0);
  blockSize.writeUInt32BE(NBD_BLOCK_SIZE.minimum, 2);
  blockSize.writeUInt32BE(NBD_BLOCK_SIZE.preferred, 6);
  blockSize.writeUInt32BE(LIMITS.nbdPayloadBytesMax, 10);

  const items: Buffer[] = [exportInfo, blockSize];
  if (options.wanted.has(NBD_INFO.name)) items.push(textInfo(NBD_INFO.name, entry.name));
  if (options.wanted.has(NBD_INFO.description)) items.push(textInfo(NBD_INFO.description, entry.description));
  return items.map((item) => encodeOptionReply(option, NBD_OPTION_REPLY.info, item));
}

function textInfo(type: number, text: string): Buffer {
  const header = Buffer.alloc(2);
  header.writeUInt16BE(type, 0);
  return Buffer.concat([header, Buffer.from(text, 'utf8')]);
}

/** Encode one row of LIST. */
export function encodeListReply(option: number, entry: NbdExport): Buffer {
  const name = Buffer.from(entry.name, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length, 0);
  return encodeOptionReply(option, NBD_OPTION_REPLY.server, Buffer.concat([length, name, Buffer.from(entry.description, 'utf8')]));
}

/** Encode the one metadata context; its ID is reserved as 0 when contexts are only listed. */
export function encodeMetaContextReply(option: number, id: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(id, 0);
  return encodeOptionReply(option, NBD_OPTION_REPLY.metaContext, Buffer.concat([header, Buffer.from(NBD_ALLOCATION_CONTEXT.name, 'utf8')]));
}

export interface InfoRequest {
  readonly name: string;
  readonly wanted: ReadonlySet<number>;
}

/** Decode the data of INFO and GO; null if lengths contradict each other. */
export function decodeInfoRequest(data: Buffer): InfoRequest | null {
  if (data.length < 6) return null;
  const nameBytes = data.readUInt32BE(0);
  if (nameBytes > data.length - 6) return null;
  const count = data.readUInt16BE(4 + nameBytes);
  if (data.length !== 6 + nameBytes + 2 * count) return null;
  const wanted = new Set<number>();
  for (let index = 0; index < count; index += 1) wanted.add(data.readUInt16BE(6 + nameBytes + 2 * index));
  return { name: data.toString('utf8', 4, 4 + nameBytes), wanted };
}

export interface MetaContextRequest {
  readonly name: string;
  readonly queries: readonly string[];
}

/** Decode the data of LIST_META_CONTEXT and SET_META_CONTEXT; null if lengths contradict each other. */
export function decodeMetaContextRequest(data: Buffer): MetaContextRequest | null {
  if (data.length < 8) return null;
  const nameBytes = data.readUInt32BE(0);
  if (nameBytes > data.length - 8) return null;
  const count = data.readUInt32BE(4 + nameBytes);
  const queries: string[] = [];
  let position = 8 + nameBytes;
  for (let index = 0; index < count; index += 1) {
    if (data.length - position < 4) return null;
    const queryBytes = data.readUInt32BE(position);
    if (queryBytes > data.length - position - 4) return null;
    queries.push(data.toString('utf8', position + 4, position + 4 + queryBytes));
    position += 4 + queryBytes;
  }
  return position === data.length ? { name: data.toString('utf8', 4, 4 + nameBytes), queries } : null;
}
