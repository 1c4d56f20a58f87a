/**
 * The state folder's small files as they go into a pack: the host state without its free text, which may name paths and addresses, and
 * with other chains. Its checksum is right if it was right, and else wrong by the same bits.
 */
import { crc32 } from 'node:zlib';
import { showU32 } from '../../record/fields.ts';
import { decodeChecked } from '../../state/host-state.ts';
import type { DataKey } from './data-key.ts';
import { replacePiece } from './replace-blocks.ts';
import type { ReplacedChains } from './replace-chains.ts';
import type { Note } from './replaced-notes.ts';

export const LEFT_OUT = '(left out)';
const CHAIN = /"chain": "([0-9a-f]{32})"/g;
const REASON = /"reason": "(?:[^"\\]|\\.)*"/g;

/** Every chain that a host state names, however damaged the file is. */
export function chainsIn(bytes: Uint8Array): string[] {
  return [...Buffer.from(bytes).toString('latin1').matchAll(CHAIN)].map((match) => match[1] as string);
}

/** The streams that it names. */
export function streamsIn(bytes: Uint8Array): string[] {
  return [
    ...Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/"stream": "([0-9a-f]{16})"/g),
  ].map((match) => match[1] as string);
}

/** The groups that it names. */
export function groupsIn(bytes: Uint8Array): string[] {
  return [
    ...Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/"groupId": "([0-9a-f]{32})"/g),
  ].map((match) => match[1] as string);
}

/** A host state without free text. */
export function withoutReason(bytes: Uint8Array): Buffer {
  return edit(bytes, (text) => text.replace(REASON, `"reason": "${LEFT_OUT}"`));
}

/** A host state whose chains are replaced; one that is no text at all becomes text. */
export function replaceState(
  bytes: Uint8Array,
  { file, chains, key, note }: { file: string; chains: ReplacedChains; key: DataKey; note: (note: Note) => void },
): Buffer {
  if (!isText(bytes)) {
    const copy = Buffer.from(bytes);
    replacePiece(copy, 0, key);
    return copy;
  }
  return edit(bytes, (text) =>
    text.replace(CHAIN, (whole, chain: string, offset: number) => {
      const replaced = chains.replace(chain);
      if (replaced !== chain)
        note({
          file,
          offset: offset + '"chain": "'.length,
          what: 'chain',
          was: null,
          before: key.tag('chain name', chain),
          after: replaced,
        });
      return whole.replace(chain, replaced);
    }),
  );
}

/** Whether a last head is what a host writes; anything else is left out of a pack without data. */
export function isLastHead(bytes: Uint8Array): boolean {
  try {
    decodeChecked(Buffer.from(`${Buffer.from(bytes).toString('utf8').trimEnd()}\n`), 'last-head');
    return true;
  } catch {
    return false;
  }
}

function isText(bytes: Uint8Array): boolean {
  return bytes[0] === '{'.charCodeAt(0) && bytes.every((byte) => byte === 10 || (byte >= 32 && byte < 127));
}

function edit(bytes: Uint8Array, change: (text: string) => string): Buffer {
  const text = Buffer.from(bytes).toString('latin1');
  const match = /^([\s\S]*\n)crc32 ([0-9a-f]{8})\n$/.exec(text);
  if (match === null) return Buffer.from(change(text), 'latin1');
  const [, body = '', stated = ''] = match;
  const wrongBy = Number.parseInt(stated, 16) ^ crc32(Buffer.from(body, 'latin1'));
  const changed = Buffer.from(change(body), 'latin1');
  return Buffer.concat([changed, Buffer.from(`crc32 ${showU32((crc32(changed) ^ wrongBy) >>> 0)}\n`)]);
}
