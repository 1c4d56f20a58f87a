/**
 * What a primary must know to go on with its stream after a clean stop (DESIGN section 7): the next numbers, the newest chains,
 * what is acknowledged, and the records that are not. Three files in the state folder, written in this order:
 *
 * 1 **write** `backlog.bin`: the encoded records of every data set that is not acknowledged complete, and flush it;
 * 2 **replace** `stream-state.json`: numbers, chains, and the backlog's length and SHA-256;
 * 3 (the caller) **flush** the volumes;
 * 4 **replace** `clean-stop`: the marker, which names the checksum of 2.
 *
 * Start removes the marker durably before the first NBD byte. Anything missing or unequal: the stop was unclean. What this does
 * not guarantee: that the volumes are those of this state; a restored volume file under an intact state is the operator's error.
 */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { CorruptionError } from '../model/errors.ts';
import type { Chain, DataSetId, Generation, GroupId, HistoryPoint, SequenceNumber, SequenceRange, StreamId } from '../model/ids.ts';
import type { AgreedCapacity } from '../protocol/primary-contract.ts';
import { decodeChecked, encodeChecked } from '../state/host-state.ts';

export interface StoredDataSet {
  readonly dataSet: DataSetId;
  readonly firstSequence: SequenceNumber;
  readonly records: number;
  readonly acknowledged: readonly SequenceRange[];
}

export interface StreamState {
  readonly formatVersion: 1;
  readonly groupId: GroupId;
  readonly stream: StreamId;
  readonly generation: number;
  readonly nextDataSet: DataSetId;
  readonly nextSequence: SequenceNumber;
  /** Encoded bytes of all records since the stream began. */
  readonly bytesTaken: number;
  /** Chain at data set nextDataSet - 1. */
  readonly chain: Chain;
  /** The newest closed data sets, ascending. */
  readonly chains: readonly HistoryPoint[];
  readonly acknowledged: HistoryPoint | null;
  /** Data sets must fit into the secondary's journals, also those that are taken before it is met again. */
  readonly agreed: AgreedCapacity | null;
  readonly dataSets: readonly StoredDataSet[];
  readonly backlogBytes: number;
  readonly backlogSha256: string;
}

const WRITE_BYTES_MAX = 8 * 1024 * 1024;

function paths(stateDirectory: string): { backlog: string; state: string; marker: string } {
  return {
    backlog: join(stateDirectory, 'backlog.bin'),
    state: join(stateDirectory, 'stream-state.json'),
    marker: join(stateDirectory, 'clean-stop'),
  };
}

/** A stream that has not begun: what init writes, so that the first start finds a clean stop. */
export function newStreamState(options: {
  groupId: GroupId;
  stream: StreamId;
  generation: Generation;
}): Omit<StreamState, 'backlogBytes' | 'backlogSha256'> {
  return {
    formatVersion: 1,
    groupId: options.groupId,
    stream: options.stream,
    generation: options.generation.number,
    nextDataSet: options.generation.firstDataSet,
    nextSequence: options.generation.firstSequence,
    bytesTaken: 0,
    chain: options.generation.chain,
    chains: [],
    acknowledged: null,
    agreed: null,
    dataSets: [],
  };
}

/** Steps 1 and 2: durable when it resolves. */
export async function writeStreamState(
  disk: Disk,
  stateDirectory: string,
  state: Omit<StreamState, 'backlogBytes' | 'backlogSha256'>,
  backlog: readonly Uint8Array[],
): Promise<void> {
  const path = paths(stateDirectory);
  if (disk.exists(path.backlog)) disk.unlink(path.backlog);
  const hash = createHash('sha256');
  const file = disk.open(path.backlog, { create: true });
  let position = 0;
  try {
    for (const bytes of backlog) {
      for (let begin = 0; begin < bytes.length; begin += WRITE_BYTES_MAX) {
        const piece = bytes.subarray(begin, begin + WRITE_BYTES_MAX);
        hash.update(piece);
        await writeAt(file, piece, position);
        position += piece.length;
      }
    }
    await new Promise<void>((resolve, reject) => file.flush((error) => (error === null ? resolve() : reject(error))));
  } finally {
    file.closeSync();
  }
  disk.syncDirectory(dirname(path.backlog));
  disk.replaceFile(
    path.state,
    encodeChecked({ ...state, backlogBytes: position, backlogSha256: hash.digest('hex') } satisfies StreamState),
  );
}

/** Step 4: from here on the stop was clean. */
export function writeCleanMarker(disk: Disk, stateDirectory: string): void {
  const path = paths(stateDirectory);
  const state = disk.readFile(path.state) ?? new Uint8Array(0);
  // A marker over something else than what was written would make the next start call this stop unclean.
  decodeChecked(state, path.state);
  disk.replaceFile(path.marker, encodeChecked({ streamStateSha256: sha256(state) }));
}

/** Remove the marker, durably: from here on a stop is unclean until `writeCleanMarker`. */
export function removeCleanMarker(disk: Disk, stateDirectory: string): void {
  disk.unlink(paths(stateDirectory).marker);
  disk.syncDirectory(stateDirectory);
}

/** The newest data set that was acknowledged at the last clean stop, whether the stop after it was clean or not; null if unknown. */
export function lastStoredAcknowledged(disk: Disk, stateDirectory: string): HistoryPoint | null {
  const path = paths(stateDirectory).state;
  const bytes = disk.readFile(path);
  try {
    return bytes === null ? null : (decodeChecked(bytes, path) as StreamState).acknowledged;
  } catch {
    return null;
  }
}

/** Undo of an init that failed. */
export function removeStreamState(disk: Disk, stateDirectory: string): void {
  for (const path of Object.values(paths(stateDirectory))) if (disk.exists(path)) disk.unlink(path);
}

export interface LoadedStream {
  readonly state: StreamState;
  /** Encoded records of `state.dataSets`, back to back in the order of their numbers. */
  readonly backlog: Uint8Array;
}

/**
 * Read what a clean stop left; null: the last stop was not clean.
 * @throws CorruptionError ERR_STATE_CORRUPT when the files are there and damaged.
 */
export function readStreamState(disk: Disk, stateDirectory: string): LoadedStream | null {
  const path = paths(stateDirectory);
  const marker = disk.readFile(path.marker);
  const bytes = disk.readFile(path.state);
  if (marker === null || bytes === null) return null;
  const { streamStateSha256 } = decodeChecked(marker, path.marker) as { streamStateSha256: string };
  // A damaged file says so by itself; one of another stop is no clean stop.
  const state = decodeChecked(bytes, path.state) as StreamState;
  if (streamStateSha256 !== sha256(bytes)) return null;
  const backlog = disk.readFile(path.backlog) ?? new Uint8Array(0);
  const found = sha256(backlog);
  if (backlog.length !== state.backlogBytes || found !== state.backlogSha256) {
    throw new CorruptionError(
      'ERR_STATE_CORRUPT',
      `${path.backlog} is damaged: expected ${state.backlogBytes} bytes with SHA-256 ${state.backlogSha256}, found ${backlog.length} bytes with ${found}`,
      {
        hint: 'promote the secondary, or "start --standalone" to serve these volumes without their copy',
      },
    );
  }
  return { state, backlog };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function writeAt(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => file.write([bytes], position, (error) => (error === null ? resolve() : reject(error))));
}
