/**
 * Destage off the acknowledgement path: data sets are stored in ascending order (I4) by a worker thread, which flushes each volume after
 * each. What is told as destaged is durable in the source volumes.
 *
 * One data set at a time, and the next one only when the watermark covers it: so a crash leaves parts of at most one data set above the
 * watermark in the volumes, and they can be brought to every complete data set, not only to the last (docs/decisions/0005).
 *
 * After a failed store or flush (I10) the volumes are opened anew, the data set is stored again in full and flushed; a second failure
 * is final. Those before it are durable under a durable watermark. With a lease of shared storage it is asked before every system call
 * that writes; one that expires in the middle is no failure: the data set is stored again in full when it is renewed.
 */
import { Worker } from 'node:worker_threads';
import { assert } from '../model/assert.ts';
import { messageOf } from '../model/errors.ts';
import type { DataSetId } from '../model/ids.ts';
import { LatencyHistogram } from '../model/latency-histogram.ts';
import type { MemoryBuffer } from '../../journals/contract.ts';
import type { Volume, VolumeConfig } from '../volume/contract.ts';
import { carryOutDestage, WORKER_READY, type DestageOrder, type DestageReport, type DestageSet } from './destage-order.ts';
import { openDestageSource } from './store-data-set.ts';
import type { WriteLease } from './write-lease.ts';

/** Carries one order out at a time and reports it. */
export interface DestageCarrier {
  start(order: DestageOrder): void;
  close(): Promise<void>;
}

export type { DestageOrder, DestageReport, DestageSet } from './destage-order.ts';

export interface DestagerEvents {
  /** Everything through this data set is in the source volumes, durably. */
  destaged(dataSet: DataSetId): void;
  /** A store or flush failed; when not fatal, the data set is stored again. */
  failed(error: Error, fatal: boolean): void;
}

export type OpenCarrier = (report: (report: DestageReport) => void) => DestageCarrier;

export class Destager {
  /** From the order to store a data set until it is in the volumes, durably; a second try and a wait for the lease count. */
  readonly latency = new LatencyHistogram();
  readonly #events: DestagerEvents;
  readonly #carrier: DestageCarrier;
  readonly #lease: Pick<WriteLease, 'whenHeld'> | null;
  /** Data sets that are not handed over yet, ascending. */
  readonly #waiting: DestageSet[] = [];
  /** Handed over, and not covered by the watermark yet. */
  #current: DestageSet | null = null;
  #startedAtMs = 0;
  #newest = -1;
  #isStored = false;
  #failures = 0;
  #closed = false;
  #closing: Promise<void> | null = null;

  constructor(openCarrier: OpenCarrier, events: DestagerEvents, lease: Pick<WriteLease, 'whenHeld'> | null = null) {
    this.#events = events;
    this.#lease = lease;
    this.#carrier = openCarrier((report) => this.#reported(report));
  }

  /** Store this data set after all that came before. */
  destage(set: DestageSet): void {
    assert(this.#newest < set.dataSet, `data set ${set.dataSet} is destaged after ${this.#newest}`);
    this.#newest = set.dataSet;
    this.#waiting.push(set);
  }

  /** End of a batch: start what waits. */
  start(): void {
    if (this.#closed || this.#current !== null) return;
    const set = this.#waiting.shift();
    if (set === undefined) return;
    this.#current = set;
    this.#startedAtMs = performance.now();
    this.#isStored = false;
    this.#order({ set, reopen: false });
  }

  /** The watermark covers this data set: it will never be stored again, and nothing reads its memory buffer any more. */
  covered(dataSet: DataSetId): void {
    const set = this.#current;
    assert(
      set !== null && this.#isStored && set.dataSet === dataSet,
      `the watermark covers data set ${dataSet}, which is not in the volumes`,
    );
    this.#current = null;
  }

  /** A promotion closes before it serves, and the stop after it closes again. */
  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#carrier.close();
    return this.#closing;
  }

  #reported(report: DestageReport): void {
    const set = this.#current;
    if (this.#closed || set === null) return;
    if (report.destaged !== null) {
      this.#isStored = true;
      const nowMs = performance.now();
      this.latency.record(nowMs - this.#startedAtMs, nowMs);
      this.#events.destaged(report.destaged);
      return;
    }
    if (report.error === null) return this.#order({ set, reopen: false });
    this.#failures += 1;
    const fatal = this.#failures > 1;
    this.#events.failed(new Error(report.error), fatal);
    if (fatal) this.#closed = true;
    else this.#order({ set, reopen: true });
  }

  /** Within the lease; without one that holds it waits, and one that has ended ends the destage. */
  #order(order: DestageOrder): void {
    if (this.#lease === null) return this.#carrier.start(order);
    this.#lease.whenHeld((error) => {
      if (error === null && !this.#closed) this.#carrier.start(order);
    });
  }
}

/** A worker that has not loaded by then will not. */
const WORKER_LOAD_MS = 10_000;
const WORKER_PROGRAM = new URL('./destage-worker.js', import.meta.url);

/** The production carrier: a worker thread with its own descriptors of the volumes. */
export function workerCarrier(
  volumes: readonly VolumeConfig[],
  buffers: readonly MemoryBuffer[],
  options: { readonly program?: URL; readonly lease?: Pick<WriteLease, 'cell'> | null } = {},
): OpenCarrier {
  const { program = WORKER_PROGRAM, lease = null } = options;
  return (report) => new WorkerCarrier({ volumes, buffers, report, program, lease: lease?.cell ?? null });
}

interface WorkerCarrierOptions {
  readonly volumes: readonly VolumeConfig[];
  readonly buffers: readonly MemoryBuffer[];
  readonly report: (report: DestageReport) => void;
  readonly program: URL;
  readonly lease: SharedArrayBuffer | null;
}

/** One worker at a time; an order with `reopen` gets a new one when the former has ended. An order is always answered. */
class WorkerCarrier implements DestageCarrier {
  readonly #options: WorkerCarrierOptions;
  #worker: Worker | null;
  /** Resolves when the newest worker may be ended, or has ended. */
  #endable: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(options: WorkerCarrierOptions) {
    this.#options = options;
    this.#worker = this.#open();
  }

  start(order: DestageOrder): void {
    this.#waiting = true;
    if (this.#worker === null && order.reopen) this.#worker = this.#open();
    if (this.#worker === null) setImmediate(() => this.#answer({ destaged: null, error: 'the destage worker has ended' }));
    else this.#worker.postMessage(order);
  }

  async close(): Promise<void> {
    this.#waiting = false;
    await this.#endable;
    await this.#worker?.terminate();
  }

  #open(): Worker {
    const { volumes, buffers, program, lease } = this.#options;
    const worker = new Worker(program, { workerData: { volumes, buffers, lease } });
    this.#endable = new Promise((resolve) => {
      const late = setTimeout(resolve, WORKER_LOAD_MS);
      const endable = (): void => {
        clearTimeout(late);
        resolve();
      };
      worker.once('message', endable);
      worker.once('exit', endable);
    });
    worker.on('message', (report: DestageReport | typeof WORKER_READY) => {
      if (report !== WORKER_READY) this.#answer(report);
    });
    worker.on('error', (error) => {
      // A broken invariant in the worker stops the process, as one in this thread does.
      if ('code' in error && error.code === 'ERR_BROKEN_INVARIANT') throw error;
      this.#ended(worker, error.message);
    });
    worker.on('exit', (code) => this.#ended(worker, `exit code ${code}`));
    return worker;
  }

  #ended(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#answer({ destaged: null, error: `the destage worker ended: ${why}` });
  }

  #answer(report: DestageReport): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#options.report(report);
  }
}

/** A carrier in this thread, for disks that exist only in this process (tests with a disk that loses what was not flushed). */
export function inlineCarrier(openAll: () => readonly Volume[], buffers: readonly MemoryBuffer[], mayStore?: () => boolean): OpenCarrier {
  return (report) => {
    const sources = buffers.map(openDestageSource);
    let volumes = openAll();
    const closeAll = (): void => {
      for (const volume of volumes) volume.close();
    };
    const carryOut = (order: DestageOrder): void => {
      try {
        if (order.reopen) {
          closeAll();
          volumes = openAll();
        }
      } catch (error) {
        report({ destaged: null, error: messageOf(error) });
        return;
      }
      report(carryOutDestage(order, sources, new Map(volumes.map((volume) => [volume.entry.vlun, volume])), mayStore));
    };
    let pending: NodeJS.Immediate | undefined;
    const start = (order: DestageOrder): void => {
      pending = setImmediate(carryOut, order);
    };
    const close = (): Promise<void> => {
      clearImmediate(pending);
      return Promise.resolve(closeAll());
    };
    return { start, close };
  };
}
