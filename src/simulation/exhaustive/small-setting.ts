/** What all small worlds have in common: two volumes of eight blocks, the fewest and smallest journals, one bound secondary. */
import { geometryOf } from '../../../journals/geometry.ts';
import { LIMITS } from '../../model/limits.ts';
import type { RecordStream } from '../../record/contract.ts';
import type { VolumeConfig } from '../../volume/contract.ts';

export const STATE_DIRECTORY = '/state';
export const JOURNALS_DIRECTORY = '/journals';
export const GROUP = 'exhaustive';
export const GROUP_ID = '0123456789abcdef0123456789abcdef';
export const STREAM: RecordStream = { generation: 1, stream: '00000000000000aa' };
export const INCARNATION = '00000000000000c7';
export const VOLUMES: readonly VolumeConfig[] = [
  { vlun: 3, name: 'data', sizeBytes: 4096, path: '/volumes/data', store: 'pwrite' },
  { vlun: 0, name: 'log', sizeBytes: 4096, path: '/volumes/log', store: 'pwrite' },
];
export const GEOMETRY = geometryOf({ slots: LIMITS.slotsMin, slotBytes: LIMITS.slotBytesMin });
