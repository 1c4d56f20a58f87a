import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** `f_type` of statfs(2), from linux/magic.h. */
const MAGIC: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0xca451a4e: 'bcachefs',
  0x2fc12fc1: 'zfs',
  0xf2f52010: 'f2fs',
  0x794c7630: 'overlay',
  0x01021994: 'tmpfs',
  0x858458f6: 'ramfs',
  0x6969: 'nfs',
  0xff534d42: 'cifs',
  0x65735546: 'fuse',
  0x00c36400: 'ceph',
  0x3153464a: 'jfs',
};

/** Name the file system that a path is on, or would be on; `block-device` for a device itself, `unknown` for what is not in the list. */
export function fileSystemOf(path: string): string {
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  if (statSync(existing).isBlockDevice()) return 'block-device';
  return MAGIC[statfsSync(existing).type >>> 0] ?? 'unknown';
}

/** Bytes that nobody has yet on the file system of a path, those set aside for root included. */
export function freeBytes(path: string): number {
  const { bfree, bsize } = statfsSync(path);
  return bfree * bsize;
}
