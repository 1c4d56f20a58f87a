/** Counts what a host does on its disk, and ends it at the operation that a crash point names. */
import type { DataSetId } from '../../model/ids.ts';
import type { CrashOperation, CrashPoint } from './crash-points.ts';

/** Ends the process. In a test it throws instead. */
export type Die = () => never;

/** How the operation that begins now ends: as ever, half done, or with the process. */
export type Fate = 'done' | 'torn' | 'last';

export interface BeginOptions {
  /** Of a commit: the data set that it brings. */
  readonly dataSet?: DataSetId | null;
  /** Other writes of this host are in flight: what they leave is chance, so a crash that is to be had again waits for a quiet moment. */
  readonly busy?: boolean;
}

export class CrashWatch {
  readonly point: CrashPoint;
  readonly die: Die;
  /** The data set of which a link does not deliver everything; null until the filter has chosen one. */
  withheldFrom: DataSetId | null = null;
  /** Data sets that are durable in the volumes since this host started. */
  destaged = 0;
  #flagged = 0;
  #seen = 0;

  constructor(point: CrashPoint, die: Die) {
    this.point = point;
    this.die = die;
  }

  /** How much later these operations are to begin. */
  delayMs(operations: readonly CrashOperation[]): number {
    const { delayMs = 0, operation } = this.point;
    return operations.includes(operation) && this.#isArmed(null) ? delayMs : 0;
  }

  /** An operation begins, which can be several at once. Does not return when this is where the host is to die. */
  begin(operations: readonly CrashOperation[], { dataSet = null, busy = false }: BeginOptions = {}): Fate {
    const { operation, when, nth = 1 } = this.point;
    if (operations.includes('complete-flag')) this.#flagged += 1;
    if (!operations.includes(operation) || busy || !this.#isArmed(dataSet)) return 'done';
    this.#seen += 1;
    if (this.#seen !== nth) return 'done';
    if (when === 'before') this.die();
    return when === 'torn' ? 'torn' : 'last';
  }

  /** An operation has ended that `begin` gave this fate. */
  end(fate: Fate): void {
    if (fate === 'last') this.die();
  }

  #isArmed(dataSet: DataSetId | null): boolean {
    const { destaged = 0, ahead, withhold } = this.point;
    if (this.destaged < destaged || (ahead !== undefined && this.#flagged - this.destaged < ahead)) return false;
    return withhold === undefined || (this.withheldFrom !== null && dataSet !== null && dataSet > this.withheldFrom);
  }
}

/** SIGKILL to this very process: nothing of it runs on, and what it wrote so far stands in the files. */
export function killThisProcess(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('this process has outlived its own SIGKILL');
}
