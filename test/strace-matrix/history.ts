/**
 * What the application of one cell wrote, in the order in which it wrote: one request at a time, so that every state of the volumes
 * that may be found afterwards is the state after the first K requests. Each request makes a state that no other one makes.
 */
import { readFileSync } from 'node:fs';
import { NbdReplyError, type NbdClient } from '../../src/nbd/client.ts';
import { errnoOf, messageOf } from '../../src/model/errors.ts';
import { sleep, within, type Host } from '../support/host-process.ts';

export const VOLUMES: readonly { readonly name: string; readonly vlun: number; readonly sizeBytes: number }[] = [
  { name: 'db1', vlun: 0, sizeBytes: 256 * 1024 },
  { name: 'log', vlun: 7, sizeBytes: 128 * 1024 },
];

export interface Request {
  readonly volume: 'db1' | 'log';
  readonly kind: 'write' | 'zero' | 'trim';
  readonly offset: number;
  readonly lengthBytes: number;
  readonly fua?: boolean;
}

export type Step = Request | 'flush' | { readonly pauseMs: number };

const REPLY_MS = 15_000;
const CONNECT_MS = 15_000;
const CELL_BYTES = 8;

export class History {
  readonly requests: Request[];
  /** The first so many were answered without an error. */
  replied: number;

  constructor(requests: readonly Request[] = []) {
    this.requests = [...requests];
    this.replied = requests.length;
  }

  get issued(): number {
    return this.requests.length;
  }

  /** For every count of requests, whether these image files hold exactly what that many make of the volumes. */
  statesOf(host: Host): number[] {
    const found = VOLUMES.map(({ name }) => readFileSync(host.volumePath(name)));
    const images = VOLUMES.map(({ sizeBytes }) => Buffer.alloc(sizeBytes));
    const states: number[] = [];
    for (let count = 0; count <= this.requests.length; count += 1) {
      const request = this.requests[count - 1];
      if (request !== undefined) carryOut(images[VOLUMES.findIndex(({ name }) => name === request.volume)] as Buffer, request, count);
      if (images.every((image, index) => image.equals(found[index] as Buffer))) states.push(count);
    }
    return states;
  }
}

function carryOut(image: Buffer, request: Request, number: number): void {
  const { offset, lengthBytes, kind } = request;
  if (kind === 'write') payloadOf(number, lengthBytes).copy(image, offset);
  else image.fill(0, offset, offset + lengthBytes);
}

/** The bytes of the write with this number, from 1 on. */
function payloadOf(number: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  for (let at = 0; at < lengthBytes; at += CELL_BYTES) {
    bytes.writeUInt32LE(number, at);
    bytes.writeUInt32LE(at / CELL_BYTES, at + 4);
  }
  return bytes;
}

/**
 * Carry steps out through NBD, one after another, until one is not answered well. Returns what went wrong, or null; `hang` says that
 * there was no answer at all.
 */
export async function runSteps(options: {
  readonly host: Host;
  readonly history: History;
  readonly steps: readonly Step[];
  /** Whether the host may still answer. */
  readonly alive: () => boolean;
}): Promise<{ readonly problem: string | null; readonly hang: boolean }> {
  const { history, steps } = options;
  const clients = await connectAll(options);
  if (clients === null) return { problem: 'no NBD connection', hang: options.alive() };
  let problem: string | null = null;
  let hang = false;
  for (const step of steps) {
    const answered = await within(
      carryStep(clients, history, step).then(
        () => ({ error: null }),
        (error: unknown) => ({ error }),
      ),
      REPLY_MS,
    );
    if (answered === null) {
      problem = `no reply to ${JSON.stringify(step)}`;
      hang = true;
    } else if (answered.error !== null) {
      const { error } = answered;
      problem = error instanceof NbdReplyError ? messageOf(error) : `${errnoOf(error) ?? ''} ${messageOf(error)}`;
    }
    if (problem !== null) break;
  }
  for (const client of clients.values()) client.destroy();
  return { problem, hang };
}

async function carryStep(clients: ReadonlyMap<string, NbdClient>, history: History, step: Step): Promise<void> {
  if (step === 'flush') {
    for (const client of clients.values()) await client.flush();
    return;
  }
  if ('pauseMs' in step) return sleep(step.pauseMs);
  history.requests.push(step);
  const client = clients.get(step.volume) as NbdClient;
  const { offset, lengthBytes, fua = false } = step;
  if (step.kind === 'write') await client.write(offset, payloadOf(history.issued, lengthBytes), { fua });
  else if (step.kind === 'zero') await client.writeZeroes(offset, lengthBytes, { fua });
  else await client.trim(offset, lengthBytes, { fua });
  history.replied = history.issued;
}

async function connectAll({ host, alive }: { host: Host; alive: () => boolean }): Promise<ReadonlyMap<string, NbdClient> | null> {
  const clients = new Map<string, NbdClient>();
  const deadline = performance.now() + CONNECT_MS;
  while (clients.size < VOLUMES.length) {
    const { name } = VOLUMES[clients.size] as { name: string };
    try {
      clients.set(name, await host.connect(name));
    } catch {
      if (!alive() || performance.now() > deadline) {
        for (const client of clients.values()) client.destroy();
        return null;
      }
      await sleep(10);
    }
  }
  return clients;
}

/** From a state without data: two volumes, overlaps, zeroes long enough for fallocate, a trim, FUA, flushes. */
export const FIRST_STEPS: readonly Step[] = [
  { volume: 'db1', kind: 'write', offset: 0, lengthBytes: 16_384 },
  { volume: 'log', kind: 'write', offset: 4096, lengthBytes: 4096 },
  { pauseMs: 3 },
  'flush',
  { volume: 'db1', kind: 'write', offset: 8192, lengthBytes: 12_288 },
  { volume: 'log', kind: 'zero', offset: 0, lengthBytes: 65_536 },
  { pauseMs: 3 },
  'flush',
  { volume: 'log', kind: 'write', offset: 8192, lengthBytes: 4096, fua: true },
  { volume: 'db1', kind: 'trim', offset: 12_288, lengthBytes: 4096 },
];

/** What the application goes on with after a restart. */
export const LATER_STEPS: readonly Step[] = [
  { volume: 'db1', kind: 'write', offset: 4096, lengthBytes: 8192 },
  { volume: 'log', kind: 'write', offset: 65_536, lengthBytes: 8192 },
  { pauseMs: 3 },
  'flush',
  { volume: 'log', kind: 'zero', offset: 8192, lengthBytes: 65_536 },
  { volume: 'db1', kind: 'write', offset: 0, lengthBytes: 4096, fua: true },
];
