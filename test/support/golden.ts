/** Golden bytes: commented hex files under fixtures/, compared with what the code makes. `REWRITE_FIXTURES=1` writes them anew. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A named stretch of the bytes, for the comments. */
export interface GoldenPart {
  readonly label: string;
  readonly offset: number;
  readonly size: number;
}

/** Folder of the checkout, wherever the compiled test lies in it. */
export function checkoutFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'fixtures')) || !existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no folder above this file holds package.json and fixtures');
    folder = parent;
  }
  return folder;
}

/** Read the bytes of a golden file; with REWRITE_FIXTURES=1 write `bytes` there first, with a comment at each part. */
export function goldenBytes(path: string, bytes: Uint8Array, title: string, parts: readonly GoldenPart[]): Uint8Array {
  const file = join(checkoutFolder(), 'fixtures', path);
  if (process.env['REWRITE_FIXTURES'] === '1') writeFileSync(file, showHex(bytes, title, parts));
  return parseHex(readFileSync(file, 'utf8'));
}

/** Bytes of a commented hex file: everything from `#` to the end of a line is a comment. */
export function parseHex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error('a golden file must hold pairs of lower-case hex digits and comments');
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

function showHex(bytes: Uint8Array, title: string, parts: readonly GoldenPart[]): string {
  const lines = [`# ${title}`];
  let offset = 0;
  while (offset < bytes.length) {
    const part = parts.find((candidate) => candidate.offset === offset && candidate.size > 0);
    const next =
      parts
        .map((candidate) => candidate.offset)
        .filter((start) => start > offset)
        .toSorted((a, b) => a - b)[0] ?? bytes.length;
    const end = Math.min(part === undefined ? next : offset + part.size, offset + 16, bytes.length);
    const row = [...bytes.subarray(offset, end)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    lines.push(part === undefined ? row : `${row.padEnd(47)}  # ${offset} ${part.label}`);
    offset = end;
  }
  return `${lines.join('\n')}\n`;
}
