/** Memory that direct writes (O_DIRECT) take: it begins at a multiple of `DISK_ALIGNMENT_BYTES`. */
import { DISK_ALIGNMENT_BYTES } from './disk.ts';
import { addressOf } from './libc.ts';

/** First byte of a buffer from which on it is aligned; the buffer must be `DISK_ALIGNMENT_BYTES` longer than what is needed. */
export function alignedStart(buffer: ArrayBuffer | SharedArrayBuffer): number {
  const misalignment = addressOf(new Uint8Array(buffer)) % DISK_ALIGNMENT_BYTES;
  return misalignment === 0 ? 0 : DISK_ALIGNMENT_BYTES - misalignment;
}

/** Allocate aligned zeroed memory. */
export function allocateAligned(lengthBytes: number): Uint8Array {
  const buffer = new ArrayBuffer(lengthBytes + DISK_ALIGNMENT_BYTES);
  return new Uint8Array(buffer, alignedStart(buffer), lengthBytes);
}

/** Whether a direct write takes this buffer. */
export function isAligned(bytes: Uint8Array): boolean {
  return bytes.length % DISK_ALIGNMENT_BYTES === 0 && addressOf(bytes) % DISK_ALIGNMENT_BYTES === 0;
}
