/** Tell from the difference of two CRC-32 whether one bit was flipped, and which: the difference does not depend on the data. */

export interface FlippedBit {
  readonly byte: number;
  readonly bit: number;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xedb88320;
  return value >>> 0;
});

/** Find the bit, among so many bytes, whose flip changes their CRC by this much; null if there is none. */
export function findFlippedBit(lengthBytes: number, difference: number): FlippedBit | null {
  const wanted = difference >>> 0;
  // From the last byte on: what a flip there does to the checksum, then one zero byte further and so on.
  const states = Uint32Array.from({ length: 8 }, (_, bit) => TABLE[1 << bit] as number);
  for (let byte = lengthBytes - 1; byte >= 0; byte -= 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const state = states[bit] as number;
      if (state === wanted) return { byte, bit };
      states[bit] = ((state >>> 8) ^ (TABLE[state & 0xff] as number)) >>> 0;
    }
  }
  return null;
}
