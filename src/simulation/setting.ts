/** What all hosts of a simulation have in common: small volumes, small journals, folders, addresses. */
import { geometryOf } from '../../journals/geometry.ts';
import type { Geometry } from '../model/ids.ts';
import type { RegionHold } from '../model/peer.ts';
import type { CutPolicy } from '../protocol/primary-contract.ts';
import type { VolumeConfig } from '../volume/contract.ts';
import type { Random } from './random.ts';

const KiB = 1024;

export const STATE_DIRECTORY = '/state';
export const JOURNALS_DIRECTORY = '/journals';
export const GROUP = 'simulated';
export const VOLUMES: readonly VolumeConfig[] = [
  { vlun: 3, name: 'data', sizeBytes: 32 * KiB, path: '/volumes/data', store: 'mmap' },
  { vlun: 0, name: 'log', sizeBytes: 8 * KiB, path: '/volumes/log', store: 'pwrite' },
  { vlun: 7, name: 'wide', sizeBytes: 80 * KiB, path: '/volumes/wide', store: 'mmap' },
];
export const SLOTS_CHOICES = [2, 3, 4] as const;
export const SLOT_BYTES = 64 * KiB;

export const SLOW_FILES = [/\/watermark$/, /\/watermark$/, /slot-0000/, /slot-0001/, /\/volumes\//] as const;

export const NVRAM_PATH = '/nvram/region';

export interface PeerSetting {
  readonly addresses: readonly string[];
  readonly hold: RegionHold;
  readonly regionBytes: number;
}

/** What differs from seed to seed. */
export interface Setting {
  readonly geometry: Geometry;
  readonly addresses: readonly string[];
  readonly links: number;
  readonly cutPolicy: CutPolicy;
  readonly backlogLimitBytes: number;
  readonly flushReply: 'local' | 'remote';
  readonly aligned: boolean;
  /** How often pages that a mapping asks for are in memory; null: disks without mappings, where all stores are writes. */
  readonly residentChance: number | null;
  /** A peer and its region; null: write-through. */
  readonly peer: PeerSetting | null;
  /** Files of the secondary that lie on a slow part of its disk; null: none. */
  readonly slowFile: RegExp | null;
}

/** Regions of which the smaller ones are full at times. */
export const REGION_BYTES_CHOICES = [32 * KiB, 64 * KiB, 256 * KiB] as const;
export const HOLDS: readonly RegionHold[] = ['memory', 'durable'];

/** @param peerRandom a source of its own, so that a story without a peer is the same whether others have one or not */
export function choosePeer(peerRandom: Random): PeerSetting | null {
  if (peerRandom.chance(0.5)) return null;
  return {
    addresses: ['sim://p', 'sim://q'].slice(0, peerRandom.between(1, 2)),
    hold: peerRandom.pick(HOLDS),
    regionBytes: peerRandom.pick(REGION_BYTES_CHOICES),
  };
}

export function chooseSetting(random: Random, peer: PeerSetting | null): Setting {
  const geometry = geometryOf({ slots: random.pick(SLOTS_CHOICES), slotBytes: SLOT_BYTES });
  const addresses = ['sim://a', 'sim://b'].slice(0, random.between(1, 2));
  return {
    geometry,
    addresses,
    links: random.between(addresses.length, 4),
    cutPolicy: {
      minAgeMs: random.between(1, 10),
      maxAgeMs: random.between(10, 60),
      maxSizeBytes: random.chance(0.5) ? geometry.capacityBytes : 10_000 + random.int(geometry.capacityBytes - 10_000),
      recordsMax: random.between(4, 64),
    },
    backlogLimitBytes: random.chance(0.3) ? 40_000 : 400_000,
    flushReply: random.chance(0.2) ? 'remote' : 'local',
    aligned: random.chance(0.7),
    slowFile: random.chance(0.3) ? random.pick(SLOW_FILES) : null,
    peer,
    residentChance: random.chance(0.4) ? null : random.pick([0.5, 0.9, 1]),
  };
}
