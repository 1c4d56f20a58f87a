/** The messages between a secondary and its peer (DESIGN section 8): how far records are held, and which are needed no more. */
import type { PeeredFacts, PeerFacts } from '../model/peer.ts';
import { ID_MAX } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { writeId } from './fields.ts';
import { GENERATIONS, GEOMETRY, VOLUMES } from './fact-shapes.ts';
import { HELD_BODY, HELD_BYTES, offsetsOf, RELEASE_BODY, RELEASE_BYTES } from './layout.ts';
import { beginMessage } from './message-frame.ts';
import type { MessageReader } from './message-frame.ts';
import type {
  FetchedMessage,
  HeldMessage,
  PeerControlMessage,
  PeerHandshakeMessage,
  PeerHelloMessage,
  PeerWelcomeMessage,
  ReleaseMessage,
} from './messages.ts';
import { hex, integer, list, nullable, object, text, word } from './shape.ts';
import type { Shape } from './shape.ts';

const HELD_AT = offsetsOf(HELD_BODY);
const RELEASE_AT = offsetsOf(RELEASE_BODY);
const U32_MAX = 0xffff_ffff;
const id = integer(0, ID_MAX);
const name = text(LIMITS.volumeNameBytesMax);

const PEER_FACTS: Shape<PeerFacts> = object<PeerFacts>(
  {
    protocolVersion: integer(1, 255),
    role: word('peer'),
    groupName: name,
    groupId: nullable(hex(32)),
    stream: nullable(hex(16)),
    generation: nullable(integer(0, U32_MAX)),
    session: hex(16),
    regionId: hex(32),
    hold: word('memory', 'durable'),
    regionBytes: id,
    lostRegions: list(hex(32), LIMITS.lostRegionsMax),
    tail: id,
    head: id,
    hostEpoch: id,
  },
  ({ tail, head }) => (tail <= head ? null : `tail ${tail} lies above head ${head}`),
);

const PEERED_FACTS: Shape<PeeredFacts> = object<PeeredFacts>({
  protocolVersion: integer(1, 255),
  role: word('secondary'),
  groupName: name,
  groupId: hex(32),
  generations: GENERATIONS,
  stream: hex(16),
  session: hex(16),
  hostEpoch: id,
  volumes: VOLUMES,
  geometry: GEOMETRY,
});

type Body<Message> = Omit<Message, 'kind'>;

/** The body of each handshake message between a secondary and its peer. */
export const PEER_SHAPES: {
  readonly [Kind in PeerHandshakeMessage['kind']]: Shape<Body<Extract<PeerHandshakeMessage, { kind: Kind }>>>;
} = {
  peerHello: object<Body<PeerHelloMessage>>({ facts: PEER_FACTS }),
  peerWelcome: object<Body<PeerWelcomeMessage>>({ facts: PEERED_FACTS }),
  fetch: object({}),
  fetched: object<Body<FetchedMessage>>({ records: id, unreadable: nullable(text(LIMITS.sentenceBytesMax)) }),
};

/** Encode all but the message's checksum. */
export function encodePeerControl(message: PeerControlMessage): DataView {
  const isHeld = message.kind === 'held';
  const view = beginMessage(message.kind, isHeld ? HELD_BYTES : RELEASE_BYTES);
  writeId(view, isHeld ? HELD_AT.through : RELEASE_AT.through, message.through);
  if (isHeld) writeId(view, HELD_AT.limitBytes, message.limitBytes);
  return view;
}

export function decodeHeld(reader: MessageReader): HeldMessage {
  reader.length(HELD_BYTES, true);
  return { kind: 'held', through: reader.id('through', HELD_AT.through), limitBytes: reader.id('limitBytes', HELD_AT.limitBytes) };
}

export function decodeRelease(reader: MessageReader): ReleaseMessage {
  reader.length(RELEASE_BYTES, true);
  return { kind: 'release', through: reader.id('through', RELEASE_AT.through) };
}
