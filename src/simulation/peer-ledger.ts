/**
 * What a secondary and its peer have told one another, kept beside them by the simulation: which record has which ordinal in which region,
 * how far a session of the peer said that it holds them, how far they were released. The judges go by this, never by what a host believes.
 */
import type { Ordinal, RegionHold, RegionId } from '../model/peer.ts';
import type { SequenceNumber } from '../model/ids.ts';
import type { HistoryRecord } from './history.ts';
import type { SimulatedSocket } from './socket.ts';

export interface Region {
  readonly id: RegionId;
  readonly hold: RegionHold;
  /** What stands, or stood, at each ordinal, as far as it is known. */
  readonly records: Map<Ordinal, HistoryRecord>;
  readonly ordinals: Map<SequenceNumber, Ordinal>;
  /** What the peer has said that it holds; of what it does not say so it may lose any part. */
  readonly held: Set<Ordinal>;
  /** The peer has heard of everything below that it may forget it. */
  released: Ordinal;
  /** What it holds may be gone: the power was cut, and it promised nothing else. */
  lost: boolean;
}

/** One link between the two, named by the secondary's end. */
export interface PeerLink {
  readonly region: Region;
  /** Ordinal of the first record that the secondary sends on it. */
  readonly base: Ordinal;
  readonly sent: HistoryRecord[];
  /** What the secondary has heard of it. */
  heldHeard: Ordinal;
  /** Numbers that came back after a `fetch`; null: nobody asked. */
  fetched: Set<SequenceNumber> | null;
}

export class PeerLedger {
  readonly regions = new Map<RegionId, Region>();
  readonly #links = new Map<SimulatedSocket, PeerLink>();

  /** The peer says hello on a link. */
  met(end: SimulatedSocket, facts: { readonly regionId: RegionId; readonly hold: RegionHold; readonly head: Ordinal }): PeerLink {
    const region = this.regionOf(facts.regionId, facts.hold);
    const link: PeerLink = { region, base: facts.head, sent: [], heldHeard: facts.head, fetched: null };
    this.#links.set(end, link);
    return link;
  }

  regionOf(id: RegionId, hold: RegionHold): Region {
    const known = this.regions.get(id);
    if (known !== undefined) return known;
    const region: Region = { id, hold, records: new Map(), ordinals: new Map(), held: new Set(), released: 0, lost: false };
    this.regions.set(id, region);
    return region;
  }

  linkOf(end: SimulatedSocket | null): PeerLink | null {
    return (end === null ? undefined : this.#links.get(end)) ?? null;
  }

  /** Records go out on a link, and get the next ordinals of its region. */
  sent({ region, base, sent }: PeerLink, records: readonly HistoryRecord[]): void {
    for (const record of records) {
      const ordinal = base + sent.length;
      sent.push(record);
      // What stood there before was never held: the region has it no more.
      region.records.set(ordinal, record);
      region.ordinals.set(record.sequence, ordinal);
    }
  }

  /** The link on which a record was told to be held, and which the secondary has not lost: the peer's current session has it. */
  holderOf(sequence: SequenceNumber, owner: { readonly name: string }): PeerLink | null {
    for (const [end, link] of this.#links) {
      if (end.life !== owner || end.state !== 'open') continue;
      const index = link.sent.findLastIndex((record) => record.sequence === sequence);
      if (index >= 0 && link.base + index < link.heldHeard) return link;
    }
    return null;
  }

  /** Whether a region that is there still has this record: told to be held, not released, and not lost. */
  has(sequence: SequenceNumber): boolean {
    for (const { records, ordinals, held, released, lost } of this.regions.values()) {
      const ordinal = ordinals.get(sequence);
      if (!lost && ordinal !== undefined && ordinal >= released && held.has(ordinal) && records.get(ordinal)?.sequence === sequence)
        return true;
    }
    return false;
  }

  /** What the region must still have when it is read: the peer said so, and was not told to forget it. */
  *owed({ records, held, released }: Region): Generator<[Ordinal, HistoryRecord]> {
    for (const ordinal of held) {
      const record = records.get(ordinal);
      if (record !== undefined && ordinal >= released) yield [ordinal, record];
    }
  }
}
