/** Where fixtures are: one folder, a folder of folders, or the library that comes with the sources. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FarshoreError } from '../model/errors.ts';
import { MANIFEST_FILE, readManifest } from './fixture-files.ts';

/** The library of this repository, beside the compiled program. */
export const LIBRARY = fileURLToPath(new URL('../../../fixtures/crash-replay/v1', import.meta.url));

/**
 * The folders of all fixtures in `directory`, which may be one itself; null: the library.
 * @throws FarshoreError ERR_FIXTURE_NOT_INSTALLED, ERR_FIXTURE_NONE
 */
export function findFixtures(directory: string | null): string[] {
  if (directory === null && !existsSync(LIBRARY)) {
    throw new FarshoreError('ERR_FIXTURE_NOT_INSTALLED', `the library of fixtures is not installed: ${LIBRARY} is not there`, {
      hint: 'it comes with the sources of Farshore; name a folder: farshore fixture replay DIR',
    });
  }
  const root = directory ?? LIBRARY;
  if (isFixture(root)) return [root];
  const found = foldersIn(root).flatMap((folder) => (isFixture(folder) ? [folder] : foldersIn(folder).filter(isFixture)));
  if (found.length > 0) return found;
  throw new FarshoreError('ERR_FIXTURE_NONE', `${root} holds no fixture: no ${MANIFEST_FILE} in it or in a folder of it`, {
    hint: 'name the folder of one fixture, or a folder of such folders',
  });
}

/** What a fixture calls itself; its folder's name if it does not say. */
export function fixtureNameOf(directory: string): string {
  try {
    return readManifest(directory).name;
  } catch (error) {
    if (error instanceof FarshoreError) return basename(resolve(directory));
    throw error;
  }
}

function isFixture(folder: string): boolean {
  return existsSync(join(folder, MANIFEST_FILE));
}

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name))
    .sort();
}
