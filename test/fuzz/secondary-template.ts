/** Folders of a secondary as a killed process leaves them, built from one real history: what recovery and live hosts begin with. */
import { join } from 'node:path';
import { encodeHeader, encodeWatermark, BLOCK_BYTES, UNBOUND_IDENTITY } from '../../journals/format.ts';
import { journalPath, watermarkPath } from '../../journals/files.ts';
import { encodeFreshWatermark } from '../../journals/watermark.ts';
import type { HistoryPoint } from '../../src/model/ids.ts';
import { firstGenerations } from '../../src/protocol/generations.ts';
import { encodeChecked, hostStatePath, type HostState } from '../../src/state/host-state.ts';
import { volumeTableOf } from '../../src/state/volume-table.ts';
import { GROUP_ID, JOURNALS_DIRECTORY, smallGeometry, STATE_DIRECTORY, STREAM, VOLUMES } from '../support/secondary-host.ts';
import { imageOf, model, SLOTS, type ImageOptions } from './journal-inputs.ts';

export const PRIMARY_SESSION = '00000000000000cc';
const COUNTER_BASE = 10;
export const GENERATIONS = firstGenerations('00000000000000bb');

export interface Template {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The newest data set that is in the source volumes or has its flag: no recovery may come back older. -1: none. */
  readonly promised: number;
}

interface TemplateOptions {
  /** Newest watermark, and the one before it; null: nothing is destaged. */
  readonly watermark: number | null;
  readonly before: number | null;
  readonly journals: readonly ImageOptions[];
  /** Volumes into which a destage of this data set had begun. */
  readonly mixedWith?: number;
}

export const hostState: HostState = {
  formatVersion: 1,
  role: 'secondary',
  condition: 'active',
  reason: null,
  groupName: 'g',
  groupId: GROUP_ID,
  generations: GENERATIONS,
  stream: STREAM.stream,
  volumes: volumeTableOf(VOLUMES),
  hostEpoch: 0,
  lastPrimarySession: PRIMARY_SESSION,
  divergedFrom: null,
};

/** Four moments of one host, the later one after the earlier. */
export const TEMPLATES: readonly Template[] = [
  templateOf({
    watermark: null,
    before: null,
    journals: [
      { dataSet: 0, flagged: true },
      { dataSet: 1, records: 2 },
    ],
    mixedWith: 0,
  }),
  templateOf({
    watermark: 1,
    before: 0,
    journals: [
      { dataSet: 1, flagged: true },
      { dataSet: 2, flagged: true },
      { dataSet: 3, flagged: true },
      { dataSet: 4, flagged: true, over: 0 },
    ],
    mixedWith: 2,
  }),
  templateOf({
    watermark: 3,
    before: 2,
    journals: [
      { dataSet: 3, flagged: true },
      { dataSet: 4, flagged: true },
      { dataSet: 5, over: 1 },
      { dataSet: 6, records: 2, over: 2 },
    ],
    mixedWith: 4,
  }),
  templateOf({
    watermark: 5,
    before: 3,
    journals: [{ dataSet: 4, flagged: true }, { dataSet: 5, flagged: true }, { dataSet: 6, records: 1, over: 2 }, { dataSet: 7 }],
  }),
];

function templateOf({ watermark, before, journals, mixedWith }: TemplateOptions): Template {
  const files = new Map<string, Uint8Array>();
  files.set(hostStatePath(STATE_DIRECTORY), encodeChecked(hostState));
  files.set(join(STATE_DIRECTORY, 'last-head'), new Uint8Array(512).fill(32));
  files.set(watermarkPath(JOURNALS_DIRECTORY), watermarkFile(watermark, before));
  for (let slot = 0; slot < SLOTS; slot += 1) files.set(journalPath(JOURNALS_DIRECTORY, slot), freeSlot(slot));
  for (const journal of journals) files.set(journalPath(JOURNALS_DIRECTORY, journal.dataSet % SLOTS), imageOf(journal));
  const images = model.imagesAt(watermark ?? -1);
  const mixed = mixedWith === undefined ? images : model.imagesAt(mixedWith);
  for (const [index, { path }] of VOLUMES.entries()) {
    const bytes = Uint8Array.from(images[index] ?? []);
    // The first volume was stored already, the others not yet.
    if (index === 0) bytes.set(mixed[0] ?? []);
    files.set(path, bytes);
  }
  const flagged = journals.filter((journal) => journal.flagged === true).map(({ dataSet }) => dataSet);
  return { files, promised: Math.max(watermark ?? -1, ...flagged) };
}

/** A host that was never bound. */
export const BLANK: ReadonlyMap<string, Uint8Array> = new Map([
  ...templateOf({ watermark: null, before: null, journals: [] }).files,
  [hostStatePath(STATE_DIRECTORY), encodeChecked({ ...hostState, groupId: null, generations: [], stream: null, lastPrimarySession: null })],
]);

function freeSlot(slot: number): Uint8Array {
  const { slotBytes } = smallGeometry(SLOTS);
  const image = new Uint8Array(slotBytes);
  encodeHeader(image, { ...UNBOUND_IDENTITY, slot, slots: SLOTS, slotBytes, dataSet: null, firstSequence: null });
  return image;
}

function watermarkFile(newest: number | null, before: number | null): Uint8Array {
  const bytes = new Uint8Array(2 * BLOCK_BYTES);
  if (newest === null) {
    encodeFreshWatermark(bytes);
    return bytes;
  }
  const identity = { groupId: GROUP_ID, ...STREAM, hostEpoch: 0 };
  const pointOf = (dataSet: number | null): HistoryPoint | null => (dataSet === null ? null : (model.dataSets[dataSet]?.point ?? null));
  encodeWatermark(bytes.subarray(0, BLOCK_BYTES), { ...identity, counter: COUNTER_BASE + newest, point: pointOf(newest) });
  encodeWatermark(bytes.subarray(BLOCK_BYTES), { ...identity, counter: COUNTER_BASE + (before ?? 0), point: pointOf(before) });
  return bytes;
}
