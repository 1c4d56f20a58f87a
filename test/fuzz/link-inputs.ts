/**
 * What happens on the links of a live host, as parts of an input: each is one byte, which says on which link what happens, and the bytes of a
 * message. So whole conversations are mutated: their order, their messages, and the bytes in them.
 */
import type { WebSocket } from 'ws';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { decodeMessage, encodeMessage, type WireMessage } from '../../src/record/wire.ts';
import { NotedSocket } from '../support/noted-socket.ts';
import { fixMessage } from './checksums.ts';
import { must } from './target.ts';

export const LINKS = 3;

/** What may happen; most bytes mean a message, so that a mutated one still does. */
const DEEDS = ['message', 'text', 'end', 'work', 'wait', 'message', 'message', 'message'] as const;
export type Deed = (typeof DEEDS)[number];

export interface Step {
  readonly link: number;
  readonly deed: Deed;
  readonly bytes: Buffer;
}

export function readStep(part: Uint8Array): Step {
  const first = part[0] ?? 0;
  return { link: (first >> 3) % LINKS, deed: DEEDS[first & 7] ?? 'message', bytes: Buffer.from(part.subarray(1)) };
}

export function stepOf(deed: Deed, link: number, message?: WireMessage | Uint8Array): Uint8Array {
  const bytes = message === undefined ? new Uint8Array(0) : message instanceof Uint8Array ? message : encodeMessage(message);
  return new Uint8Array(Buffer.concat([Buffer.from([(link << 3) | DEEDS.indexOf(deed)]), bytes]));
}

/** Right checksums for the message of a part. */
export function fixStep(part: Uint8Array): void {
  if (part.length > 1) fixMessage(part.subarray(1));
}

const CODES: ReadonlySet<number> = new Set([...Object.values(CLOSE_CODE), 1006]);

/** The near end of a link; what the host sends is judged while it sends it, and how it closes. */
export class JudgedSocket extends NotedSocket {
  readonly #judge: (message: WireMessage, bytes: Uint8Array) => void;
  opened = false;

  constructor(judge: (message: WireMessage, bytes: Uint8Array) => void) {
    super();
    this.#judge = judge;
  }

  override get asWebSocket(): WebSocket {
    return super.asWebSocket;
  }

  override send(bytes: Uint8Array, options: { fin?: boolean }, done?: () => void): void {
    const before = this.messages.length;
    super.send(bytes, options, done);
    const sent = this.messages[before];
    if (sent === undefined) return;
    const message = decodeMessage(sent);
    must(message.kind !== 'violation', () => `the host sends what is no message: ${JSON.stringify(message)}`);
    this.#judge(message, sent);
  }

  override close(code: number, reason: string): void {
    must(CODES.has(code), `a link is closed with ${code}`);
    must(Buffer.byteLength(reason) <= 123, `a close reason of ${Buffer.byteLength(reason)} bytes`);
    super.close(code, reason);
  }

  /** Let something arrive, unless the link is gone. */
  arrive({ deed, bytes }: Step): void {
    if (this.closedWith !== null) return;
    if (deed === 'message') this.emit('message', bytes, true);
    else if (deed === 'text') this.emit('message', bytes, false);
    else if (deed === 'end') this.end(1006, '');
  }
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
