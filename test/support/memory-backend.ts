/** An NBD backend over plain memory, for tests: answers at once, later in any order, or when the test says so. */
import type { NbdBackend, NbdErrno, NbdExport, NbdRequest } from '../../src/nbd/contract.ts';

export interface MemoryBackendOptions {
  readonly exports?: readonly NbdExport[];
  /** `now`: inside submit; `later`: next turn, last request first; `held`: when the test calls `release`. */
  readonly replies?: 'now' | 'later' | 'held';
}

export function memoryExport(name: string, sizeBytes: number, options: Partial<NbdExport> = {}): NbdExport {
  return { name, description: `memory ${name}`, sizeBytes, readOnly: false, ...options };
}

export class MemoryBackend implements NbdBackend {
  readonly #exports: readonly NbdExport[];
  readonly memory: Buffer[];
  readonly replies: 'now' | 'later' | 'held';
  /** Every submit as the server made it. */
  readonly batches: number[] = [];
  readonly seen = { read: 0, write: 0, flush: 0, trim: 0, writeZeroes: 0, cache: 0, fua: 0, fastZero: 0, noHole: 0 };
  readonly held: NbdRequest[] = [];
  connections = 0;
  /** What every request is answered with, unless it is 0. */
  errno: NbdErrno = 0;

  constructor(options: MemoryBackendOptions = {}) {
    this.#exports = options.exports ?? [memoryExport('memory', 4 * 1024 * 1024)];
    this.memory = this.#exports.map((entry) => Buffer.alloc(entry.sizeBytes));
    this.replies = options.replies ?? 'now';
  }

  exports(): readonly NbdExport[] {
    return this.#exports;
  }

  connectionsChanged(count: number): void {
    this.connections = count;
  }

  submit(requests: readonly NbdRequest[]): void {
    this.batches.push(requests.length);
    for (const request of requests) this.#count(request);
    if (this.replies === 'now') for (const request of requests) this.carryOut(request);
    else if (this.replies === 'held') this.held.push(...requests);
    else setImmediate(() => requests.toReversed().forEach((request) => this.carryOut(request)));
  }

  /** Answer held requests, the newest first. */
  release(count: number = this.held.length): void {
    for (const request of this.held.splice(0, count).toReversed()) this.carryOut(request);
  }

  carryOut(request: NbdRequest): void {
    const { command, offset, lengthBytes, data } = request;
    const memory = this.memory[request.exportIndex];
    if (this.errno === 0 && memory !== undefined) {
      if (command === 'read') data?.set(memory.subarray(offset, offset + lengthBytes));
      else if (command === 'write' && data !== null) memory.set(data, offset);
      else if (command === 'trim' || command === 'writeZeroes') memory.fill(0, offset, offset + lengthBytes);
    }
    request.complete(this.errno);
  }

  #count(request: NbdRequest): void {
    this.seen[request.command] += 1;
    if (request.fua) this.seen.fua += 1;
    if (request.fastZero) this.seen.fastZero += 1;
    if (request.noHole) this.seen.noHole += 1;
  }
}
