/** Mutations of bytes: flipped bits, other bytes, interesting numbers, pieces removed, repeated, moved in from another input. */
import type { Random } from '../../src/simulation/random.ts';
import type { Input } from './target.ts';

export interface MutateOptions {
  readonly random: Random;
  readonly mutations: number;
  /** Where pieces and whole parts come from. */
  readonly others: readonly Input[];
  readonly partsAreFixed: boolean;
  /** Bytes are changed where they stand, at most a sector of them: damage of a disk. */
  readonly inPlace: boolean;
  readonly partBytesMax: number;
}

const PARTS_MAX = 64;
const SECTOR_BYTES = 512;

/** Numbers at which bounds are wrong: around zero, powers of two, 2^31, 2^32, 2^53, all ones. */
const INTERESTING: readonly bigint[] = [
  0,
  1,
  7,
  8,
  80,
  511,
  512,
  4096,
  65_535,
  65_536,
  2 ** 20,
  2 ** 20 + 512,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 2,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
]
  .map(BigInt)
  .concat(2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n);

type MutatePart = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const MUTATIONS: readonly MutatePart[] = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  addToNumber,
  putInteresting,
  putInteresting,
  putInteresting,
  remove,
  repeat,
  truncate,
  fillSector,
  splice,
  insertBytes,
];

const MUTATIONS_IN_PLACE: readonly MutatePart[] = [flipBit, flipBit, setByte, putInteresting, fillSector, putStale, putStale];

/** A mutated copy. */
export function mutate(input: Input, options: MutateOptions): Uint8Array[] {
  const { random, others, partBytesMax } = options;
  const parts = input.map((part) => Uint8Array.from(part));
  for (let count = 0; count < options.mutations; count += 1) {
    if (!options.partsAreFixed && (parts.length === 0 || random.chance(0.2))) {
      mutateParts(parts, random, others);
      continue;
    }
    const index = random.int(parts.length);
    const part = parts[index];
    if (part === undefined) continue;
    const other = random.pick(random.pick(others)) ?? new Uint8Array(0);
    parts[index] = random
      .pick(options.inPlace ? MUTATIONS_IN_PLACE : MUTATIONS)(part, random, other)
      .slice(0, partBytesMax);
  }
  return parts;
}

/** Drop, repeat, swap or take over a whole part. */
function mutateParts(parts: Uint8Array[], random: Random, others: readonly Input[]): void {
  const at = random.int(parts.length + 1);
  const kind = random.int(4);
  const part = parts[random.int(Math.max(1, parts.length))];
  if (kind === 0 && parts.length > 1) parts.splice(Math.min(at, parts.length - 1), 1);
  else if (kind === 1 && part !== undefined && parts.length < PARTS_MAX) parts.splice(at, 0, Uint8Array.from(part));
  else if (kind === 2 && part !== undefined && parts.length > 1) {
    parts.splice(parts.indexOf(part), 1);
    parts.splice(random.int(parts.length + 1), 0, part);
  } else if (parts.length < PARTS_MAX) {
    const foreign = random.pick(random.pick(others));
    if (foreign !== undefined) parts.splice(at, 0, Uint8Array.from(foreign));
  }
}

/** A place that is mostly the start of a field: headers stand at the front, and fields are aligned. */
function placeIn(bytes: Uint8Array, random: Random): number {
  const within = random.chance(0.5) ? Math.min(bytes.length, 128) : bytes.length;
  const at = random.int(Math.max(1, within));
  return random.chance(0.6) ? at - (at % 4) : at;
}

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.chance(0.5) ? random.int(Math.max(1, bytes.length)) : placeIn(bytes, random);
  if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
  return bytes;
}

function setByte(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length > 0) bytes[placeIn(bytes, random)] = random.chance(0.3) ? random.pick([0, 1, 0x7f, 0x80, 0xff]) : random.int(256);
  return bytes;
}

function addToNumber(bytes: Uint8Array, random: Random): Uint8Array {
  const at = placeIn(bytes, random);
  if (bytes.length > 0) bytes[at] = ((bytes[at] ?? 0) + random.between(-4, 4)) & 0xff;
  return bytes;
}

function putInteresting(bytes: Uint8Array, random: Random): Uint8Array {
  const size = random.pick([2, 4, 8]);
  if (bytes.length < size) return bytes;
  const at = Math.min(placeIn(bytes, random), bytes.length - size);
  const value = random.pick(INTERESTING);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
  const little = random.chance(0.7);
  if (size === 2) view.setUint16(0, Number(value & 0xffffn), little);
  else if (size === 4) view.setUint32(0, Number(value & 0xffff_ffffn), little);
  else view.setBigUint64(0, value, little);
  return bytes;
}

function lengthIn(bytes: Uint8Array, at: number, random: Random): number {
  const left = bytes.length - at;
  return Math.min(left, random.chance(0.5) ? random.between(1, 16) : random.int(left + 1));
}

function remove(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.int(bytes.length + 1);
  return joined(bytes.subarray(0, at), bytes.subarray(at + lengthIn(bytes, at, random)));
}

function repeat(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.int(bytes.length + 1);
  const end = at + lengthIn(bytes, at, random);
  return joined(bytes.subarray(0, end), bytes.subarray(at));
}

function truncate(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.slice(0, random.int(bytes.length + 1));
}

function fillSector(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.chance(0.5) ? SECTOR_BYTES * random.int(Math.ceil(bytes.length / SECTOR_BYTES) + 1) : placeIn(bytes, random);
  return bytes.fill(random.pick([0, 0, 0xff]), at, at + random.pick([4, 8, 80, SECTOR_BYTES]));
}

/** What stood there before, or stands elsewhere: a write that was lost, or went to another place. */
function putStale(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const sectors = Math.ceil(Math.min(bytes.length, other.length) / SECTOR_BYTES);
  const from = SECTOR_BYTES * random.int(sectors);
  const to = random.chance(0.7) ? from : SECTOR_BYTES * random.int(sectors);
  bytes.set(other.subarray(from, from + SECTOR_BYTES).subarray(0, bytes.length - to), to);
  return bytes;
}

function splice(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const from = random.int(other.length + 1);
  const piece = other.subarray(from, from + lengthIn(other, from, random));
  const at = random.chance(0.5) ? Math.min(from, bytes.length) : random.int(bytes.length + 1);
  return joined(bytes.subarray(0, at), piece, bytes.subarray(random.chance(0.5) ? at + piece.length : at));
}

function insertBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.int(bytes.length + 1);
  const piece = Uint8Array.from({ length: random.between(1, 16) }, () => random.int(256));
  return joined(bytes.subarray(0, at), piece, bytes.subarray(at));
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}
