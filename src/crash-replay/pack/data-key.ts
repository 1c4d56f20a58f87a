/**
 * What stands in place of data that is left out. Everything follows from a random key that lives as long as this process and is stored
 * nowhere: equal payloads stay equal, and whoever has the pack cannot test a guess, as the payload's own CRC would let them.
 */
import { createHmac, randomBytes } from 'node:crypto';

const LINE_BYTES = 64;
const TAG_DIGITS = 24;

export class DataKey {
  readonly #key: Uint8Array;

  /** @param key another one only in tests */
  constructor(key: Uint8Array = randomBytes(32)) {
    this.#key = key;
  }

  /** Hex digits that name a value without telling it. */
  tag(what: string, value: string | Uint8Array, digits = TAG_DIGITS): string {
    return createHmac('sha256', this.#key).update(`${what}\0`).update(value).digest('hex').slice(0, digits);
  }

  /** A number of 32 bits in place of another one. */
  number(what: string, value: number): number {
    return Number.parseInt(this.tag(what, String(value), 8), 16);
  }

  /** The bytes in place of a payload: they follow from its checksum and length alone. */
  payload(checksum: number, lengthBytes: number): Buffer {
    return this.text(`payload ${this.tag('payload', `${checksum} ${lengthBytes}`)}`, 0, lengthBytes);
  }

  /** The bytes in place of a piece that belongs to no record; `position` in its file, so that neighbours line up. */
  piece(bytes: Uint8Array, position: number): Buffer {
    return this.text(`old bytes ${this.tag('piece', bytes)}`, position % LINE_BYTES, bytes.length);
  }

  /** Lines of readable text, which pack into little. */
  text(words: string, phaseBytes: number, lengthBytes: number): Buffer {
    const line = Buffer.from(`${`without data: ${words} `.padEnd(LINE_BYTES - 1, '.')}\n`);
    const turned = Buffer.concat([line.subarray(phaseBytes), line.subarray(0, phaseBytes)]);
    return Buffer.alloc(lengthBytes, turned);
  }
}
