/**
 * The source volumes without data: a block that holds what a record of the journals says becomes what that record says now, so that one
 * still sees how far a destage came; any other block becomes text of its own, the same for equal blocks; zeroes stay zeroes.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { scanJournal } from '../../../journals/scan.ts';
import { BLOCK_BYTES } from '../../model/ids.ts';
import { isZero } from '../../record/fields.ts';
import { RECORD_HEADER_BYTES } from '../../record/record.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import type { DataKey } from './data-key.ts';
import type { FixtureVolume } from '../fixture-files.ts';
import { journalFilesIn, rangesOf, type HostFolder } from '../fixture-folder.ts';

const PIECE_BYTES = 1024 * 1024;

/** What stands in place of a block of data, by the block's keyed name. */
type Blocks = ReadonlyMap<string, Uint8Array>;

export interface ReplaceVolumesOptions {
  /** Journals with their data, and the volumes. */
  readonly host: HostFolder;
  /** What is to be packed of each volume. */
  readonly volumes: readonly FixtureVolume[];
  /** Folder for the volumes without data. */
  readonly into: string;
  readonly key: DataKey;
}

/** Write what is to be packed of the volumes anew, at the same places of sparse files. */
export function writeVolumesWithoutData({ host, volumes, into, key }: ReplaceVolumesOptions): VolumeConfig[] {
  mkdirSync(into, { recursive: true });
  const blocks = volumes.some(({ content }) => content !== 'none') ? blocksOfRecords(host, key) : new Map<string, Uint8Array>();
  return host.volumes.map((volume) => {
    const wanted = volumes.find(({ name }) => name === volume.name);
    if (wanted === undefined || wanted.content === 'none') return volume;
    const path = join(into, `${volume.name}.img`);
    copyRanges(volume.path, path, { wanted, blocks, key });
    return { ...volume, path };
  });
}

function copyRanges(from: string, to: string, { wanted, blocks, key }: { wanted: FixtureVolume; blocks: Blocks; key: DataKey }): void {
  const [source, target] = [openSync(from, 'r'), openSync(to, 'w')];
  try {
    ftruncateSync(target, wanted.sizeBytes);
    const piece = Buffer.alloc(PIECE_BYTES);
    for (const { offset, lengthBytes } of rangesOf(wanted)) {
      for (let at = offset; at < offset + lengthBytes; at += PIECE_BYTES) {
        const bytes = piece.subarray(0, Math.min(PIECE_BYTES, offset + lengthBytes - at));
        readSync(source, bytes, 0, bytes.length, at);
        for (let block = 0; block < bytes.length; block += BLOCK_BYTES)
          replaceVolumeBlock(bytes.subarray(block, block + BLOCK_BYTES), blocks, key);
        writeSync(target, bytes, 0, bytes.length, at);
      }
    }
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

function replaceVolumeBlock(block: Uint8Array, blocks: Blocks, key: DataKey): void {
  if (isZero(block, 0, block.length)) return;
  const name = key.tag('block', block);
  block.set(blocks.get(name) ?? key.text(`block ${name}`, 0, block.length));
}

/** Every block that a record writes, and what it writes without data. */
function blocksOfRecords({ journals }: HostFolder, key: DataKey): Map<string, Uint8Array> {
  const blocks = new Map<string, Uint8Array>();
  for (const name of journalFilesIn(journals.directory)) {
    if (!name.endsWith('.journal')) continue;
    const path = join(journals.directory, name);
    const image = readFileSync(path);
    for (const { type, offset, lengthBytes, payloadChecksum } of scanJournal(image, { slot: 0, path }).records) {
      if (type !== 'write') continue;
      const from = offset + RECORD_HEADER_BYTES;
      // Every block of a payload without data is the same.
      const replaced = key.payload(payloadChecksum, lengthBytes).subarray(0, BLOCK_BYTES);
      for (let at = from; at < from + lengthBytes; at += BLOCK_BYTES)
        blocks.set(key.tag('block', image.subarray(at, at + BLOCK_BYTES)), replaced);
    }
  }
  return blocks;
}
