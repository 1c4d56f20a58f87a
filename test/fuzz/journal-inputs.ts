/** Journals of one real small history, as images of a slot's file, and what recovery has to know of them. */
import { encodeHeader, encodeMark, MARK_OFFSET, RECORDS_OFFSET } from '../../journals/format.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { CHAIN_START } from '../../src/model/ids.ts';
import { planRecovery } from '../../src/protocol/recovery-plan.ts';
import type { RecoveryPlan } from '../../src/protocol/recovery-decision.ts';
import type { ScannedJournal } from '../../journals/contract.ts';
import { hashChain } from '../../src/record/record.ts';
import { encodePad } from '../record/samples.ts';
import { GROUP_ID, modelOf, STREAM } from '../support/secondary-host.ts';

export const SLOTS = 4;
export const DATA_SET = 2;
const KiB = 1024;
const geometry = geometryOf({ slots: SLOTS, slotBytes: 64 * KiB });
export const model = modelOf({ slots: SLOTS, recordsMin: 3, dataSets: 8 });
const IMAGE_BYTES = 64 * KiB;

export interface ImageOptions {
  readonly dataSet: number;
  /** Records at most; all without. */
  readonly records?: number;
  readonly flagged?: boolean;
  /** A pad in front of the records, and one behind the first. */
  readonly padded?: boolean;
  /** Records of this data set lie behind the terminator: old bytes of the slot. */
  readonly over?: number;
}

/** The image of a slot that holds a data set of the model. */
export function imageOf(options: ImageOptions): Uint8Array {
  const { dataSet, flagged = false, padded = false, over } = options;
  const image = new Uint8Array(IMAGE_BYTES);
  const set = setOf(dataSet);
  const slot = dataSet % SLOTS;
  const identity = { ...STREAM, groupId: GROUP_ID };
  if (over !== undefined)
    put(
      image,
      setOf(over).records.map(({ bytes }) => bytes),
    );
  encodeHeader(image, { ...identity, slot, slots: SLOTS, slotBytes: IMAGE_BYTES, dataSet, firstSequence: set.firstSequence });
  if (flagged) encodeMark(image.subarray(MARK_OFFSET, RECORDS_OFFSET), { stream: STREAM.stream, point: set.point });
  const records = set.records.slice(0, options.records ?? Infinity).map(({ bytes }) => bytes);
  const pieces = padded ? [encodePad(80), ...records.slice(0, 1), encodePad(400), ...records.slice(1)] : records;
  const end = put(image, pieces);
  // As a commit leaves it: zeroes to the end of the tail's block, and room for a header of zeroes.
  image.fill(0, end, Math.min(image.length, Math.ceil((end + 80) / 4096) * 4096));
  return image;
}

function put(image: Uint8Array, pieces: readonly Uint8Array[]): number {
  let at = RECORDS_OFFSET;
  for (const piece of pieces) {
    image.set(piece, at);
    at += piece.length;
  }
  return at;
}

export function setOf(dataSet: number): (typeof model.dataSets)[number] {
  const set = model.dataSets[dataSet];
  if (set === undefined) throw new Error(`the model has no data set ${dataSet}`);
  return set;
}

/** What recovery decides when this is the journal of the first data set above the watermark, and nothing else is there. */
export function planAlone(journal: ScannedJournal, mode: 'start' | 'promote'): RecoveryPlan {
  return planRecovery({
    identity: { groupId: GROUP_ID, ...STREAM },
    geometry,
    watermark: setOf(DATA_SET - 1).point,
    origin: { dataSet: 0, firstSequence: 0, chain: CHAIN_START },
    journals: [journal],
    hashChain,
    mode,
  });
}
