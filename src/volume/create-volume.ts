/**
 * `init` of one volume. Steps: **find** what is there, **refuse** what may be of use, **allocate** every byte, **zero** what
 * existed, **flush**, and make the directory entry durable. A failure removes a file that this call made, and no other.
 */
import { dirname } from 'node:path';
import { awaitDone } from '../disk/await-done.ts';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { writeZeroes } from '../disk/zeroes.ts';
import type { VolumeConfig } from './contract.ts';
import { volumeExists, volumeFailed, volumeLocked, volumeMissing, volumeSize } from './errors.ts';

/** Bytes zeroed in one go: between two of them progress is told. */
const ZERO_STEP_BYTES = 1024 * 1024 * 1024;

export interface CreateVolumeOptions {
  readonly disk: Disk;
  readonly config: VolumeConfig;
  /** Allow a device or a file that is not empty, and really zero all of it. */
  readonly zeroExisting?: boolean;
  readonly onProgress?: (zeroedBytes: number, totalBytes: number) => void;
}

/**
 * Create a volume: fully allocated, all zeroes, durable.
 * @throws ERR_VOLUME_EXISTS, ERR_VOLUME_SIZE, ERR_VOLUME_LOCKED, ERR_VOLUME_NO_SPACE, ERR_VOLUME_MISSING (a device), ERR_VOLUME_OPEN
 */
export async function createVolume(options: CreateVolumeOptions): Promise<void> {
  const { disk, config } = options;
  try {
    if (disk.exists(config.path)) await zeroExistingVolume(options);
    // A file made by mistake among the device nodes would live in memory.
    else if (config.path.startsWith('/dev/') && !config.path.startsWith('/dev/shm/')) throw volumeMissing(config);
    else await createFile(disk, config);
  } catch (error) {
    throw volumeFailed(config, error);
  }
}

async function createFile(disk: Disk, config: VolumeConfig): Promise<void> {
  const file = disk.open(config.path, { create: true });
  try {
    await awaitDone((done) => file.allocate(config.sizeBytes, done));
    await awaitDone((done) => file.flush(done));
    disk.syncDirectory(dirname(config.path));
  } catch (error) {
    disk.unlink(config.path);
    throw error;
  } finally {
    await awaitDone((done) => file.close(done));
  }
}

async function zeroExistingVolume(options: CreateVolumeOptions): Promise<void> {
  const { disk, config } = options;
  const lock = disk.lock(config.path);
  if (lock === null) throw volumeLocked(config);
  try {
    const file = disk.open(config.path, {});
    try {
      const foundBytes = file.sizeBytes();
      if (foundBytes > 0) {
        if (options.zeroExisting !== true) throw volumeExists(config, foundBytes);
        if (foundBytes !== config.sizeBytes) throw volumeSize(config, foundBytes);
      }
      await awaitDone((done) => file.allocate(config.sizeBytes, done));
      if (foundBytes > 0) await zeroAll(file, options);
      await awaitDone((done) => file.flush(done));
      disk.syncDirectory(dirname(config.path));
    } finally {
      await awaitDone((done) => file.close(done));
    }
  } finally {
    lock.release();
  }
}

async function zeroAll(file: DiskFile, options: CreateVolumeOptions): Promise<void> {
  const totalBytes = options.config.sizeBytes;
  for (let position = 0; position < totalBytes; position += ZERO_STEP_BYTES) {
    const lengthBytes = Math.min(ZERO_STEP_BYTES, totalBytes - position);
    await awaitDone((done) =>
      file.zero(position, lengthBytes, (error, supported) => {
        if (error !== null || supported) done(error);
        else writeZeroes({ file, position, lengthBytes }, done);
      }),
    );
    options.onProgress?.(position + lengthBytes, totalBytes);
  }
}
