/** Shapes of what stands in the facts of several hosts. */
import { ID_MAX } from '../model/ids.ts';
import type { Generation, Geometry, VolumeEntry } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { NO_VLUN } from './layout.ts';
import { hex, integer, list, nullable, object, text } from './shape.ts';
import type { Shape } from './shape.ts';

const U32_MAX = 0xffff_ffff;
const id = integer(0, ID_MAX);
const name = text(LIMITS.volumeNameBytesMax);

const GENERATION: Shape<Generation> = object<Generation>({
  number: integer(0, U32_MAX),
  id: hex(16),
  afterDataSet: nullable(id),
  afterSequence: nullable(id),
  chain: hex(32),
  firstDataSet: id,
  firstSequence: id,
});
export const GENERATIONS = list(GENERATION, LIMITS.generationsMax, 'number');

export const VOLUMES = list(object<VolumeEntry>({ vlun: integer(0, NO_VLUN - 1), name, sizeBytes: id }), LIMITS.volumesMax);

export const GEOMETRY: Shape<Geometry> = object<Geometry>({
  slots: integer(1, LIMITS.slotsMax),
  slotBytes: integer(1, LIMITS.slotBytesMax),
  capacityBytes: integer(1, LIMITS.slotBytesMax),
  recordsMax: integer(1, LIMITS.dataSetRecordsMax),
});
