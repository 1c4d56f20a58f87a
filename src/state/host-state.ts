/**
 * The durable state of one host: its role, group, generations and stream. One small checksummed JSON file in the state
 * folder, replaced crash-safely. After a promotion the role here overrides the config's (OPERATOR.md).
 */
import { crc32 } from 'node:zlib';
import { join } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import { CorruptionError, RefusedError } from '../model/errors.ts';
import type { Generation, Geometry, GroupId, HistoryPoint, SessionId, StreamId, VolumeEntry } from '../model/ids.ts';
import type { RegionId } from '../model/peer.ts';

/**
 * `active`: does what its role says. `failed`: a store or flush failed, only promotion of the other side helps (I10).
 * `superseded`: the other side was promoted (I8). `standalone`: serves without replication since `divergedFrom`.
 * `promoting`: a promotion began and must be finished. `promoted`: serves as primary of a new generation.
 * `taking-over`: a takeover began after the fence, and must be finished; the host is a peer until then.
 */
export type Condition = 'active' | 'failed' | 'superseded' | 'standalone' | 'promoting' | 'promoted' | 'taking-over';

export interface HostState {
  readonly formatVersion: 1;
  readonly role: 'primary' | 'secondary' | 'peer';
  readonly condition: Condition;
  /** Why the condition is not `active`, as one sentence. */
  readonly reason: string | null;
  readonly groupName: string;
  /** Null on a secondary that is not bound yet. */
  readonly groupId: GroupId | null;
  readonly generations: readonly Generation[];
  readonly stream: StreamId | null;
  readonly volumes: readonly VolumeEntry[];
  /** Highest host epoch seen (primary) or own (secondary). */
  readonly hostEpoch: number;
  /** Secondary: the primary's session from which it last accepted records. */
  readonly lastPrimarySession: SessionId | null;
  /** Standalone: the newest data set that the secondary had acknowledged complete. Promoted: the data set that was kept. */
  readonly divergedFrom: HistoryPoint | null;
  /** Secondary: the peer's region that may hold acknowledged records which no journal has (DESIGN section 8); null or absent: none. */
  readonly peerMayHoldMore?: RegionId | null;
  /** Peer, and a secondary that was one: its region, and those before it whose content is gone, oldest first. */
  readonly region?: { readonly id: RegionId; readonly lost: readonly RegionId[] };
  /** After a takeover: this host has got the locks of its storage once, so that from now on one that is taken is another process. */
  readonly hasLocks?: boolean;
  /** Peer: geometry of its secondary's journals, for a takeover; absent until they met. */
  readonly geometry?: Geometry;
}

const FILE_NAME = 'host-state.json';

/** Path of the host state inside a state folder. */
export function hostStatePath(stateDirectory: string): string {
  return join(stateDirectory, FILE_NAME);
}

/** Encode a value as JSON with its CRC32 on a last line, so that a torn or edited file is seen. */
export function encodeChecked(value: unknown): Uint8Array {
  const body = `${JSON.stringify(value, null, 2)}\n`;
  return Buffer.from(`${body}crc32 ${crc32(body).toString(16).padStart(8, '0')}\n`);
}

/** Decode what `encodeChecked` made. @throws CorruptionError ERR_STATE_CORRUPT naming file, expected and found. */
export function decodeChecked(bytes: Uint8Array, path: string): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  const match = /^([\s\S]*\n)crc32 ([0-9a-f]{8})\n$/.exec(text);
  const found = match?.[2] ?? 'no checksum line';
  const expected =
    match === null
      ? 'a last line "crc32 XXXXXXXX"'
      : crc32(match[1] ?? '')
          .toString(16)
          .padStart(8, '0');
  if (match === null || found !== expected) throw stateCorrupt(path, 'checksum', { expected, found });
  const value = parseJson(match[1] ?? '');
  if (typeof value !== 'object' || value === null)
    throw stateCorrupt(path, 'JSON', { expected: 'an object', found: 'something else under a right checksum' });
  return value;
}

/** The value, or undefined where there is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function stateCorrupt(path: string, what: string, { expected, found }: { expected: string; found: string }): CorruptionError {
  return new CorruptionError('ERR_STATE_CORRUPT', `${path} is damaged: ${what} expected ${expected}, found ${found}`, {
    hint: 'restore the file from where it was changed; Farshore never guesses a role, a group or a generation',
    details: { path, expected, found },
  });
}

/** Read the host state. @throws RefusedError ERR_NOT_INITIALISED when there is none; CorruptionError ERR_STATE_CORRUPT. */
export function readHostState(disk: Disk, stateDirectory: string): HostState {
  const path = hostStatePath(stateDirectory);
  const bytes = disk.readFile(path);
  if (bytes === null) {
    throw new RefusedError('ERR_NOT_INITIALISED', `${path} does not exist: this host was never initialised, or its state folder is gone`, {
      hint: 'run "farshore init -c FILE" once on a new host; on an old one find out where its state folder went',
    });
  }
  const state = decodeChecked(bytes, path) as HostState;
  if (state.formatVersion !== 1) {
    throw new RefusedError('ERR_STATE_VERSION', `${path} has format version ${String(state.formatVersion)}, this program knows version 1`);
  }
  return state;
}

/** Replace the host state; durable when it returns. */
export function writeHostState(disk: Disk, stateDirectory: string, state: HostState): void {
  disk.replaceFile(hostStatePath(stateDirectory), encodeChecked(state));
}
