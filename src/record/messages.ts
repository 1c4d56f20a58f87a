/** The messages of a link as values; wire.ts encodes and decodes them. The primary and the secondary of a link each send some. */
import type { Head, HeldDataSet, PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
import type { Ordinal, PeeredFacts, PeerFacts } from '../model/peer.ts';
import type { DataSetId, Generation, GroupId, SequenceNumber, SequenceRange } from '../model/ids.ts';

/** Number of a link that both ends know: chosen by the secondary in `hello`, 32 bits, never used twice in its session. */
export type LinkKey = number;

/** How far the secondary is; null before the first. */
export interface SecondaryProgress {
  readonly received: DataSetId | null;
  readonly durable: DataSetId | null;
  readonly complete: DataSetId | null;
  readonly destaged: DataSetId | null;
  /** Final sequence number of `destaged`. */
  readonly destagedSequence: SequenceNumber | null;
}

/** Primary to secondary: encoded records back to back. */
export interface RecordsMessage {
  readonly kind: 'records';
  readonly encoded: Uint8Array;
}

/** Secondary to primary: these numbers are durable (I2); without ranges it is the keep-alive. Carries the window (I6). */
export interface AcknowledgeMessage {
  readonly kind: 'acknowledge';
  readonly windowHigh: DataSetId;
  readonly positions: SecondaryProgress;
  readonly ranges: readonly SequenceRange[];
}

/** Secondary to primary: this record was not taken. */
export interface RejectMessage {
  readonly kind: 'reject';
  readonly reason: 'window' | 'checksum';
  readonly dataSet: DataSetId;
  readonly sequence: SequenceNumber;
  readonly windowHigh: DataSetId;
}

/** Primary to secondary: the head, and the primary's keep-alive. */
export interface HeadMessage {
  readonly kind: 'head';
  readonly head: Head;
}

/** Primary to secondary: these links are lost; close them too, then say what was received. */
export interface RequestProgressMessage {
  readonly kind: 'requestProgress';
  readonly closedLinks: readonly LinkKey[];
}

/** Secondary to primary: the answer; nothing can arrive on the closed links any more. */
export interface ProgressMessage {
  readonly kind: 'progress';
  readonly closedLinks: readonly LinkKey[];
  readonly destaged: DataSetId | null;
  readonly windowHigh: DataSetId;
  /** Ascending. */
  readonly held: readonly HeldDataSet[];
}

/** Secondary to primary, first on every link. */
export interface HelloMessage {
  readonly kind: 'hello';
  readonly linkKey: LinkKey;
  readonly facts: SecondaryFacts;
}

/** Primary to secondary: the primary's answer to an acceptable hello. */
export interface WelcomeMessage {
  readonly kind: 'welcome';
  readonly facts: PrimaryFacts;
}

/** Secondary to primary: the secondary accepts too; records may flow. */
export interface ReadyMessage {
  readonly kind: 'ready';
}

/** Either way, instead of an answer: why not. */
export interface RefuseMessage {
  readonly kind: 'refuse';
  readonly outcome: 'refuse' | 'wait';
  /** Label of the row of the handshake's decision table. */
  readonly label: string;
  /** For people: what was found and what was expected. */
  readonly sentence: string;
}

/** The promoted host to the old primary, instead of hello (I8). */
export interface SupersededMessage {
  readonly kind: 'superseded';
  readonly groupId: GroupId;
  readonly generations: readonly Generation[];
  /** Of the promoted host: one that another host has replaced is not obeyed. */
  readonly hostEpoch: number;
  /** Milliseconds since 1970, by the promoted host's clock. */
  readonly promotedAtMs: number;
}

/** The old primary's answer, after it made the notice durable. */
export interface SupersededAcknowledgedMessage {
  readonly kind: 'supersededAcknowledged';
  readonly groupId: GroupId;
}

/** Peer to secondary, first on every link of theirs. */
export interface PeerHelloMessage {
  readonly kind: 'peerHello';
  readonly facts: PeerFacts;
}

/** Secondary to peer: the answer to an acceptable peerHello. The peer answers `ready` when it has recorded these facts durably. */
export interface PeerWelcomeMessage {
  readonly kind: 'peerWelcome';
  readonly facts: PeeredFacts;
}

/** Secondary to peer: send every record that you hold, as `records` in ascending ordinals, then `fetched`. */
export interface FetchMessage {
  readonly kind: 'fetch';
}

/** Peer to secondary: everything that can be read of the region was sent. */
export interface FetchedMessage {
  readonly kind: 'fetched';
  readonly records: number;
  /** Null: every record from tail to head was readable. Otherwise where and why reading ended, as one sentence. */
  readonly unreadable: string | null;
}

/** Peer to secondary: what is held (durably, if the region is), and how much more may be sent; also the peer's keep-alive. */
export interface HeldMessage {
  readonly kind: 'held';
  /** Every record of this link with an ordinal below this one is held. */
  readonly through: Ordinal;
  /** Encoded bytes of records, plus `LIMITS.regionOverheadBytes` for each message, that the secondary may send on this link in all. */
  readonly limitBytes: number;
}

/** Secondary to peer: every record below this ordinal is durable in its journal, and is needed no more; also the secondary's keep-alive. */
export interface ReleaseMessage {
  readonly kind: 'release';
  readonly through: Ordinal;
}

/** Between a secondary and its peer; `records`, `ready` and `refuse` travel there too. */
export type PeerHandshakeMessage = PeerHelloMessage | PeerWelcomeMessage | FetchMessage | FetchedMessage;
export type PeerControlMessage = HeldMessage | ReleaseMessage;

export type ControlMessage =
  | AcknowledgeMessage
  | RejectMessage
  | HeadMessage
  | RequestProgressMessage
  | ProgressMessage
  | PeerControlMessage;
export type HandshakeMessage =
  | HelloMessage
  | WelcomeMessage
  | ReadyMessage
  | RefuseMessage
  | SupersededMessage
  | SupersededAcknowledgedMessage
  | PeerHandshakeMessage;
export type WireMessage = RecordsMessage | ControlMessage | HandshakeMessage;
