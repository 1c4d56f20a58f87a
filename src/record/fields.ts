/** Fields that a DataView has no method for: identifiers of 64 bits, and hex strings. */
import { assert } from '../model/assert.ts';

/** What `readId` returns for a value above 2^53 - 1. */
export const NOT_AN_ID = -1;

const HIGH_FACTOR = 2 ** 32;
const HIGH_MAX = 0x001f_ffff;

/** Write an identifier, 0 .. 2^53 - 1, as 64 bits. */
export function writeId(view: DataView, offset: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'an identifier must be an integer from 0 to 2^53 - 1');
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / HIGH_FACTOR), true);
}

/** Read an identifier; NOT_AN_ID if it is above 2^53 - 1. */
export function readId(view: DataView, offset: number): number {
  const high = view.getUint32(offset + 4, true);
  return high > HIGH_MAX ? NOT_AN_ID : high * HIGH_FACTOR + view.getUint32(offset, true);
}

/** Write an identifier or, as all ones, null. */
export function writeNullableId(view: DataView, offset: number, value: number | null): void {
  if (value !== null) return writeId(view, offset, value);
  view.setUint32(offset, 0xffff_ffff, true);
  view.setUint32(offset + 4, 0xffff_ffff, true);
}

/** Read an identifier or null; NOT_AN_ID if it is neither. */
export function readNullableId(view: DataView, offset: number): number | null {
  return isAllOnes(view, offset) ? null : readId(view, offset);
}

function isAllOnes(view: DataView, offset: number): boolean {
  return view.getUint32(offset, true) === 0xffff_ffff && view.getUint32(offset + 4, true) === 0xffff_ffff;
}

/** The 64 bits at an offset as 16 hex digits, for messages about values that are no identifiers. */
export function showU64(view: DataView, offset: number): string {
  return `0x${showU32(view.getUint32(offset + 4, true))}${showU32(view.getUint32(offset, true))}`;
}

export function showU32(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** Half of a 64-bit hex string as a number, for comparing streams without making strings. @param half 0 or 1 */
export function hexHalf(hex: string, half: 0 | 1): number {
  return Number.parseInt(hex.slice(half * 8, half * 8 + 8), 16);
}

/** True for a lower-case hex string of exactly so many digits. */
export function isHex(text: string, digits: number): boolean {
  return text.length === digits && /^[0-9a-f]*$/.test(text);
}

/** Write the bytes that hex digits name. */
export function writeHex(bytes: Uint8Array, offset: number, hex: string, digits: number): void {
  assert(isHex(hex, digits), 'a random identifier or chain must be lower-case hex digits of its length');
  for (let index = 0; index < digits / 2; index += 1) bytes[offset + index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
}

/** Read bytes as hex digits. */
export function readHex(bytes: Uint8Array, offset: number, digits: number): string {
  let hex = '';
  for (let index = 0; index < digits / 2; index += 1) hex += (bytes[offset + index] ?? 0).toString(16).padStart(2, '0');
  return hex;
}

const ZEROES = new Uint8Array(512);

/** True if all bytes of a range are zero. */
export function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  let index = from;
  // Whole blocks are compared at once: recovery and judges look at many of them.
  for (; to - index >= ZEROES.length; index += ZEROES.length)
    if (Buffer.compare(bytes.subarray(index, index + ZEROES.length), ZEROES) !== 0) return false;
  for (; index < to; index += 1) if (bytes[index] !== 0) return false;
  return true;
}
