/** Names of the files in a journals' folder. */
import { join } from 'node:path';

export function journalPath(directory: string, slot: number): string {
  return join(directory, `slot-${String(slot).padStart(4, '0')}.journal`);
}

/** The slot that a file's name says; null for any other name. */
export function journalSlotOf(name: string): number | null {
  const match = /^slot-(\d{4})\.journal$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Where a failed journal is written anew before it is renamed over the slot's file (I10). */
export function sparePath(path: string): string {
  return `${path}.spare`;
}

export function watermarkPath(directory: string): string {
  return join(directory, 'watermark');
}

/** Where a takeover announces its host epoch: a file that no other host ever writes into. */
export function hostEpochPath(directory: string): string {
  return join(directory, 'host-epoch');
}

/** Whether a name in the folder belongs to a ring: a journal, a spare or the watermark. */
export function isRingFile(name: string): boolean {
  return name === 'watermark' || /^slot-\d{4}\.journal(\.spare)?$/.test(name);
}
