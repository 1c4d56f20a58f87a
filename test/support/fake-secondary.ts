/** A secondary that is none, for tests of a peer: it listens, says what a test wants, and keeps what the peer says. */
import type { HeldMessage } from '../../src/record/messages.ts';
import { decodeMessage, encodeMessage } from '../../src/record/wire.ts';
import type { PeeredFacts } from '../../src/model/peer.ts';
import { Peer, type PeerOptions } from '../../src/peer/peer.ts';
import { initPeer } from '../../src/peer/init.ts';
import type { RegionStore } from '../../src/peer/open-peer-region.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { RecordWriter, encodedWriteBytes } from '../../src/record/record.ts';
import { FakePrimary, type FakeLink } from './fake-link.ts';
import { MemoryRegions } from './memory-regions.ts';
import { peeredAt } from './peer-facts.ts';
import { withFolder } from './scratch.ts';
import { until } from './until.ts';

/** A message of `count` write records of 512 bytes, numbered from `sequence` on, of the stream of `peeredAt`. */
export function recordsMessage(
  sequence: number,
  count = 1,
  { generation = 1, stream = peeredAt().stream, lengthBytes = 512 }: { generation?: number; stream?: string; lengthBytes?: number } = {},
): Uint8Array {
  const each = encodedWriteBytes(lengthBytes);
  const encoded = new Uint8Array(each * count);
  const writer = new RecordWriter(encoded);
  for (let index = 0; index < count; index += 1) {
    const payload = new Uint8Array(lengthBytes).fill(sequence + index);
    const command = { type: 'write' as const, vlun: 0, lba: sequence + index, lengthBytes, timeUs: 1, payload };
    const numbers = { dataSet: 3, firstSequence: 0, sequence: sequence + index };
    writer.encodeWrite(index * each, command, numbers, { generation, stream });
  }
  return encodeMessage({ kind: 'records', encoded });
}

export const RECORD_BYTES = encodedWriteBytes(512);

/** The newest `held` on a link; null before the first. */
export function newestHeld(link: FakeLink): HeldMessage | null {
  for (const bytes of link.received.toReversed()) {
    const message = decodeMessage(bytes);
    if (message.kind === 'held') return message;
  }
  return null;
}

/** Wait for a condition. @throws when it does not hold in time */
export class FakeSecondary {
  readonly host: FakePrimary;

  private constructor(host: FakePrimary) {
    this.host = host;
  }

  static async open(): Promise<FakeSecondary> {
    return new FakeSecondary(await FakePrimary.open(() => {}));
  }

  get url(): string {
    return this.host.url;
  }

  /** The link with this number, counted from 0 over all that were ever opened, as soon as it is there. */
  async link(index: number): Promise<FakeLink> {
    await until(`link ${index}`, () => this.host.links.length > index);
    const link = this.host.links[index];
    if (link === undefined) throw new Error('no link');
    return link;
  }

  /** Meet the peer on a link, through its ready and first held. */
  async meet(index: number, facts: PeeredFacts = peeredAt()): Promise<FakeLink> {
    const link = await this.link(index);
    if ((await link.message('peerHello')) === null) throw new Error('the peer says no hello');
    link.send({ kind: 'peerWelcome', facts });
    await until('the peer is ready', () => link.received.some((bytes) => decodeMessage(bytes).kind === 'ready'));
    await until('the first held', () => newestHeld(link) !== null);
    return link;
  }

  close(): Promise<void> {
    return this.host.close();
  }
}

export interface PeerWorld {
  readonly folder: string;
  readonly regions: MemoryRegions;
  readonly secondary: FakeSecondary;
  readonly log: string[];
  readonly options: PeerOptions;
  /** Start the peer (again); what ran before was stopped by the test. */
  start(changes?: Partial<PeerOptions>): Promise<Peer>;
}

/** Run with an initialised peer, not started, and a secondary that listens. */
export async function withPeer(
  work: (world: PeerWorld) => Promise<void>,
  nvram: Partial<PeerOptions['nvram']> = {},
  store?: RegionStore,
): Promise<void> {
  await withFolder(async (folder) => {
    const secondary = await FakeSecondary.open();
    const regions = new MemoryRegions();
    const log: string[] = [];
    const started: Peer[] = [];
    const options: PeerOptions = {
      disk: new NodeDisk(),
      group: 'g',
      stateDirectory: `${folder}/state`,
      nvram: { path: `${folder}/region`, sizeBytes: 4 * 1024 * 1024, hold: 'memory', ...nvram },
      connect: [secondary.url],
      objectiveMs: 5000,
      regions: store ?? regions,
      log: (level, message) => void log.push(`${level}: ${message}`),
    };
    const start = async (changes: Partial<PeerOptions> = {}): Promise<Peer> => {
      const peer = await Peer.start({ ...options, ...changes });
      started.push(peer);
      return peer;
    };
    try {
      await initPeer({ ...options, zeroExisting: false, onProgress: () => {} });
      await work({ folder, regions, secondary, log, options, start });
    } finally {
      for (const peer of started) await peer.stop();
      await secondary.close();
    }
  });
}
