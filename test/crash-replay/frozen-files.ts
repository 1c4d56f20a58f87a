/** The hashes that freeze the library: a line for each file, as `sha256sum -c SHA256SUMS` reads them. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const SUMS_FILE = 'SHA256SUMS';

/** Every file below a folder, by its path in it. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** The text of SHA256SUMS for a folder, which is not listed itself. */
export function sumsOf(folder: string): string {
  return filesIn(folder)
    .filter((path) => path !== SUMS_FILE)
    .map(
      (path) =>
        `${createHash('sha256')
          .update(readFileSync(join(folder, path)))
          .digest('hex')}  ${path}\n`,
    )
    .join('');
}
