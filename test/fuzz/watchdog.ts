/**
 * Ends a process whose input never comes to an end: a thread of its own looks whether the number of the input still moves, because a
 * loop that does not end lets nothing else run in the thread that is fuzzed.
 */
import { Worker } from 'node:worker_threads';

const PROGRAM = `
const { workerData } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const counters = new Int32Array(workerData.shared);
let seen = -1;
let since = Date.now();
setInterval(() => {
  const now = Atomics.load(counters, 0);
  if (now !== seen || now === 0) { seen = now; since = Date.now(); return; }
  if (Date.now() - since < workerData.limitMs) return;
  const seed = Atomics.load(counters, 1);
  writeSync(2, 'hang: an input is not done after ' + workerData.limitMs / 1000 + ' s; it is shown again by\\n  ' + workerData.command + ' --seed ' + seed + ' --input ' + Atomics.load(counters, 2) + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, 250);
`;

export class Watchdog {
  readonly #counters: Int32Array;
  readonly #worker: Worker;
  #turn = 0;

  constructor(options: { limitMs: number; command: string }) {
    const shared = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
    this.#counters = new Int32Array(shared);
    this.#worker = new Worker(PROGRAM, { eval: true, workerData: { ...options, shared } });
    this.#worker.unref();
  }

  begin(seed: number, input: number): void {
    this.#turn = (this.#turn % 2 ** 30) + 1;
    Atomics.store(this.#counters, 1, seed);
    Atomics.store(this.#counters, 2, input);
    Atomics.store(this.#counters, 0, this.#turn);
  }

  /** Nothing is under way. */
  rest(): void {
    Atomics.store(this.#counters, 0, 0);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
