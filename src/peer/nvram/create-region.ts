/**
 * Make a region: init, and a peer's empty start. Steps: **set aside** what is there (only with `replace`), **allocate** every byte,
 * **write** zeroes over all of it, so that no later store needs space or meets old bytes, **flush**, **write** anchors and superblock,
 * **flush**, and make the name durable. A failure leaves nothing of it; one that lacks space first gives up what was set aside.
 */
import { dirname } from 'node:path';
import { awaitDone } from '../../disk/await-done.ts';
import type { DiskFile } from '../../disk/disk.ts';
import { writeZeroes } from '../../disk/zeroes.ts';
import { assert } from '../../model/assert.ts';
import { errnoOf } from '../../model/errors.ts';
import type { CreateRegionOptions } from './contract.ts';
import { ANCHOR_OFFSETS, BLOCK_BYTES, encodeAnchor, encodeSuperblock, RING_OFFSET, SUPERBLOCK_OFFSET } from './format.ts';
import { regionExists, regionNotCreated } from './region-errors.ts';

const PAGE_BYTES = 4096;

/** Where an unreadable region is kept when a new one takes its place. */
export function setAsidePath(path: string): string {
  return `${path}.unreadable`;
}

/** Create an empty region. @throws RefusedError ERR_NVRAM_EXISTS; FarshoreError ERR_NVRAM_CREATE */
export async function createRegion(options: CreateRegionOptions): Promise<void> {
  const { disk, path, sizeBytes, replace = false } = options;
  assert(sizeBytes % PAGE_BYTES === 0 && sizeBytes > RING_OFFSET, 'a region has whole pages, and a ring');
  try {
    if (disk.exists(path)) {
      if (!replace) throw regionExists(path);
      disk.rename(path, setAsidePath(path));
    } else disk.makeDirectory(dirname(path));
    try {
      await make(options);
    } catch (error) {
      if (errnoOf(error) !== 'ENOSPC' || !replace || !disk.exists(setAsidePath(path))) throw error;
      disk.unlink(setAsidePath(path));
      await make(options);
    }
  } catch (error) {
    if (errnoOf(error) === 'ERR_NVRAM_EXISTS') throw error;
    throw regionNotCreated(path, sizeBytes, error);
  }
}

async function make(options: CreateRegionOptions): Promise<void> {
  const { disk, path, sizeBytes } = options;
  const file = disk.open(path, { create: true });
  try {
    await awaitDone((done) => file.allocate(sizeBytes, done));
    await awaitDone((done) => writeZeroes({ file, position: 0, lengthBytes: sizeBytes }, done));
    await awaitDone((done) => file.flush(done));
    writeBlocks(options, file);
    await awaitDone((done) => file.flush(done));
    disk.syncDirectory(dirname(path));
  } catch (error) {
    disk.unlink(path);
    throw error;
  } finally {
    await awaitDone((done) => file.close(done));
  }
}

/** Anchors first: without the superblock the file is no region yet. */
function writeBlocks({ regionId, sizeBytes, disk }: CreateRegionOptions, file: DiskFile): void {
  const block = new Uint8Array(BLOCK_BYTES);
  const tail = { position: 0, ordinal: 0, segment: 0 };
  for (const [counter, offset] of ANCHOR_OFFSETS.entries()) {
    const content = {
      counter,
      regionId,
      groupId: null,
      opening: 0,
      inMemory: false,
      bootId: disk.bootId(),
      tail,
      headOrdinal: 0,
      openedPosition: 0,
    };
    encodeAnchor(block, content);
    file.writeSync(block, offset);
  }
  encodeSuperblock(block, { regionId, sizeBytes });
  file.writeSync(block, SUPERBLOCK_OFFSET);
}
