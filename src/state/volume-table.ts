import { RefusedError } from '../model/errors.ts';
import type { VolumeEntry } from '../model/ids.ts';

/** Refuse a config whose volumes are not those of the state: data would go to the wrong place. @throws RefusedError ERR_VOLUMES_CHANGED */
export function checkVolumeTable(expected: readonly VolumeEntry[], found: readonly VolumeEntry[]): void {
  const differing = firstDifference(expected, found);
  if (differing === null) return;
  throw new RefusedError('ERR_VOLUMES_CHANGED', `the config's volumes are not those of this host's state: ${differing}`, {
    hint: 'put the volumes of the config back; names, VLUN numbers and sizes are fixed by init',
  });
}

/** One sentence on the first row in which two volume tables differ, by VLUN; null if they are equal. */
export function firstDifference(expected: readonly VolumeEntry[], found: readonly VolumeEntry[]): string | null {
  for (const entry of expected) {
    const other = found.find((candidate) => candidate.vlun === entry.vlun);
    if (other === undefined) return `VLUN ${entry.vlun} (${entry.name}) is missing`;
    if (other.name !== entry.name || other.sizeBytes !== entry.sizeBytes) {
      return `VLUN ${entry.vlun} is ${entry.name} with ${entry.sizeBytes} bytes, found ${other.name} with ${other.sizeBytes} bytes`;
    }
  }
  const extra = found.find((entry) => !expected.some((candidate) => candidate.vlun === entry.vlun));
  return extra === undefined ? null : `VLUN ${extra.vlun} (${extra.name}) is not known`;
}

/** The volume table of a list of volume configs: what both hosts must agree on. */
export function volumeTableOf(volumes: readonly VolumeEntry[]): VolumeEntry[] {
  return volumes.map(({ vlun, name, sizeBytes }) => ({ vlun, name, sizeBytes })).sort((a, b) => a.vlun - b.vlun);
}
