/**
 * One client: socket -> negotiation -> transmission -> backend, and its replies back.
 *
 * What one read of the socket brings is submitted to the backend in one call. Replies are gathered and leave in one socket
 * write per turn of the event loop. A request is *under way* from its admission until its reply was handed to the kernel, so
 * the limits of requests and bytes also bound what waits for a client that does not read. When they are reached, the socket
 * is not read any more. When the client dies, requests at the backend finish silently and their buffers go back.
 */
import type { Socket } from 'node:net';
import { assert } from '../model/assert.ts';
import { LIMITS } from '../model/limits.ts';
import type { BufferPool, PooledBuffer } from './buffer-pool.ts';
import { ConnectionRequest } from './connection-request.ts';
import { NBD_ERRNO } from './contract.ts';
import type { NbdBackend, NbdErrno, NbdExport } from './contract.ts';
import { errnoName, isViolation } from './counters.ts';
import type { NbdCounters, NbdEndReason } from './counters.ts';
import type { Slab, SlabReceiver, SlabSink } from './slab-receiver.ts';
import { Negotiation } from './negotiation.ts';
import type { NbdAgreement } from './negotiation.ts';
import { ReplyQueue } from './reply-queue.ts';
import type { ReplyBatch } from './reply-queue.ts';
import { TransmissionParser } from './transmission.ts';
import type { RequestHeader, TransmissionFacts, TransmissionSink } from './transmission.ts';

/** What the connections of one server share. */
export interface ConnectionContext {
  readonly backend: NbdBackend;
  readonly pool: BufferPool;
  readonly counters: NbdCounters;
  /** Ask for `flush` of this connection at the end of this turn of the event loop. */
  flushLater(connection: NbdConnection): void;
  /** The socket is closed; called once. */
  ended(connection: NbdConnection, reason: NbdEndReason): void;
}

export class NbdConnection implements TransmissionSink, SlabSink {
  readonly id: number;
  readonly peer: string;
  readonly #socket: Socket;
  readonly #receiver: SlabReceiver | null;
  /** The slab that is being parsed now. */
  #slab: Slab | null = null;
  readonly #context: ConnectionContext;
  readonly #exports: readonly NbdExport[];
  readonly #negotiation: Negotiation;
  readonly #replies: ReplyQueue;
  readonly #negotiationTimer: NodeJS.Timeout;
  #parser: TransmissionParser | null = null;
  #facts: TransmissionFacts | null = null;
  #agreement: NbdAgreement | null = null;
  /** What one read of the socket brought for the backend. */
  #batch: ConnectionRequest[] = [];
  /** Batches that the socket has not handed to the kernel yet, oldest first. */
  readonly #leaving: ReplyBatch[] = [];
  /** Requests at the backend, and replies that have not left. */
  #atBackend = 0;
  #repliesUnsent = 0;
  #bytesUnderWay = 0;
  #flushAsked = false;
  #closed = false;
  /** The client's end came while requests waited for room. */
  #clientHasEnded = false;
  /** Set as soon as nothing more is read from the client. */
  #endReason: NbdEndReason | null = null;
  readonly #afterWrite: (error?: Error | null) => void;

  /** @param receiver what the socket reads into; null: it has 'data' events */
  constructor(socket: Socket, context: ConnectionContext, identity: { id: number; peer: string; receiver: SlabReceiver | null }) {
    this.id = identity.id;
    this.peer = identity.peer;
    this.#socket = socket;
    this.#context = context;
    this.#exports = context.backend.exports();
    this.#negotiation = new Negotiation(this.#exports);
    this.#replies = new ReplyQueue(context.pool);
    this.#afterWrite = (error) => this.#written(error);
    this.#negotiationTimer = setTimeout(() => this.#abandon('negotiationTimeout'), LIMITS.handshakeMs);
    this.#receiver = identity.receiver;
    if (this.#receiver === null) socket.on('data', (chunk: Buffer) => this.#data(chunk));
    else this.#receiver.sink = this;
    socket.on('end', () => this.#clientEnded());
    socket.on('error', () => (this.#endReason ??= 'socketError'));
    socket.on('close', () => this.#socketClosed());
    socket.write(this.#negotiation.greeting());
    if (this.#receiver !== null) socket.resume();
  }

  /** True while the backend has requests of this client, or replies have not left. */
  get busy(): boolean {
    return this.#atBackend > 0 || this.#repliesUnsent > 0;
  }

  payloadRest(): Uint8Array | null {
    return this.#endReason === null && this.#parser !== null ? this.#parser.payloadRest() : null;
  }

  payloadReceived(lengthBytes: number): void {
    if (this.#endReason !== null) return;
    this.#parser?.payloadReceived(lengthBytes);
    this.#submit();
  }

  chunkReceived(chunk: Buffer, slab: Slab): void {
    // Options are few and are kept until they are whole.
    if (this.#parser === null) return this.#data(Buffer.from(chunk));
    if (this.#endReason !== null) return;
    this.#slab = slab;
    this.#parser.push(chunk);
    this.#slab = null;
    if (this.#parser.stopped) this.#parser.keepUnparsed();
    this.#submit();
  }

  #data(chunk: Buffer): void {
    if (this.#endReason !== null) return;
    if (this.#parser === null) return this.#negotiate(chunk);
    this.#parser.push(chunk);
    this.#submit();
  }

  #negotiate(chunk: Buffer): void {
    const { reply, outcome } = this.#negotiation.push(chunk);
    if (reply.length > 0) this.#socket.write(reply);
    if (outcome === null) return;
    if (outcome.kind === 'close') {
      // The timer of the negotiation stays: it ends a client that does not close its side.
      this.#endReason = outcome.reason;
      this.#socket.end();
      return;
    }
    clearTimeout(this.#negotiationTimer);
    const { agreement, rest } = outcome;
    const entry = this.#exports[agreement.exportIndex];
    assert(entry !== undefined, 'a negotiated export exists');
    this.#agreement = agreement;
    const { sizeBytes, readOnly } = entry;
    this.#facts = {
      sizeBytes,
      readOnly,
      structured: agreement.structured,
      allocationContext: agreement.allocationContext,
      shuttingDown: false,
    };
    this.#parser = new TransmissionParser({ facts: this.#facts, sink: this, pool: this.#context.pool });
    this.#data(rest);
  }

  /** Hand what the parser found to the backend, in order and in one call; then read on or not. */
  #submit(): void {
    if (this.#batch.length > 0) {
      const batch = this.#batch;
      this.#batch = [];
      this.#context.backend.submit(batch);
    }
    // What was answered at once leaves at once: a client with one request in flight does not wait for the turn's end.
    this.#sendGathered();
    if (this.#parser?.stopped === true) this.#socket.pause();
    else if (this.#endReason === null && this.#socket.isPaused()) this.#socket.resume();
    this.#endIfDone();
  }

  admits(header: RequestHeader): boolean {
    if (this.#atBackend + this.#repliesUnsent >= LIMITS.nbdRequestsInFlightMax) return false;
    return this.#bytesUnderWay === 0 || this.#bytesUnderWay + payloadBytes(header) <= LIMITS.nbdBytesInFlightMax;
  }

  received(header: RequestHeader, payload: Uint8Array | null, pooled: PooledBuffer | null): void {
    const { counters, pool } = this.#context;
    const { command } = header;
    if (command === null) counters.requestsUnknown += 1;
    else counters.requests[command] += 1;

    if (command === 'disconnect') return this.#readNoMore('disconnect');
    if (command === null || header.errno !== NBD_ERRNO.ok) return this.#refuse(header);
    if (command === 'blockStatus') {
      this.#replies.pushBlockStatus(header);
      return this.#replyPushed();
    }
    if (command === 'write') counters.bytesWritten += header.lengthBytes;
    let buffer = pooled;
    let data = payload;
    let slab: Slab | null = null;
    if (command === 'read') {
      buffer = pool.acquire(header.lengthBytes);
      data = buffer.data(header.lengthBytes);
    } else if (payload !== null && pooled === null && this.#slab !== null) {
      if (this.#receiver?.mustCopy === true) {
        buffer = pool.acquire(header.lengthBytes);
        data = buffer.data(header.lengthBytes);
        data.set(payload);
      } else {
        slab = this.#slab;
        slab.uses += 1;
      }
    }
    this.#atBackend += 1;
    this.#bytesUnderWay += payloadBytes(header);
    const exportIndex = this.#agreement?.exportIndex ?? 0;
    this.#batch.push(new ConnectionRequest(this, header, { command, exportIndex, data, pooled: buffer, slab }));
  }

  violated(reason: 'requestMagic'): void {
    this.#abandon(reason);
  }

  /** Turn the backend's answer into a reply that leaves with the others of this turn. */
  requestCompleted(request: ConnectionRequest, errno: NbdErrno): void {
    const { counters, pool } = this.#context;
    const isRead = request.command === 'read';
    const readGood = isRead && errno === NBD_ERRNO.ok;
    this.#atBackend -= 1;
    if (request.data !== null && !readGood) this.#bytesUnderWay -= request.lengthBytes;
    if (request.pooled !== null && (this.#closed || !readGood)) pool.release(request.pooled);
    if (request.slab !== null) this.#receiver?.release(request.slab);
    if (this.#closed) return;
    if (readGood && request.pooled !== null) {
      counters.bytesRead += request.lengthBytes;
      this.#replies.pushRead(request, request.pooled, this.#agreement?.structured === true);
    } else {
      this.#pushStatus(request, { errno, isRead });
    }
    this.#replyPushed();
  }

  #refuse(header: RequestHeader): void {
    this.#pushStatus(header, { errno: header.errno, isRead: header.command === 'read' || header.command === 'blockStatus' });
    this.#replyPushed();
  }

  /** Commands whose success is structured get a structured error too; all others a simple reply. */
  #pushStatus(cookie: { cookieHigh: number; cookieLow: number }, status: { errno: NbdErrno; isRead: boolean }): void {
    const { errno, isRead } = status;
    if (errno !== NBD_ERRNO.ok) this.#context.counters.errors[errnoName(errno)] += 1;
    if (isRead && this.#agreement?.structured === true) this.#replies.pushStructuredError(cookie, errno);
    else this.#replies.pushSimple(cookie, errno);
  }

  #replyPushed(): void {
    this.#repliesUnsent += 1;
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    this.#context.flushLater(this);
  }

  /** At the end of a turn: send what was gathered. Room may have come without a reply leaving (a write's bytes are free when it completes). */
  flush(): void {
    this.#flushAsked = false;
    this.#sendGathered();
    this.#endIfDone();
    this.#readOn();
  }

  /** Send every gathered reply in one socket write. */
  #sendGathered(): void {
    if (this.#closed || this.#replies.empty) return;
    const batch = this.#replies.take();
    this.#leaving.push(batch);
    this.#context.counters.socketWrites += 1;
    this.#context.counters.replies += batch.replies;
    let left = batch.pieces.length;
    const several = left > 1;
    if (several) this.#socket.cork();
    for (const piece of batch.pieces) {
      left -= 1;
      if (left > 0) this.#socket.write(piece);
      else this.#socket.write(piece, this.#afterWrite);
    }
    if (several) this.#socket.uncork();
  }

  #written(error?: Error | null): void {
    // After an error the buffers stay lent until the socket is closed: until then the kernel may still look at them.
    if (this.#closed || (error !== null && error !== undefined)) return;
    const batch = this.#leaving.shift();
    assert(batch !== undefined, 'a written batch was leaving');
    this.#repliesUnsent -= batch.replies;
    this.#bytesUnderWay -= batch.readBytes;
    for (const buffer of batch.buffers) this.#context.pool.release(buffer);
    this.#readOn();
  }

  #readOn(): void {
    if (this.#parser?.stopped !== true || this.#endReason !== null) return;
    this.#parser.resume();
    this.#submit();
    if (this.#clientHasEnded) this.#clientEnded();
  }

  /** Refuse new requests; end as soon as what the backend has is answered. */
  shutDown(): void {
    if (this.#facts === null || this.#parser === null) return this.#abandon('shutdown');
    this.#facts.shuttingDown = true;
    this.#endIfDone();
  }

  /** Close the socket now. */
  destroy(): void {
    this.#abandon('shutdown');
  }

  #readNoMore(reason: NbdEndReason): void {
    this.#endReason ??= reason;
    // The next read could go right into a payload's buffer, which the parser gives back now.
    if (this.#receiver !== null) this.#socket.pause();
    this.#parser?.end();
  }

  /** DISC, the client's end of stream and a clean stop: what is under way is answered first, then the connection is closed. */
  #endIfDone(): void {
    if (this.#closed || this.#atBackend > 0 || this.#batch.length > 0) return;
    if (this.#facts?.shuttingDown === true) this.#readNoMore('shutdown');
    if (this.#parser === null || this.#endReason === null) return;
    this.#sendGathered();
    this.#socket.destroySoon();
  }

  /** The client has closed its side; it may still wait for replies (half-closed), also to requests for which there was no room yet. */
  #clientEnded(): void {
    this.#clientHasEnded = this.#parser?.stopped === true;
    if (this.#clientHasEnded) return;
    if (this.#parser === null) {
      this.#endReason ??= 'hangUp';
      this.#socket.end();
      return;
    }
    this.#readNoMore(this.#parser.insideRequest ? 'truncated' : 'hangUp');
    this.#endIfDone();
  }

  #abandon(reason: NbdEndReason): void {
    this.#endReason ??= reason;
    this.#socket.destroy();
  }

  #socketClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#negotiationTimer);
    const { counters, pool } = this.#context;
    const reason = this.#endReason ?? 'hangUp';
    this.#parser?.end();
    // What was parsed but not submitted never reaches the backend.
    for (const request of this.#batch) {
      if (request.pooled !== null) pool.release(request.pooled);
      if (request.slab !== null) this.#receiver?.release(request.slab);
    }
    this.#batch = [];
    this.#leaving.push(this.#replies.take());
    for (const batch of this.#leaving) for (const buffer of batch.buffers) pool.release(buffer);
    this.#leaving.length = 0;
    this.#receiver?.close();
    this.#repliesUnsent = 0;
    counters.connectionsEnded[reason] += 1;
    if (isViolation(reason)) counters.protocolViolations += 1;
    this.#context.ended(this, reason);
  }
}

/** Bytes that a request keeps in memory while it is under way. */
function payloadBytes(header: RequestHeader): number {
  return header.errno === NBD_ERRNO.ok && (header.command === 'read' || header.command === 'write') ? header.lengthBytes : 0;
}
