/**
 * A workload on mounted file systems that says what it has: `node fsync-workload.js files FOLDER` or `... counters FOLDER FOLDER`.
 *
 * files: writes file 0, 1, 2 ... of FOLDER one after the other, each as a whole or not at all (a temporary name, fsync, rename, fsync of
 * the folder), and prints its number when that is done. counters: raises a counter file by turns in the first and in the second folder,
 * and prints it when both have it. Ends when the file system fails.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededBytes } from './workload.ts';

/** What file number k holds, whoever looks: 1 byte to 200 KiB, different for every k. */
export function contentOfFile(k: number): Buffer {
  return seededBytes(k + 1, 4 * (1 + ((k * 7919) % 51_200)));
}

function writeWhole(folder: string, name: string, bytes: Buffer): void {
  const temporary = join(folder, 'temporary');
  const file = openSync(temporary, 'w');
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, join(folder, name));
  const directory = openSync(folder, 'r');
  fsyncSync(directory);
  closeSync(directory);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [mode = '', ...folders] = process.argv.slice(2);
  for (let k = 0; ; k += 1) {
    if (mode === 'files') writeWhole(folders[0] ?? '', `file-${k}`, contentOfFile(k));
    else for (const folder of folders) writeWhole(folder, 'counter', Buffer.from(`${k}\n`));
    // Synchronous: what is printed has happened.
    writeSync(1, `${k}\n`);
  }
}
