/** Operating errors of volumes: each says which path, what was found and what was expected. */
import { BrokenInvariant } from '../model/assert.ts';
import { errnoOf, FarshoreError, messageOf, RefusedError } from '../model/errors.ts';
import type { VolumeConfig } from './contract.ts';

const about = (config: VolumeConfig): string => `volume ${config.name} (VLUN ${config.vlun}) at ${config.path}`;

export function volumeMissing(config: VolumeConfig): FarshoreError {
  return new FarshoreError('ERR_VOLUME_MISSING', `${about(config)} does not exist`, {
    hint: 'Check the path; `farshore init` creates a volume that is a file.',
    details: { path: config.path },
  });
}

export function volumeExists(config: VolumeConfig, foundBytes: number): RefusedError {
  return new RefusedError(
    'ERR_VOLUME_EXISTS',
    `${about(config)} is already there, ${foundBytes} bytes: zeroing it would destroy what it holds`,
    {
      hint: 'Move it away, or say --zero-existing if nothing on it is needed.',
      details: { path: config.path, foundBytes },
    },
  );
}

export function volumeSize(config: VolumeConfig, foundBytes: number): RefusedError {
  return new RefusedError('ERR_VOLUME_SIZE', `${about(config)} has ${foundBytes} bytes, expected ${config.sizeBytes} bytes`, {
    hint: 'Correct the size in the config, which must be the same on both hosts, or the path.',
    details: { path: config.path, foundBytes, expectedBytes: config.sizeBytes },
  });
}

export function volumeLocked(config: VolumeConfig): RefusedError {
  return new RefusedError('ERR_VOLUME_LOCKED', `${about(config)} is in use: another process or volume has it open, or it is mounted`, {
    hint: 'Stop the other one; two writers would destroy the volume.',
    details: { path: config.path },
  });
}

/** A failed open, creation or allocation: ERR_VOLUME_NO_SPACE for a full disk, otherwise ERR_VOLUME_OPEN. */
export function volumeFailed(config: VolumeConfig, cause: unknown): FarshoreError {
  if (cause instanceof FarshoreError) return cause;
  if (cause instanceof BrokenInvariant) throw cause;
  const details = { path: config.path, expectedBytes: config.sizeBytes, errno: errnoOf(cause) };
  if (details.errno === 'ENOSPC' || details.errno === 'EDQUOT') {
    return new FarshoreError(
      'ERR_VOLUME_NO_SPACE',
      `${about(config)} does not fit on its disk: ${config.sizeBytes} bytes are to be allocated`,
      {
        cause,
        hint: 'Make room or move the volume: a volume is always fully allocated, so that no later write can fail for space.',
        details,
      },
    );
  }
  return new FarshoreError('ERR_VOLUME_OPEN', `${about(config)} cannot be opened: ${messageOf(cause)}`, {
    cause,
    hint: 'The path must be a file or a block device that this user may read and write.',
    details,
  });
}
