/** What a client of the NBD server could tell from the outside: every reply's shape, and that each request was answered once and truly. */
import { NBD_BYTES, NBD_CHUNK, NBD_COMMAND, NBD_MAGIC } from '../../src/nbd/constants.ts';
import { NBD_ERRNO, type NbdExport } from '../../src/nbd/contract.ts';
import { must } from './target.ts';

export interface SentRequest {
  readonly cookie: string;
  readonly command: number;
  readonly offset: bigint;
  readonly lengthBytes: number;
  readonly payload: Buffer | null;
}

export interface SentRequests {
  readonly requests: readonly SentRequest[];
  /** The bytes end inside a request, or with one that breaks the protocol. */
  readonly rest: 'none' | 'disconnect' | 'violation' | 'truncated';
}

export interface Reply {
  readonly cookie: string;
  readonly errno: number;
  readonly data: Buffer | null;
}

/** Give each request another cookie, so that a reply is one request's; the bytes are changed in place. */
export function numberRequests(bytes: Buffer): void {
  let number = 0n;
  for (let at = 0; at + NBD_BYTES.requestHeader <= bytes.length && bytes.readUInt32BE(at) === NBD_MAGIC.request;) {
    number += 1n;
    bytes.writeBigUInt64BE((number * 0x9e37_79b9_7f4a_7c15n) & 0xffff_ffff_ffff_ffffn, at + 8);
    const isWrite = bytes.readUInt16BE(at + 6) === NBD_COMMAND.write;
    at += NBD_BYTES.requestHeader + (isWrite ? bytes.readUInt32BE(at + 24) : 0);
  }
}

/** Read the bytes that a client has sent in the transmission phase. */
export function readRequests(bytes: Buffer): SentRequests {
  const requests: SentRequest[] = [];
  for (let at = 0; ;) {
    if (at === bytes.length) return { requests, rest: 'none' };
    if (bytes.length - at >= 4 && bytes.readUInt32BE(at) !== NBD_MAGIC.request) return { requests, rest: 'violation' };
    if (bytes.length - at < NBD_BYTES.requestHeader) return { requests, rest: 'truncated' };
    const command = bytes.readUInt16BE(at + 6);
    const lengthBytes = bytes.readUInt32BE(at + 24);
    if (command === NBD_COMMAND.disconnect) return { requests, rest: 'disconnect' };
    const end = at + NBD_BYTES.requestHeader + (command === NBD_COMMAND.write ? lengthBytes : 0);
    if (end > bytes.length) return { requests, rest: 'truncated' };
    requests.push({
      cookie: bytes.toString('hex', at + 8, at + 16),
      command,
      offset: bytes.readBigUInt64BE(at + 16),
      lengthBytes,
      payload: command === NBD_COMMAND.write ? bytes.subarray(at + NBD_BYTES.requestHeader, end) : null,
    });
    at = end;
  }
}

/** Read what the server has answered in the option phase; returns where that ends. */
export function judgeOptionReplies(output: Buffer, agreedBy: 'go' | 'exportName' | null, zeroes: boolean): number {
  must(output.length >= NBD_BYTES.greeting && output.readBigUInt64BE(0) === NBD_MAGIC.init, 'the server greets first');
  let at = NBD_BYTES.greeting;
  while (at < output.length) {
    if (output.length - at < NBD_BYTES.optionReplyHeader || output.readBigUInt64BE(at) !== NBD_MAGIC.optionReply) break;
    const option = output.readUInt32BE(at + 8);
    const type = output.readUInt32BE(at + 12);
    at += NBD_BYTES.optionReplyHeader + output.readUInt32BE(at + 16);
    must(at <= output.length, 'an option reply is as long as it says');
    if (agreedBy === 'go' && option === 7 && type === 1) return at;
  }
  if (agreedBy === 'exportName') at += 10 + (zeroes ? NBD_BYTES.exportNamePadding : 0);
  must(agreedBy !== 'go' && at <= output.length, 'the option phase ends as it was agreed');
  return at;
}

/** Read replies back to back; a READ's data is as long as its request says. */
export function readReplies(output: Buffer, lengthOfRead: (cookie: string) => number): Reply[] {
  const replies: Reply[] = [];
  for (let at = 0; at < output.length;) {
    must(output.length - at >= NBD_BYTES.simpleReply, 'a reply is whole');
    const magic = output.readUInt32BE(at);
    const cookie = output.toString('hex', at + 8, at + 16);
    if (magic === NBD_MAGIC.simpleReply) {
      const errno = output.readUInt32BE(at + 4);
      const dataBytes = errno === 0 ? lengthOfRead(cookie) : 0;
      at += NBD_BYTES.simpleReply;
      replies.push({ cookie, errno, data: output.subarray(at, at + dataBytes) });
      at += dataBytes;
      continue;
    }
    must(magic === NBD_MAGIC.structuredReply, `a reply at ${at} has a magic`);
    const type = output.readUInt16BE(at + 6);
    const body = output.subarray(at + NBD_BYTES.structuredReplyHeader, at + NBD_BYTES.structuredReplyHeader + output.readUInt32BE(at + 16));
    at += NBD_BYTES.structuredReplyHeader + output.readUInt32BE(at + 16);
    must(at <= output.length, 'a structured reply is as long as it says');
    if (type === NBD_CHUNK.error) replies.push({ cookie, errno: body.readUInt32BE(0), data: null });
    else if (type === NBD_CHUNK.offsetData) replies.push({ cookie, errno: 0, data: body.subarray(NBD_BYTES.chunkOffset) });
    else {
      must(type === NBD_CHUNK.blockStatus && body.length === 12, `a chunk of type ${type}`);
      replies.push({ cookie, errno: 0, data: null });
    }
  }
  return replies;
}

const ERRNOS: ReadonlySet<number> = new Set(Object.values(NBD_ERRNO));

/**
 * Each reply is one request's, none is answered twice, and what was answered with success happened to this memory in the order of the
 * requests, and to no other. Replies themselves come in any order.
 * @param inOrder the backend carries requests out one after another, and none was lost: only then it is known what a read has to give
 */
export function judgeAnswers(
  requests: readonly SentRequest[],
  replies: readonly Reply[],
  { entry, inOrder }: { entry: NbdExport; inOrder: boolean },
): Buffer {
  const memory = Buffer.alloc(entry.sizeBytes);
  const byCookie = new Map(replies.map((reply) => [reply.cookie, reply]));
  const cookies = new Set(requests.map(({ cookie }) => cookie));
  must(byCookie.size === replies.length, 'no request is answered twice');
  must(
    replies.every(({ cookie, errno }) => cookies.has(cookie) && ERRNOS.has(errno)),
    'a reply has a cookie that was sent and an errno of the protocol',
  );
  for (const [index, request] of requests.entries()) {
    const reply = byCookie.get(request.cookie);
    if (reply === undefined || reply.errno !== 0 || request.command === NBD_COMMAND.flush) continue;
    const begin = Number(request.offset);
    const end = begin + request.lengthBytes;
    must(
      request.lengthBytes > 0 && begin % 512 === 0 && end % 512 === 0 && end <= entry.sizeBytes,
      `request ${index} lies inside the export`,
    );
    const changes = [NBD_COMMAND.write, NBD_COMMAND.trim, NBD_COMMAND.writeZeroes].includes(request.command as 1);
    must(!changes || !entry.readOnly, 'a read-only export is never changed');
    if (request.command === NBD_COMMAND.read)
      must(!inOrder || reply.data?.equals(memory.subarray(begin, end)) === true, `read ${index} gives what was written`);
    else if (request.payload !== null) request.payload.copy(memory, begin);
    else if (changes) memory.fill(0, begin, end);
  }
  return memory;
}
