/**
 * Dials a WebSocket whose bulk direction, server to client, does not pass the receiver of ws: the socket reads into one slab, and whole
 * binary messages go from there to whoever listens for 'message'. Handshake, control frames, close, errors and all that is sent stay ws's.
 *
 * A message of records is a view into the slab, valid until its listener returns; every other message is its listener's own.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { LIMITS } from '../model/limits.ts';
import { isRecordsMessage } from '../record/wire.ts';
import { FrameReader } from './frame-reader.ts';

/** Holds the largest message that a primary makes: a batch, or one record alone. */
const SLAB_BYTES = LIMITS.recordDataBytesMax + LIMITS.batchBytesMax;

/** Begin to connect. `ws://host:port` or `ws+unix:/path` */
export function dialSocket(address: string): WebSocket {
  let direct: { readonly socket: Socket; readonly reader: FrameReader } | null = null;
  const webSocket: WebSocket = new WebSocket(address, {
    perMessageDeflate: false,
    maxPayload: LIMITS.messageBytesMax,
    handshakeTimeout: LIMITS.handshakeMs,
    // ws gives the options of an HTTP request; those of a Unix socket have another name there.
    createConnection: ((options: NetConnectOpts & { socketPath?: string }) => {
      let hasRoom = true;
      const reader = new FrameReader({
        slabBytes: SLAB_BYTES,
        messageBytesMax: LIMITS.messageBytesMax,
        deliver: (message) => {
          webSocket.emit('message', isRecordsMessage(message) ? message : Buffer.from(message), true);
        },
        pass: (bytes) => {
          hasRoom = socket.push(bytes);
        },
      });
      const onread = {
        buffer: () => reader.buffer(),
        callback: (bytes: number): boolean => {
          hasRoom = true;
          reader.took(bytes);
          return hasRoom;
        },
      };
      const socket: Socket = connect({ ...options, path: options.socketPath, onread } as NetConnectOpts);
      direct = { socket, reader };
      return socket;
    }) as typeof connect,
  });
  webSocket.once('open', () => {
    // Frames that came in one piece with the handshake wait in the socket for the receiver, which then keeps the rest too.
    if (direct !== null && direct.socket.readableLength === 0) direct.reader.begin();
  });
  return webSocket;
}
