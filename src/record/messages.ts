/** The messages of a link as values; wire.ts encodes and decodes them. The primary and the secondary of a link each send some. */
import type { Head, HeldDataSet, PrimaryFacts, SecondaryFacts } from '../model/handshake.ts';
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
  /** Milliseconds since 1970, by the promoted host's clock. */
  readonly promotedAtMs: number;
}

/** The old primary's answer, after it made the notice durable. */
export interface SupersededAcknowledgedMessage {
  readonly kind: 'supersededAcknowledged';
  readonly groupId: GroupId;
}

export type ControlMessage = AcknowledgeMessage | RejectMessage | HeadMessage | RequestProgressMessage | ProgressMessage;
export type HandshakeMessage =
  | HelloMessage
  | WelcomeMessage
  | ReadyMessage
  | RefuseMessage
  | SupersededMessage
  | SupersededAcknowledgedMessage;
export type WireMessage = RecordsMessage | ControlMessage | HandshakeMessage;
