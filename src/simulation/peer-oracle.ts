/** Judges of what a secondary and its peer tell one another, each in the moment in which it is told. @invariant I2 I3 I7 I9 */
import type { PeerFacts } from '../model/peer.ts';
import { RING_OFFSET } from '../peer/nvram/format.ts';
import { MESSAGE_HEADER, MESSAGE_KIND, offsetsOf } from '../record/layout.ts';
import { decodeMessage, isRecordsMessage, type WireMessage } from '../record/wire.ts';
import { hostStatePath } from '../state/host-state.ts';
import { isCovered } from './held-oracle.ts';
import type { History, HistoryRecord } from './history.ts';
import type { PeerHost } from './peer-host.ts';
import { PeerLedger, type PeerLink, type Region } from './peer-ledger.ts';
import { NVRAM_PATH, STATE_DIRECTORY } from './setting.ts';
import type { SecondaryHost } from './secondary-host.ts';
import type { SimulatedSocket } from './socket.ts';
import { recordsOf } from './stray.ts';
import type { Life } from './virtual-time.ts';
import { violated } from './violation.ts';

const KIND_AT = offsetsOf(MESSAGE_HEADER).kind;

export interface PeerOracleOptions {
  readonly secondaryOf: (life: Life) => SecondaryHost | null;
  readonly peerOf: (life: Life) => PeerHost | null;
}

export class PeerOracle {
  readonly ledger = new PeerLedger();
  readonly #options: PeerOracleOptions;

  constructor(options: PeerOracleOptions) {
    this.#options = options;
  }

  /** A message between the two leaves its host. */
  sending(from: SimulatedSocket, parts: readonly Uint8Array[]): void {
    const secondary = this.#options.secondaryOf(from.life);
    const peer = this.#options.peerOf(from.life);
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    if (secondary !== null) this.#fromSecondary(secondary, from, bytes);
    else if (peer !== null) this.#fromPeer(peer, from, bytes);
  }

  /** A message between the two arrives, and is not looked at yet. */
  arriving(to: SimulatedSocket, bytes: Uint8Array): void {
    if (to.state !== 'open') return;
    const kind = bytes[KIND_AT];
    if (kind !== MESSAGE_KIND.held && kind !== MESSAGE_KIND.release) return;
    const message = decodeMessage(bytes);
    if (message.kind === 'held') {
      const link = this.ledger.linkOf(to);
      if (link !== null) link.heldHeard = Math.max(link.heldHeard, message.through);
    } else if (message.kind === 'release') {
      const link = this.ledger.linkOf(to.peer);
      if (link !== null) link.region.released = Math.max(link.region.released, message.through);
    }
  }

  #fromSecondary(host: SecondaryHost, from: SimulatedSocket, bytes: Uint8Array): void {
    const link = this.ledger.linkOf(from);
    if (link === null) return;
    if (isRecordsMessage(bytes)) {
      this.ledger.sent(link, historyRecords(host.history, bytes, 'mirrors'));
      host.around.counters.mirrored += 1;
      return;
    }
    const message = decodeMessage(bytes);
    if (message.kind === 'release') judgeRelease(host, link, message.through);
    else if (message.kind === 'fetch') {
      link.fetched = new Set();
      host.around.counters.fetches += 1;
    }
  }

  #fromPeer(host: PeerHost, from: SimulatedSocket, bytes: Uint8Array): void {
    const link = this.ledger.linkOf(from.peer);
    const secondary = from.peer === null ? null : this.#options.secondaryOf(from.peer.life);
    if (isRecordsMessage(bytes)) {
      if (link?.fetched == null || secondary === null) return violated('protocol', 'the peer sends records that nobody asked for');
      for (const { sequence } of historyRecords(secondary.history, bytes, 'gives back')) link.fetched.add(sequence);
      return;
    }
    const message = decodeMessage(bytes);
    if (message.kind === 'violation') violated('protocol', `the peer sent a message that breaks the protocol: ${message.violation}`);
    if (message.kind === 'peerHello' && from.peer !== null) {
      judgeHello(host, this.ledger, message.facts);
      this.ledger.met(from.peer, message.facts);
    } else if (link !== null && message.kind === 'held') judgeHeldTold(host, link, message);
    else if (link !== null && message.kind === 'fetched') judgeFetched(this.ledger, link, message);
  }
}

/** Records on their way: each is one that the primary gave, byte for byte. @invariant I9 */
function historyRecords(history: History, message: Uint8Array, what: string): HistoryRecord[] {
  return recordsOf(message).map(({ sequence, dataSet, offset, encodedBytes }) => {
    const record = history.records[sequence];
    if (record === undefined || Buffer.compare(record.bytes, message.subarray(offset, offset + encodedBytes)) !== 0)
      violated('I9 end to end', `somebody ${what} a record ${sequence} of data set ${dataSet} that the primary never gave`);
    return record;
  });
}

/** Every record below is durable in its journal, or below the durable watermark. @invariant I3 */
function judgeRelease(host: SecondaryHost, { region, base, sent }: PeerLink, through: number): void {
  for (let ordinal = region.released; ordinal < through; ordinal += 1) {
    const record = ordinal < base ? region.records.get(ordinal) : sent[ordinal - base];
    if (record !== undefined && host.promises.wasTold(record.sequence) && !isCovered(host, record))
      violated('I3 release', `number ${record.sequence} of data set ${record.dataSet} is released before its journal has it durably`);
  }
}

/** The region has what the peer says that it holds, and durably, if that is its kind. @invariant I2 */
function judgeHeldTold(host: PeerHost, { region, base, sent }: PeerLink, { through }: Extract<WireMessage, { kind: 'held' }>): void {
  if (through > base + sent.length) violated('I2 held', `the peer holds records through ${through}; ${base + sent.length} were sent`);
  const fresh: HistoryRecord[] = [];
  for (let ordinal = through - 1; ordinal >= base && !region.held.has(ordinal); ordinal -= 1) {
    fresh.push(sent[ordinal - base] as HistoryRecord);
    region.held.add(ordinal);
  }
  if (fresh.length > 0) judgeInRegion(host, region, fresh);
}

function judgeInRegion(host: PeerHost, { hold }: Region, records: readonly HistoryRecord[]): void {
  const bytes = host.disk.image(NVRAM_PATH, hold === 'durable' ? 'durable' : 'cached')?.bytes();
  if (bytes === undefined) return violated('I2 held', 'a peer without a region holds records');
  const region = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const record of records) {
    if (!isIn(region, record.bytes))
      violated('I2 held', `number ${record.sequence} of data set ${record.dataSet} is told to be held, and the region does not have it`);
  }
}

/** Whether a record stands in the ring, which may go on at its beginning. */
function isIn(region: Buffer, encoded: Uint8Array): boolean {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length);
  if (region.includes(bytes, RING_OFFSET)) return true;
  const seam = Buffer.concat([region.subarray(-encoded.length), region.subarray(RING_OFFSET, RING_OFFSET + encoded.length)]);
  return seam.includes(bytes);
}

/** What a peer says of its region after a restart. @invariant I2 I7 */
function judgeHello(host: PeerHost, ledger: PeerLedger, facts: PeerFacts): void {
  const state = Buffer.from(host.disk.image(hostStatePath(STATE_DIRECTORY), 'durable')?.bytes() ?? new Uint8Array(0)).toString();
  if (!state.includes(`"id": "${facts.regionId}"`))
    violated('I2 held', `region ${facts.regionId} is not the one of the peer's durable state`);
  for (const region of ledger.regions.values()) {
    if (region.id !== facts.regionId) {
      if (!facts.lostRegions.includes(region.id)) violated('I2 held', `the peer does not say that region ${region.id} is lost`);
      if (!region.lost) violated('I2 held', `the peer gives up region ${region.id}, which was not lost`);
    } else if (region.lost)
      violated('I2 held', `region ${region.id} was in memory, the power was cut, and the peer says that it is still there`);
    else {
      for (const [ordinal] of ledger.owed(region))
        if (ordinal >= facts.head) violated('I2 held', `the region ends at ${facts.head}; ${ordinal} was told to be held`);
      if (facts.tail > region.released)
        violated('I2 held', `the region begins at ${facts.tail}; released was only what is below ${region.released}`);
    }
  }
}

/** A fetch brings everything that the region owes; behind it a kill may have left a part of a message. @invariant I2 */
function judgeFetched(ledger: PeerLedger, { region, fetched }: PeerLink, { unreadable }: Extract<WireMessage, { kind: 'fetched' }>): void {
  if (region.lost || fetched === null) return;
  for (const [ordinal, record] of ledger.owed(region)) {
    if (!fetched.has(record.sequence))
      violated(
        'I2 held',
        `the peer does not give back number ${record.sequence} of data set ${record.dataSet}, which it holds as ${ordinal}: ${unreadable ?? 'and says that this is all'}`,
      );
  }
}
