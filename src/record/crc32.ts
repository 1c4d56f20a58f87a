/**
 * CRC-32 (polynomial 0x04C11DB7, reflected, as zlib's) of payloads and headers: every byte of every write passes here on both hosts.
 *
 * `@node-rs/crc32` takes 80 us for 1 MiB where Node's zlib takes 210. It brings its binary along for each usual platform; on any other,
 * and if it ever disagreed with zlib, zlib computes: the same value, slower.
 */
import { createRequire } from 'node:module';
import { crc32 as crc32OfZlib } from 'node:zlib';

/** Checksum of `bytes`, or of what `previous` is the checksum of and `bytes` together; 32 bits, unsigned. */
export type Crc32 = (bytes: Uint8Array, previous?: number) => number;

/** Long enough for every path of an implementation that takes larger and smaller strides. */
const SAMPLE = Uint8Array.from({ length: 5_003 }, (_, index) => index * 167 + (index >> 3));

/** The native one if `load` brings it and it agrees with zlib. */
export function chooseCrc32(load: () => { readonly crc32: Crc32 }): Crc32 {
  try {
    const { crc32: native } = load();
    const agrees = native(SAMPLE) === crc32OfZlib(SAMPLE) && native(SAMPLE, 0x9e3779b9) === crc32OfZlib(SAMPLE, 0x9e3779b9);
    return agrees ? native : crc32OfZlib;
  } catch {
    return crc32OfZlib;
  }
}

export const crc32: Crc32 = chooseCrc32(() => createRequire(import.meta.url)('@node-rs/crc32') as { crc32: Crc32 });
