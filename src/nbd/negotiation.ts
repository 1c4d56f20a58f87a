/**
 * The option phase of fixed newstyle: bytes in any pieces -> reply bytes and an outcome. Pure: no sockets, no clock.
 *
 * States, one method each: clientFlags -> optionHeader -> optionData -> optionHeader ... -> an outcome.
 * It does not offer TLS (STARTTLS gets ERR_POLICY), the old style, or extended headers.
 */
import { LIMITS } from '../model/limits.ts';
import { NBD_ALLOCATION_CONTEXT, NBD_BYTES, NBD_HANDSHAKE_FLAG, NBD_MAGIC, NBD_OPTION, NBD_OPTION_REPLY } from './constants.ts';
import type { NbdOptionReplyType } from './constants.ts';
import type { NbdExport } from './contract.ts';
import type { NbdViolation } from './counters.ts';
import {
  decodeInfoRequest,
  decodeMetaContextRequest,
  encodeExportNameReply,
  encodeGreeting,
  encodeInfoReplies,
  encodeListReply,
  encodeMetaContextReply,
  encodeOptionReply,
} from './options.ts';

/** What the client and the server have agreed when the transmission phase begins. */
export interface NbdAgreement {
  readonly exportIndex: number;
  readonly structured: boolean;
  /** base:allocation was selected for this export. */
  readonly allocationContext: boolean;
}

export type NegotiationOutcome =
  | {
      readonly kind: 'transmission';
      readonly agreement: NbdAgreement;
      /** Bytes that already belong to the transmission phase. */ readonly rest: Buffer;
    }
  | { readonly kind: 'close'; readonly reason: NbdViolation | 'abort' };

export interface NegotiationStep {
  readonly reply: Buffer;
  /** Null: the option phase goes on. */
  readonly outcome: NegotiationOutcome | null;
}

const NOTHING: Buffer = Buffer.alloc(0);

export class Negotiation {
  readonly #exports: readonly NbdExport[];
  #state: 'clientFlags' | 'optionHeader' | 'optionData' = 'clientFlags';
  #neededBytes: number = NBD_BYTES.clientFlags;
  /** What has come of a message that is not whole yet; joined once, or an option sent in single bytes would cost its length squared. */
  #pieces: Buffer[] = [];
  #pendingBytes = 0;
  #replies: Buffer[] = [];
  #outcome: NegotiationOutcome | null = null;

  #fixedNewstyle = false;
  #zeroes = true;
  #structured = false;
  /** Index of the export for which base:allocation is selected, -1: none. */
  #contextExport = -1;
  #option = 0;
  #optionsSeen = 0;

  constructor(exports: readonly NbdExport[]) {
    this.#exports = exports;
  }

  /** The bytes that the server sends before anything else. */
  greeting(): Buffer {
    return encodeGreeting();
  }

  /** True while a part of an option has come and the rest has not. */
  get insideMessage(): boolean {
    return this.#pendingBytes > 0 || this.#state === 'optionData';
  }

  /** Take the next bytes of the client; after an outcome all further bytes are ignored. */
  push(chunk: Buffer): NegotiationStep {
    this.#pieces.push(chunk);
    this.#pendingBytes += chunk.length;
    let rest: Buffer = NOTHING;
    if (this.#outcome === null && this.#pendingBytes >= this.#neededBytes) {
      rest = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces);
      while (this.#outcome === null && rest.length >= this.#neededBytes) {
        const message = rest.subarray(0, this.#neededBytes);
        rest = rest.subarray(this.#neededBytes);
        this.#step(message);
      }
      // Bounded: never more than one option, whose length was checked, plus what one read of a socket brings.
      this.#pieces = rest.length === 0 ? [] : [rest];
      this.#pendingBytes = rest.length;
    }
    if (this.#outcome !== null) this.#pieces = [];
    const reply = this.#replies.length === 0 ? NOTHING : Buffer.concat(this.#replies);
    this.#replies = [];
    const outcome: NegotiationOutcome | null = this.#outcome;
    return { reply, outcome: outcome?.kind === 'transmission' ? { ...outcome, rest } : outcome };
  }

  #step(message: Buffer): void {
    switch (this.#state) {
      case 'clientFlags':
        return this.#clientFlags(message);
      case 'optionHeader':
        return this.#optionHeader(message);
      case 'optionData':
        return this.#optionData(message);
    }
  }

  #clientFlags(bytes: Buffer): void {
    const flags = bytes.readUInt32BE(0);
    if ((flags & ~(NBD_HANDSHAKE_FLAG.fixedNewstyle | NBD_HANDSHAKE_FLAG.noZeroes)) !== 0) return this.#close('clientFlags');
    this.#fixedNewstyle = (flags & NBD_HANDSHAKE_FLAG.fixedNewstyle) !== 0;
    this.#zeroes = (flags & NBD_HANDSHAKE_FLAG.noZeroes) === 0;
    this.#expect('optionHeader', NBD_BYTES.optionHeader);
  }

  #optionHeader(bytes: Buffer): void {
    if (bytes.readBigUInt64BE(0) !== NBD_MAGIC.option) return this.#close('optionMagic');
    this.#option = bytes.readUInt32BE(8);
    const lengthBytes = bytes.readUInt32BE(12);
    this.#optionsSeen += 1;
    if (!this.#fixedNewstyle && this.#option !== NBD_OPTION.exportName) return this.#close('optionBeforeFixed');
    if (this.#optionsSeen > LIMITS.nbdOptionsMax) {
      this.#refuse(NBD_OPTION_REPLY.errPolicy, `more than ${LIMITS.nbdOptionsMax} options`);
      return this.#close('optionsTooMany');
    }
    if (lengthBytes > LIMITS.nbdOptionBytesMax) {
      if (this.#option !== NBD_OPTION.exportName) {
        this.#refuse(NBD_OPTION_REPLY.errTooBig, `an option of ${lengthBytes} bytes, at most ${LIMITS.nbdOptionBytesMax}`);
      }
      return this.#close('optionTooBig');
    }
    this.#expect('optionData', lengthBytes);
  }

  #optionData(data: Buffer): void {
    this.#expect('optionHeader', NBD_BYTES.optionHeader);
    switch (this.#option) {
      case NBD_OPTION.exportName:
        return this.#exportName(data);
      case NBD_OPTION.abort:
        this.#reply(NBD_OPTION_REPLY.ack);
        return this.#close('abort');
      case NBD_OPTION.list:
        return this.#list(data);
      case NBD_OPTION.startTls:
        if (data.length > 0) return this.#refuse(NBD_OPTION_REPLY.errInvalid, 'STARTTLS takes no data');
        return this.#refuse(NBD_OPTION_REPLY.errPolicy, 'this server does not offer TLS');
      case NBD_OPTION.info:
      case NBD_OPTION.go:
        return this.#infoOrGo(data);
      case NBD_OPTION.structuredReply:
        if (data.length > 0) return this.#refuse(NBD_OPTION_REPLY.errInvalid, 'STRUCTURED_REPLY takes no data');
        this.#structured = true;
        return this.#reply(NBD_OPTION_REPLY.ack);
      case NBD_OPTION.listMetaContext:
      case NBD_OPTION.setMetaContext:
        return this.#metaContext(data);
      default:
        return this.#refuse(NBD_OPTION_REPLY.errUnsup, 'this server does not know the option');
    }
  }

  /** The old way to choose an export: no error can be reported, so an unknown name ends the connection. */
  #exportName(data: Buffer): void {
    const exportIndex = this.#findExport(data.toString('utf8'));
    const entry = this.#exports[exportIndex];
    if (entry === undefined) return this.#close('unknownExport');
    this.#replies.push(encodeExportNameReply(entry, { structured: this.#structured, zeroes: this.#zeroes }));
    this.#begin(exportIndex);
  }

  #list(data: Buffer): void {
    if (data.length > 0) return this.#refuse(NBD_OPTION_REPLY.errInvalid, 'LIST takes no data');
    for (const entry of this.#exports) this.#replies.push(encodeListReply(this.#option, entry));
    this.#reply(NBD_OPTION_REPLY.ack);
  }

  #infoOrGo(data: Buffer): void {
    const request = decodeInfoRequest(data);
    if (request === null) return this.#refuse(NBD_OPTION_REPLY.errInvalid, 'lengths in the option contradict each other');
    const exportIndex = this.#findExport(request.name);
    const entry = this.#exports[exportIndex];
    if (entry === undefined) return this.#refuse(NBD_OPTION_REPLY.errUnknown, 'there is no export of this name');
    this.#replies.push(...encodeInfoReplies(this.#option, entry, { structured: this.#structured, wanted: request.wanted }));
    this.#reply(NBD_OPTION_REPLY.ack);
    if (this.#option === NBD_OPTION.go) this.#begin(exportIndex);
  }

  #metaContext(data: Buffer): void {
    const setting = this.#option === NBD_OPTION.setMetaContext;
    // Each SET replaces what was selected before, a refused one too.
    if (setting) this.#contextExport = -1;
    if (!this.#structured) return this.#refuse(NBD_OPTION_REPLY.errInvalid, 'structured replies must be agreed first');
    const request = decodeMetaContextRequest(data);
    if (request === null) return this.#refuse(NBD_OPTION_REPLY.errInvalid, 'lengths in the option contradict each other');
    const exportIndex = this.#findExport(request.name);
    if (exportIndex < 0) return this.#refuse(NBD_OPTION_REPLY.errUnknown, 'there is no export of this name');
    if (request.queries.some((query) => !query.includes(':'))) {
      return this.#refuse(NBD_OPTION_REPLY.errInvalid, 'a query is namespace:leaf');
    }
    const listAll = !setting && (request.queries.length === 0 || request.queries.includes('base:'));
    if (listAll || request.queries.includes(NBD_ALLOCATION_CONTEXT.name)) {
      if (setting) this.#contextExport = exportIndex;
      this.#replies.push(encodeMetaContextReply(this.#option, setting ? NBD_ALLOCATION_CONTEXT.id : 0));
    }
    this.#reply(NBD_OPTION_REPLY.ack);
  }

  /** Find an export by name; the empty name means the first one unless an export is really called so. -1: none. */
  #findExport(name: string): number {
    const index = this.#exports.findIndex((entry) => entry.name === name);
    return index < 0 && name === '' && this.#exports.length > 0 ? 0 : index;
  }

  #begin(exportIndex: number): void {
    const agreement = { exportIndex, structured: this.#structured, allocationContext: this.#contextExport === exportIndex };
    this.#outcome = { kind: 'transmission', agreement, rest: NOTHING };
  }

  #expect(state: 'optionHeader' | 'optionData', neededBytes: number): void {
    this.#state = state;
    this.#neededBytes = neededBytes;
  }

  #reply(type: NbdOptionReplyType): void {
    this.#replies.push(encodeOptionReply(this.#option, type));
  }

  #refuse(type: NbdOptionReplyType, message: string): void {
    this.#replies.push(encodeOptionReply(this.#option, type, message));
  }

  #close(reason: NbdViolation | 'abort'): void {
    this.#outcome = { kind: 'close', reason };
  }
}
