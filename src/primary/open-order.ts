/** Build the replicated order of a primary from what the clean stop left. */
import type { Application } from '../application/application.ts';
import { CorruptionError } from '../model/errors.ts';
import type { SessionId } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { PrimaryMachine } from '../protocol/primary-machine.ts';
import type { RestoredOutgoing } from '../protocol/primary-contract.ts';
import { RecordReader, SYNC_RECORD_BYTES } from '../record/record.ts';
import type { PrimaryOptions } from './primary-options.ts';
import { ReplicatedOrder } from './replicated-order.ts';
import type { LoadedStream } from './stream-state.ts';
import { writeBytesMaxOf } from './write-parts.ts';

interface BacklogDataSet extends RestoredOutgoing {
  readonly openedAtMs: number;
  readonly records: readonly Uint8Array[];
}

export interface OpenOrderOptions {
  readonly primary: Pick<PrimaryOptions, 'cutPolicy' | 'backlogLimitBytes' | 'flushReply'>;
  readonly application: Application;
  readonly loaded: LoadedStream;
  readonly session: SessionId;
  readonly onFailed: (code: `ERR_${string}`, error: Error) => void;
}

/** @throws CorruptionError ERR_STATE_CORRUPT when the backlog is not what the stream state says. */
export function openReplicatedOrder(options: OpenOrderOptions): ReplicatedOrder {
  const { state } = options.loaded;
  const { cutPolicy, backlogLimitBytes, flushReply } = options.primary;
  const restored = readBacklog(options.loaded);
  const machine = new PrimaryMachine({
    cutPolicy,
    backlogLimitBytes,
    flushReply,
    batchBytesMax: LIMITS.batchBytesMax,
    syncRecordBytes: SYNC_RECORD_BYTES,
    nextDataSet: state.nextDataSet,
    nextSequence: state.nextSequence,
    bytesTaken: state.bytesTaken,
    restored: restored.map(({ dataSet, firstSequence, recordBytes, acknowledged }) => ({
      dataSet,
      firstSequence,
      recordBytes,
      acknowledged,
    })),
    acknowledged: state.acknowledged,
    agreed: state.agreed,
  });
  const order = new ReplicatedOrder({
    application: options.application,
    machine,
    stream: { generation: state.generation, stream: state.stream },
    session: options.session,
    chain: state.chain,
    chains: state.chains,
    acknowledged: state.acknowledged,
    agreed: state.agreed,
    bytesTaken: state.bytesTaken - restored.reduce((sum, set) => sum + set.recordBytes.reduce((a, b) => a + b, 0), 0),
    backlogLimitBytes,
    writeBytesMax: writeBytesMaxOf(Math.min(cutPolicy.maxSizeBytes, state.agreed?.dataSetBytesMax ?? cutPolicy.maxSizeBytes)),
    onFailed: options.onFailed,
  });
  let bytes = state.bytesTaken - restored.reduce((sum, set) => sum + set.recordBytes.reduce((a, b) => a + b, 0), 0);
  for (const set of restored) {
    const buffer = order.openBuffer(set.dataSet, set.firstSequence, set.openedAtMs);
    for (const record of set.records) buffer.appendEncoded(record);
    bytes += set.recordBytes.reduce((a, b) => a + b, 0);
    order.positions.closed({ dataSet: set.dataSet, finalSequence: set.firstSequence + set.recordBytes.length - 1, bytes });
  }
  return order;
}

function readBacklog({ state, backlog }: LoadedStream): BacklogDataSet[] {
  const reader = new RecordReader(backlog);
  let offset = 0;
  return state.dataSets.map((stored) => {
    const records: Uint8Array[] = [];
    let openedAtMs = 0;
    for (let index = 0; index < stored.records; index += 1) {
      const result = reader.readAt(offset, backlog.length);
      if (result.kind !== 'record' || result.sequence !== stored.firstSequence + index) {
        throw new CorruptionError(
          'ERR_STATE_CORRUPT',
          `the backlog holds no record ${stored.firstSequence + index} of data set ${stored.dataSet} at offset ${offset}`,
        );
      }
      if (index === 0) openedAtMs = result.timeUs / 1000;
      records.push(backlog.subarray(offset, offset + result.encodedBytes));
      offset += result.encodedBytes;
    }
    return {
      dataSet: stored.dataSet,
      firstSequence: stored.firstSequence,
      recordBytes: records.map((record) => record.length),
      acknowledged: stored.acknowledged,
      openedAtMs,
      records,
    };
  });
}
