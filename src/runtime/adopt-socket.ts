/**
 * Read an accepted connection into memory of one's own. Node allocates 64 KiB for each read of a socket otherwise, and at a hundred
 * megabytes a second its garbage collector then takes half of a core (docs/performance.md). `onread` is public for sockets that
 * dial; for accepted ones the only way is a second Socket over the first one's handle, as `cluster` does it.
 */
import { Socket } from 'node:net';

/** What `net.Socket` calls for each read. */
export interface ReadInto {
  /** Where the next read goes; asked once at the start, and after each `received`. */
  nextBuffer(): Uint8Array;
  /** The first `lengthBytes` of the buffer given last are filled. */
  received(lengthBytes: number): void;
}

interface Handles {
  _handle?: unknown;
  _server?: unknown;
  server?: unknown;
}

/**
 * Take an accepted socket over, which must be paused and untouched (`pauseOnConnect`): what it receives goes where `into` says.
 * The socket given back has no 'data' events; pause, resume, 'end', 'error' and 'close' are as ever. Null: this Node has no such
 * handle, and `accepted` is as it was.
 */
export function adoptSocket(accepted: Socket, into: ReadInto): Socket | null {
  const from = accepted as Handles;
  const handle = from._handle;
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return null;
  from._handle = null;
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: () => into.nextBuffer(),
      callback: (lengthBytes: number): boolean => {
        into.received(lengthBytes);
        return true;
      },
    },
  };
  const socket = new Socket(options);
  // Its end is counted there, and `close` of the server waits for it.
  const to = socket as Handles;
  to.server = from.server;
  to._server = from._server;
  return socket;
}
