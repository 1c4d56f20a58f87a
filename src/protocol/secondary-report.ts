/** What the secondary machine tells about itself: for the handshake, for progress, for status. Nothing here changes it. */
import { assert } from '../model/assert.ts';
import type { HeldDataSet, HeldFacts } from '../model/handshake.ts';
import type { DataSetId, HistoryPoint, SequenceNumber } from '../model/ids.ts';
import type { DataSetRing } from './data-set-ring.ts';
import { digestHeld } from './held-digest.ts';
import type { HashChain, SecondaryPositions } from './secondary-contract.ts';

/**
 * Export what is held of every active data set, ascending. `durable` is what may be acknowledged: journaled, or held by the current
 * session of the peer.
 */
export function heldDataSets(ring: DataSetRing): HeldDataSet[] {
  const held: HeldDataSet[] = [];
  for (const set of ring.active()) {
    held.push({
      dataSet: set.dataSet,
      firstSequence: set.firstSequence,
      finalSequence: set.finalSequence,
      received: set.received.toBytes(set.heldBits),
      durable: union(set.durable.toBytes(set.heldBits), set.held.toBytes(set.heldBits)),
    });
  }
  return held;
}

/** The same for a handshake, with the proof of which commands they are. */
export function heldFacts(ring: DataSetRing, hashChain: HashChain): HeldFacts[] {
  return heldDataSets(ring).map((held) => {
    const digest = digestHeld(held.received, ring.find(held.dataSet)?.headerChecksums ?? new Uint32Array(0), hashChain);
    assert(digest !== null, 'what was received has a header checksum');
    return { ...held, digest };
  });
}

/** List the complete data sets above the watermark, ascending. */
export function completePoints(ring: DataSetRing, completeThrough: DataSetId): HistoryPoint[] {
  const points: HistoryPoint[] = [];
  for (const set of ring.active()) {
    if (set.dataSet > completeThrough) break;
    points.push(set.point);
  }
  return points;
}

/** Count active data sets, and those of which numbers are missing. */
export function activityOf(ring: DataSetRing): { active: number; partial: number } {
  let active = 0;
  let partial = 0;
  for (const set of ring.active()) {
    active += 1;
    if (!set.isWhole) partial += 1;
  }
  return { active, partial };
}

/** Tell the positions of OPERATOR's status; null before the first. */
export function positionsOf(
  ring: DataSetRing,
  completed: { readonly dataSet: DataSetId; readonly finalSequence: SequenceNumber },
): SecondaryPositions {
  const { origin } = ring;
  // Before the first data set there is no position, whatever number the stream begins with.
  const destagedDataSet = origin.dataSet === 0 ? null : origin.dataSet - 1;
  const destagedSequence = origin.dataSet === 0 ? null : origin.firstSequence - 1;
  const isAnyComplete = completed.dataSet >= 0;
  let received = destagedDataSet;
  let receivedSequence = destagedSequence;
  for (let dataSet = ring.window.highest; dataSet >= ring.window.lowest; dataSet -= 1) {
    const set = ring.find(dataSet);
    if (set === null || set.received.count === 0) continue;
    received = set.dataSet;
    receivedSequence = set.firstSequence + set.received.highest;
    break;
  }
  return {
    received,
    durable: durableThrough(ring) ?? destagedDataSet,
    complete: isAnyComplete ? completed.dataSet : null,
    destaged: destagedDataSet,
    sequence: {
      received: receivedSequence,
      durable: durableSequenceThrough(ring) ?? destagedSequence,
      complete: isAnyComplete ? completed.finalSequence : null,
      destaged: destagedSequence,
    },
  };
}

/** Highest data set whose received records are all durable, with all before; a data set of which nothing came ends the row. */
function durableThrough(ring: DataSetRing): DataSetId | null {
  let through: DataSetId | null = null;
  for (let dataSet = ring.window.lowest; dataSet <= ring.window.highest; dataSet += 1) {
    const set = ring.find(dataSet);
    if (set === null || set.received.count === 0 || set.durable.count < set.received.count) break;
    through = dataSet;
  }
  return through;
}

/** Highest number that is durable with every number before it. */
function durableSequenceThrough(ring: DataSetRing): SequenceNumber | null {
  let through: SequenceNumber | null = null;
  for (let dataSet = ring.window.lowest; dataSet <= ring.window.highest; dataSet += 1) {
    const set = ring.find(dataSet);
    if (set === null) break;
    const bits = set.durable.prefixBits();
    if (bits > 0) through = set.firstSequence + bits - 1;
    if (!set.isWhole) break;
  }
  return through;
}

function union(journaled: Uint8Array, held: Uint8Array): Uint8Array {
  return journaled.map((byte, index) => byte | (held[index] ?? 0));
}
