/** What all binary messages share: beginning one to encode, and reading the fields of one that a peer has sent. */
import { PROTOCOL_VERSION } from '../model/handshake.ts';
import { NOT_AN_ID, readId, readNullableId, showU64 } from './fields.ts';
import { MESSAGE_HEADER, MESSAGE_KIND, offsetsOf } from './layout.ts';
import type { ControlMessage } from './messages.ts';
import { violate } from './violation.ts';
import type { Violation } from './violation.ts';

const AT = offsetsOf(MESSAGE_HEADER);

/** Begin a message: its kind and version are set, its checksum is still to come. */
export function beginMessage(kind: ControlMessage['kind'], lengthBytes: number): DataView {
  const view = new DataView(new ArrayBuffer(lengthBytes));
  view.setUint8(AT.kind, MESSAGE_KIND[kind]);
  view.setUint8(AT.version, PROTOCOL_VERSION);
  return view;
}

/** Reads fields and keeps the first fault; after it every further field reads as 0 or null, and lists as empty. */
export class MessageReader {
  readonly view: DataView;
  fault: Violation | null = null;

  constructor(view: DataView) {
    this.view = view;
  }

  /** The message must be at least, or exactly, so long. */
  length(bytes: number, exactly: boolean): void {
    const found = this.view.byteLength;
    if (exactly ? found !== bytes : found < bytes)
      this.refuse(violate('message-length', `expected ${exactly ? '' : 'at least '}${bytes} bytes, found ${found}`));
  }

  id(name: string, offset: number): number {
    if (this.fault !== null) return 0;
    return this.#valid(name, offset, readId(this.view, offset));
  }

  nullableId(name: string, offset: number): number | null {
    if (this.fault !== null) return null;
    const value = readNullableId(this.view, offset);
    return value === null ? null : this.#valid(name, offset, value);
  }

  u32(offset: number): number {
    return this.fault === null ? this.view.getUint32(offset, true) : 0;
  }

  count(name: string, offset: number, max: number): number {
    const value = this.u32(offset);
    if (value > max) this.refuse(violate('count', `${name}: expected at most ${max}, found ${value}`));
    return this.fault === null ? value : 0;
  }

  zero(from: number, to: number): void {
    for (let offset = from; offset < to && this.fault === null; offset += 1) {
      if (this.view.getUint8(offset) !== 0) this.refuse(violate('reserved', `byte ${offset} is not 0`));
    }
  }

  #valid(name: string, offset: number, value: number): number {
    if (value !== NOT_AN_ID) return value;
    this.refuse(violate('identifier', `${name}: expected at most 2^53 - 1, found ${showU64(this.view, offset)}`));
    return 0;
  }

  refuse(violation: Violation): void {
    this.fault ??= violation;
  }
}
