/** The frozen region files of fixtures/nvram, and how they were made: on the simulated disk, from nothing that is random. */
import { readFileSync } from 'node:fs';
import { RING_OFFSET, SEGMENT_HEADER_BYTES } from '../../../src/peer/nvram/format.ts';
import { TestDisk } from '../../support/test-disk.ts';
import { encodeMessage, GROUP_ID, makeRegion, type Made } from './support.ts';

const PATH = '/region';
export const FIXTURE_BYTES = RING_OFFSET + 8 * 1024;
export const FIXTURE_NAMES = ['held-and-wrapped', 'torn-message', 'damaged-record'] as const;
export type FixtureName = (typeof FIXTURE_NAMES)[number];

export function fixturePath(name: FixtureName): string {
  return `fixtures/nvram/v1/${name}.region`;
}

export function readFixture(name: FixtureName): Uint8Array {
  return readFileSync(fixturePath(name));
}

export interface MadeFixture {
  readonly image: Uint8Array;
  /** The messages that are held, oldest first. */
  readonly held: readonly { readonly firstOrdinal: number; readonly records: number; readonly encoded: Uint8Array }[];
}

/** Make a region of twelve messages, eight of which were given up: what is held goes round the end of the file. The peer was killed. */
export async function makeFixture(name: FixtureName): Promise<MadeFixture> {
  const disk = new TestDisk({ fileSystem: 'tmpfs', residentChance: 1 });
  const made: Made = { disk, path: PATH, sizeBytes: FIXTURE_BYTES, hold: 'memory' };
  const region = await makeRegion(made);
  region.bind(GROUP_ID);
  const all: MadeFixture['held'][number][] = [];
  for (let index = 0; index < 12; index += 1) {
    if (index >= 4) region.release((index - 4) * 3 + 3);
    const encoded = encodeMessage(region.head, 3, 512);
    all.push({ firstOrdinal: region.head, records: 3, encoded });
    region.store(encoded, 3);
  }
  const held = all.slice(8);
  const image = disk.readFile(PATH) ?? new Uint8Array(0);
  const newestBytes = SEGMENT_HEADER_BYTES + (held.at(-1)?.encoded.length ?? 0);
  const ringBytes = FIXTURE_BYTES - RING_OFFSET;
  const end = all.reduce((sum, { encoded }) => sum + SEGMENT_HEADER_BYTES + encoded.length, 0);
  const at = (position: number): number => RING_OFFSET + (position % ringBytes);
  // Torn: of the newest header only the first half was copied. Damaged: a bit of the payload of the record before the newest message.
  if (name === 'torn-message') for (let byte = 48; byte < SEGMENT_HEADER_BYTES; byte += 1) image[at(end - newestBytes + byte)] = 0;
  const damagedAt = at(end - newestBytes - 200);
  if (name === 'damaged-record') image[damagedAt] = (image[damagedAt] ?? 0) ^ 4;
  return { image, held: name === 'held-and-wrapped' ? held : held.slice(0, name === 'torn-message' ? 3 : 2) };
}
