/**
 * Take records that the peer held into the journals: after a restart of this host, which fetches them, or in a takeover, where the
 * region is this host's own (DESIGN section 8). They pass the machine like records from the primary: a number that the journals have
 * with other bytes, or one outside the window, is a contradiction, and is never applied.
 */
import { RefusedError } from '../../model/errors.ts';
import type { LinkId } from '../../protocol/secondary-contract.ts';
import type { RecordStream, WireRecord } from '../../record/contract.ts';
import { decodeRecords } from '../../record/wire.ts';
import type { Replica, ReplicaOutlet } from '../replica.ts';

/** No link to a primary has this number. */
export const PEER_LINK: LinkId = 0;

export interface HeldRecordsOptions {
  readonly replica: Replica;
  readonly stream: RecordStream;
  readonly isInside: (record: WireRecord) => boolean;
  /** Where the records come from, for the error. */
  readonly source: string;
}

/** Takes messages of records in, one after another. While it is there the replica answers to nobody else. */
export class HeldRecords implements ReplicaOutlet {
  /** Records that were taken so far. */
  records = 0;
  #contradiction: string | null = null;
  readonly #options: HeldRecordsOptions;
  readonly #before: { readonly duplicates: number; readonly dropped: number };

  constructor(options: HeldRecordsOptions) {
    this.#options = options;
    this.#before = { ...options.replica.machine.counters };
    options.replica.outlet = this;
  }

  /** Those that no journal had and no watermark covers. */
  get added(): number {
    const { counters } = this.#options.replica.machine;
    return this.records - (counters.duplicates - this.#before.duplicates) - (counters.dropped - this.#before.dropped);
  }

  /** What is wrong with the bytes, of which then nothing is taken; null: they are good. @throws RefusedError ERR_PEER_CONTRADICTION */
  take(message: Uint8Array): string | null {
    const { replica, stream, isInside } = this.#options;
    const { records, damaged, violation } = decodeRecords(message, stream);
    const [broken] = damaged;
    if (violation !== null) return violation.violation;
    if (broken !== undefined)
      return `record ${broken.sequence} of data set ${broken.dataSet}: payload checksum expected ${broken.expected}, found ${broken.found}`;
    const outside = records.find((record) => !isInside(record));
    if (outside !== undefined) throw this.#refusal(`record ${outside.sequence} lies outside VLUN ${outside.vlun}`);
    this.records += records.length;
    replica.step({ event: 'recordsReceived', link: PEER_LINK, records });
    if (this.#contradiction !== null) throw this.#refusal(this.#contradiction);
    return null;
  }

  acknowledge(): void {
    // Nobody is told: the handshake with the primary says what is held.
  }

  reject({ dataSet, sequence }: Parameters<ReplicaOutlet['reject']>[0]): void {
    this.#contradiction ??= `record ${sequence} of data set ${dataSet} lies above the window: the journals are older than what was acknowledged`;
  }

  closeLink(_link: LinkId, violation: string): void {
    this.#contradiction ??= violation;
  }

  #refusal(what: string): RefusedError {
    return new RefusedError('ERR_PEER_CONTRADICTION', `${this.#options.source} holds records that contradict this copy: ${what}`, {
      hint: 'nothing of it was destaged; compare with "farshore nvram show" and "farshore journal show" before anything else',
    });
  }
}
