/**
 * A link that stalls for one record of one data set: everything else arrives. On a real host the record would be on another link that
 * does not move; the primary sends it again only when that link is lost, and until then the data set stays partial.
 */
import { WebSocket } from 'ws';
import { LIMITS } from '../../model/limits.ts';
import type { Connect } from '../../link/link-dialer.ts';
import { RecordReader } from '../../record/record.ts';
import { isRecordsMessage } from '../../record/wire.ts';
import type { CrashWatch } from './crash-watch.ts';

/** Dial as ever, and let the watch's point say what does not arrive. */
export function withholdingConnect(watch: CrashWatch): Connect {
  return (address) => {
    const options = { perMessageDeflate: false, maxPayload: LIMITS.messageBytesMax, handshakeTimeout: LIMITS.handshakeMs };
    return new WithholdingSocket(address, options, watch);
  };
}

class WithholdingSocket extends WebSocket {
  readonly #watch: CrashWatch;

  constructor(address: string, options: ConstructorParameters<typeof WebSocket>[2], watch: CrashWatch) {
    super(address, options);
    this.#watch = watch;
  }

  override emit(event: string | symbol, ...values: unknown[]): boolean {
    const [data, isBinary] = values;
    if (event !== 'message' || isBinary !== true || !(data instanceof Uint8Array) || !isRecordsMessage(data))
      return super.emit(event, ...values);
    const rest = withhold(data, this.#watch);
    return rest === null || super.emit(event, rest, true);
  }
}

/** The message without the record that is withheld; null when nothing else was in it. */
export function withhold(message: Uint8Array, watch: CrashWatch): Uint8Array | null {
  const { withhold: what, destaged = 0 } = watch.point;
  if (what === undefined) return message;
  const reader = new RecordReader(message);
  const kept: Uint8Array[] = [];
  let offset = 0;
  while (offset < message.length) {
    const record = reader.readAt(offset, message.length);
    if (record.kind !== 'record') return message;
    const { dataSet, sequence, firstSequence, type, encodedBytes } = record;
    if (watch.withheldFrom === null && watch.destaged >= destaged && sequence === firstSequence) watch.withheldFrom = dataSet;
    const isWithheld = dataSet === watch.withheldFrom && (what === 'sync' ? type === 'sync' : sequence === firstSequence + 1);
    if (!isWithheld) kept.push(message.subarray(offset, offset + encodedBytes));
    offset += encodedBytes;
  }
  return kept.length === 0 ? null : Buffer.concat(kept);
}
