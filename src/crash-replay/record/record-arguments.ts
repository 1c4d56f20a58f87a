/** What `--volumes` of `farshore fixture record` says: how many to make, or which ones to pack. */
import { UsageError } from '../../model/errors.ts';

const VOLUMES_MAX = 8;
const VOLUMES_DEFAULT = 2;

/** How many volumes a recording makes. @throws UsageError ERR_USAGE */
export function volumeCount(given: readonly string[] | undefined): number {
  if (given === undefined) return VOLUMES_DEFAULT;
  const count = Number(given[0]);
  if (given.length === 1 && Number.isInteger(count) && count >= 1 && count <= VOLUMES_MAX) return count;
  throw new UsageError('ERR_USAGE', `--volumes ${given.join(' ')}: a recording takes a number from 1 to ${VOLUMES_MAX}`);
}

/** Which volumes a pack takes, and where they are. @throws UsageError ERR_USAGE */
export function namedVolumes(given: readonly string[] | undefined): { readonly name: string; readonly path: string }[] {
  if (given === undefined || (given.length === 1 && given[0] === 'none')) return [];
  return given.map((text) => {
    const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (name === undefined || path === undefined)
      throw new UsageError('ERR_USAGE', `--volumes ${text}: with --from it takes NAME=PATH for each volume, or none`);
    return { name, path };
  });
}
