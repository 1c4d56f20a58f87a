/** Our NBD front end over plain memory, as a process: what it can do when nothing is behind it. Ends with SIGTERM. */
import type { NbdBackend, NbdRequest } from '../../src/nbd/contract.ts';
import { NbdServer } from '../../src/nbd/server.ts';
import { answer, taskOfProcess } from './alone.ts';

export interface MemoryServerTask {
  readonly socket: string;
  readonly sizeBytes: number;
}

class MemoryBackend implements NbdBackend {
  readonly #memory: Buffer;

  constructor(sizeBytes: number) {
    // Touched once: fresh pages would be measured otherwise.
    this.#memory = Buffer.alloc(sizeBytes, 1);
  }

  exports() {
    return [{ name: '', description: 'memory', sizeBytes: this.#memory.length, readOnly: false }];
  }

  submit(requests: readonly NbdRequest[]): void {
    for (const request of requests) this.#carryOut(request);
  }

  #carryOut(request: NbdRequest): void {
    const { command, offset, lengthBytes, data } = request;
    if (command === 'read') data?.set(this.#memory.subarray(offset, offset + lengthBytes));
    else if (command === 'write' && data !== null) this.#memory.set(data, offset);
    else if (command === 'trim' || command === 'writeZeroes') this.#memory.fill(0, offset, offset + lengthBytes);
    request.complete(0);
  }
}

const { socket, sizeBytes } = taskOfProcess() as MemoryServerTask;
const server = new NbdServer({ backend: new MemoryBackend(sizeBytes), listen: [{ kind: 'unix', path: socket }] });
await server.start();
process.once('SIGTERM', () => void server.stop({ timeoutMs: 0 }).then(() => process.exit(0)));
answer({ ready: true });
