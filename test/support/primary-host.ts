/** A real primary on a disk in memory and without sockets: a test writes to it and plays the secondary. */
import { Link } from '../../src/link/link.ts';
import type { LinkServerOptions } from '../../src/link/link-server.ts';
import type { SecondaryFacts } from '../../src/model/handshake.ts';
import type { SequenceRange } from '../../src/model/ids.ts';
import { initPrimary } from '../../src/primary/init.ts';
import { Primary } from '../../src/primary/primary.ts';
import type { PrimaryOptions } from '../../src/primary/primary-options.ts';
import { readHostState, type HostState } from '../../src/state/host-state.ts';
import type { VolumeConfig } from '../../src/volume/contract.ts';
import { blankSecondaryFacts } from './handshake-facts.ts';
import { TestDisk } from './test-disk.ts';
import { NotedSocket } from './noted-socket.ts';
import { NotedRequest } from './primary-volume.ts';

const KiB = 1024;
export const PRIMARY_DIRECTORY = '/state';
export const PRIMARY_VOLUME: VolumeConfig = { vlun: 1, name: 'a', sizeBytes: 512 * KiB, path: '/volumes/a', store: 'pwrite' };

/** A disk with a primary that was never started. */
export async function primaryDisk(): Promise<TestDisk> {
  const disk = new TestDisk({ seed: 1 });
  disk.makeDirectory('/volumes');
  await initPrimary({
    disk,
    group: 'g',
    stateDirectory: PRIMARY_DIRECTORY,
    volumes: [PRIMARY_VOLUME],
    zeroExisting: false,
    onProgress: () => {},
  });
  return disk;
}

export class PrimaryHost {
  readonly disk: TestDisk;
  readonly log: string[] = [];
  #primary: Primary | null = null;
  #handlers: LinkServerOptions['handlers'] | null = null;
  readonly #sockets: NotedSocket[] = [];

  private constructor(disk: TestDisk) {
    this.disk = disk;
  }

  static async start(
    disk: TestDisk,
    options: Partial<Pick<PrimaryOptions, 'standalone' | 'backlogLimitBytes' | 'cutPolicy'>> = {},
  ): Promise<PrimaryHost> {
    const host = new PrimaryHost(disk);
    host.#primary = await Primary.start({
      disk,
      group: 'g',
      stateDirectory: PRIMARY_DIRECTORY,
      volumes: [PRIMARY_VOLUME],
      nbdListen: [],
      replicationListen: [],
      flushReply: 'local',
      cutPolicy: { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes: 512 * KiB, recordsMax: 1000 },
      backlogLimitBytes: 1024 * KiB,
      objectiveMs: 1000,
      standalone: false,
      openNbd: () => ({ start: () => Promise.resolve(), stop: () => Promise.resolve(), addresses: () => [] }),
      openLinks: ({ handlers }) => {
        host.#handlers = handlers;
        return { start: () => Promise.resolve(), stop: () => {}, addresses: () => [] };
      },
      log: (level, message) => void host.log.push(`${level} ${message}`),
      ...options,
    });
    return host;
  }

  get primary(): Primary {
    if (this.#primary === null) throw new Error('the primary has started');
    return this.#primary;
  }

  /** The state as the next start finds it. */
  get stored(): HostState {
    return readHostState(this.disk, PRIMARY_DIRECTORY);
  }

  /** Ask for something and wait for its answer. */
  async ask(request: NotedRequest): Promise<number> {
    this.primary.application?.submit([request]);
    while (request.answer === null) await new Promise((resolve) => setImmediate(resolve));
    return request.answer;
  }

  write(lengthBytes: number, offset = 0): Promise<number> {
    return this.ask(new NotedRequest({ offset, lengthBytes, value: 7 }));
  }

  /** A link is opened to it. */
  link(): NotedSocket {
    const socket = new NotedSocket();
    const handlers = this.#handlers as LinkServerOptions['handlers'];
    this.#sockets.push(socket);
    const id = this.#sockets.length;
    const link = new Link({ id, address: `far:${id}`, socket: socket.asWebSocket, handlers });
    handlers.opened(link);
    return socket;
  }

  /** Say hello as a secondary that holds nothing. */
  hello(changes: Partial<SecondaryFacts> = {}): NotedSocket {
    const socket = this.link();
    socket.receive({
      kind: 'hello',
      linkKey: this.#sockets.length,
      facts: blankSecondaryFacts({ volumes: this.primary.state.volumes, ...changes }),
    });
    return socket;
  }

  /** A link over which records flow. */
  agreed(changes: Partial<SecondaryFacts> = {}): NotedSocket {
    const socket = this.hello(changes);
    socket.receive({ kind: 'ready' });
    return socket;
  }

  /** Stop with the secondary gone, so that nothing is waited for. */
  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.end(1006, '');
    await this.primary.stop();
  }

  /** End the data set that is open. */
  cut(): void {
    this.primary.order?.step({ event: 'cutRequested', reason: 'bookmark' });
  }
}

/** The far side has made these numbers durable. */
export function acknowledge(socket: NotedSocket, ranges: readonly SequenceRange[]): void {
  const positions = { received: null, durable: null, complete: null, destaged: null, destagedSequence: null };
  socket.receive({ kind: 'acknowledge', windowHigh: 1_000, positions, ranges });
}
