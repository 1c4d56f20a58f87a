/** The messages with which two hosts meet: JSON bodies, strictly checked. What they mean is judged by `protocol/handshake.ts`. */
import type { Head, HeldFacts, PrimaryFacts, SecondaryFacts, UnacknowledgedDataSet } from '../model/handshake.ts';
import { ID_MAX } from '../model/ids.ts';
import type { HistoryPoint } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { GENERATIONS, GEOMETRY, VOLUMES } from './fact-shapes.ts';
import { BITMAP_BYTES_MAX, heldDataSetFault } from './held-data-set.ts';
import type {
  HandshakeMessage,
  HelloMessage,
  RefuseMessage,
  SupersededAcknowledgedMessage,
  SupersededMessage,
  WelcomeMessage,
} from './messages.ts';
import { PEER_SHAPES } from './peer-messages.ts';
import { bitmap, hex, integer, list, nullable, object, text, UNPRINTABLE, word } from './shape.ts';
import type { Shape } from './shape.ts';
import { violate } from './violation.ts';
import type { Violation } from './violation.ts';

const U32_MAX = 0xffff_ffff;
const id = integer(0, ID_MAX);
/** Milliseconds since 1970, up to the last of which a date can be made. */
const timeMs = integer(0, 8.64e15);
const name = text(LIMITS.volumeNameBytesMax);

const HISTORY_POINT: Shape<HistoryPoint> = object<HistoryPoint>({ dataSet: id, finalSequence: id, chain: hex(32) });

const HELD: Shape<HeldFacts> = object<HeldFacts>(
  {
    dataSet: id,
    firstSequence: id,
    finalSequence: nullable(id),
    received: bitmap(BITMAP_BYTES_MAX),
    durable: bitmap(BITMAP_BYTES_MAX),
    digest: hex(32),
  },
  heldDataSetFault,
);

const UNACKNOWLEDGED: Shape<UnacknowledgedDataSet> = object<UnacknowledgedDataSet>({
  dataSet: id,
  firstSequence: id,
  finalSequence: nullable(id),
  acknowledged: bitmap(BITMAP_BYTES_MAX),
});

const HEAD: Shape<Head> = object<Head>({ dataSet: id, sequence: integer(-1, ID_MAX), bytes: id, timeMs });

const SECONDARY_FACTS: Shape<SecondaryFacts> = object<SecondaryFacts>({
  protocolVersion: integer(1, 255),
  role: word('secondary'),
  groupName: name,
  groupId: nullable(hex(32)),
  generations: GENERATIONS,
  stream: nullable(hex(16)),
  session: hex(16),
  lastPrimarySession: nullable(hex(16)),
  hostEpoch: id,
  volumes: VOLUMES,
  geometry: GEOMETRY,
  watermark: nullable(HISTORY_POINT),
  complete: list(HISTORY_POINT, LIMITS.slotsMax, 'dataSet'),
  held: list(HELD, LIMITS.slotsMax, 'dataSet'),
});

const PRIMARY_FACTS: Shape<PrimaryFacts> = object<PrimaryFacts>({
  protocolVersion: integer(1, 255),
  role: word('primary'),
  state: word('serving', 'stopping', 'failed', 'superseded', 'standalone'),
  groupName: name,
  groupId: hex(32),
  generations: GENERATIONS,
  stream: hex(16),
  session: hex(16),
  sessionFirstSequence: id,
  hostEpoch: id,
  volumes: VOLUMES,
  dataSetBytesMax: id,
  dataSetRecordsMax: id,
  chains: list(HISTORY_POINT, 2 * LIMITS.slotsMax, 'dataSet'),
  acknowledged: nullable(HISTORY_POINT),
  unacknowledged: list(UNACKNOWLEDGED, LIMITS.unacknowledgedDataSetsMax, 'dataSet'),
  head: HEAD,
});

type Body<Message> = Omit<Message, 'kind'>;

/** The body of each handshake message: every field that may stand in it. */
export const HANDSHAKE_SHAPES: { readonly [Kind in HandshakeMessage['kind']]: Shape<Body<Extract<HandshakeMessage, { kind: Kind }>>> } = {
  hello: object<Body<HelloMessage>>({ linkKey: integer(0, U32_MAX), facts: SECONDARY_FACTS }),
  welcome: object<Body<WelcomeMessage>>({ facts: PRIMARY_FACTS }),
  ready: object({}),
  refuse: object<Body<RefuseMessage>>({
    outcome: word('refuse', 'wait'),
    label: text(LIMITS.labelBytesMax),
    sentence: text(LIMITS.sentenceBytesMax),
  }),
  superseded: object<Body<SupersededMessage>>({ groupId: hex(32), generations: GENERATIONS, hostEpoch: id, promotedAtMs: timeMs }),
  supersededAcknowledged: object<Body<SupersededAcknowledgedMessage>>({ groupId: hex(32) }),
  ...PEER_SHAPES,
};

/** The shape of a body whose kind is known at run time only; kind and body belong together by HANDSHAKE_SHAPES. */
function shapeOf(kind: HandshakeMessage['kind']): Shape<object> {
  return HANDSHAKE_SHAPES[kind] as unknown as Shape<object>;
}

/** Encode the body of a handshake message. */
export function encodeHandshakeBody(message: HandshakeMessage): Uint8Array {
  const shape = shapeOf(message.kind);
  return new TextEncoder().encode(JSON.stringify(shape.toJson(printable(message))));
}

/** Words that quote paths and errors must reach the other host all the same: make them text that its shape accepts. */
function printable(message: HandshakeMessage): HandshakeMessage {
  if (message.kind === 'fetched' && message.unreadable !== null)
    return { ...message, unreadable: printableText(message.unreadable, LIMITS.sentenceBytesMax) };
  if (message.kind !== 'refuse') return message;
  return {
    ...message,
    label: printableText(message.label, LIMITS.labelBytesMax),
    sentence: printableText(message.sentence, LIMITS.sentenceBytesMax),
  };
}

function printableText(words: string, bytesMax: number): string {
  const line = words.replace(UNPRINTABLE, ' ') || '-';
  const bytes = Buffer.from(line);
  if (bytes.length <= bytesMax) return line;
  // Do not end inside a character: bytes 10xxxxxx continue one.
  let end = bytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

/** Decode and check the body of a handshake message. Never throws. */
export function decodeHandshakeBody(kind: HandshakeMessage['kind'], body: Uint8Array): HandshakeMessage | Violation {
  const shape = shapeOf(kind);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch (thrown) {
    return violate('json', thrown instanceof Error ? thrown.message : String(thrown));
  }
  const fault = shape.check(value, kind);
  if (fault !== null) return violate('field', fault);
  return { kind, ...shape.fromJson(value) } as HandshakeMessage;
}
