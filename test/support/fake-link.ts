/** Hosts that are none: one end of a link in the test's process, which sends whatever a test wants and keeps what it got. */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { PrimaryFacts, SecondaryFacts } from '../../src/model/handshake.ts';
import { PROTOCOL_VERSION } from '../../src/model/handshake.ts';
import { firstGenerations } from '../../src/protocol/generations.ts';
import { decodeMessage, encodeMessage, type WireMessage } from '../../src/record/wire.ts';
import type { Host } from './host-process.ts';
import { sleep, within } from './host-process.ts';

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

export class FakeLink {
  readonly received: Uint8Array[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  isClosed = false;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (bytes: Buffer) => void this.received.push(bytes));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.once('close', (code: number, reason: Buffer) => {
        this.isClosed = true;
        resolve({ code, reason: reason.toString('utf8') });
      });
    });
  }

  /** Dial a host's replication port. */
  static async dial(url: string): Promise<FakeLink> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new FakeLink(socket);
  }

  send(what: WireMessage | Uint8Array): void {
    this.#socket.send(what instanceof Uint8Array ? what : encodeMessage(what));
  }

  /** Send without a protocol: a text frame. */
  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** The first message of this kind; null when none comes in time. */
  async message<Kind extends WireMessage['kind']>(kind: Kind, timeoutMs = 30_000): Promise<Extract<WireMessage, { kind: Kind }> | null> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      for (const bytes of this.received) {
        const message = decodeMessage(bytes);
        if (message.kind === kind) return message as Extract<WireMessage, { kind: Kind }>;
      }
      if (performance.now() > deadline) return null;
      await sleep(5);
    }
  }

  /** How it was closed; null when it is open after this time. */
  end(timeoutMs = 30_000): Promise<{ readonly code: number; readonly reason: string } | null> {
    return within(this.closed, timeoutMs);
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

/** A replication port behind which no primary is. */
export class FakePrimary {
  readonly url: string;
  readonly links: FakeLink[] = [];
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer, onLink: (link: FakeLink) => void) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      const link = new FakeLink(socket);
      this.links.push(link);
      onLink(link);
    });
  }

  static async open(onLink: (link: FakeLink) => void): Promise<FakePrimary> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    await new Promise<void>((resolve) => server.once('listening', resolve));
    return new FakePrimary(server, onLink);
  }

  async close(): Promise<void> {
    for (const link of this.links) link.terminate();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** What a new secondary with this host's volumes would say. */
export function blankFacts(host: Host, changes: Partial<SecondaryFacts> = {}): SecondaryFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'secondary',
    groupName: host.config.group,
    groupId: null,
    generations: [],
    stream: null,
    session: hex(8),
    lastPrimarySession: null,
    hostEpoch: 0,
    volumes: volumesOf(host),
    geometry: { slots: 8, slotBytes: 33_554_432, capacityBytes: 33_000_000, recordsMax: 65_536 },
    watermark: null,
    complete: [],
    held: [],
    ...changes,
  };
}

/** What a new primary with this host's volumes would say. */
export function newPrimaryFacts(host: Host, changes: Partial<PrimaryFacts> = {}): PrimaryFacts {
  return {
    protocolVersion: PROTOCOL_VERSION,
    role: 'primary',
    state: 'serving',
    groupName: host.config.group,
    groupId: hex(16),
    generations: firstGenerations(hex(8)),
    stream: hex(8),
    session: hex(8),
    sessionFirstSequence: 0,
    hostEpoch: 0,
    volumes: volumesOf(host),
    dataSetBytesMax: 262_144,
    dataSetRecordsMax: 65_536,
    chains: [],
    acknowledged: null,
    unacknowledged: [],
    head: { dataSet: 0, sequence: -1, bytes: 0, timeMs: 1 },
    ...changes,
  };
}

/** A message whose bytes were changed, with its checksum put right. */
export function sealed(message: Buffer): Buffer {
  message.writeUInt32LE(crc32(message.subarray(8), crc32(message.subarray(0, 4))), 4);
  return message;
}

function volumesOf(host: Host): { vlun: number; name: string; sizeBytes: number }[] {
  return host.config.volumes.map(({ vlun, name, size }) => ({ vlun, name, sizeBytes: Number(size.replace('MiB', '')) * 1_048_576 }));
}
