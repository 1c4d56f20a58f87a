/** A volume whose stores and flushes end when the test says so, and requests that note their answers. */
import type { Done } from '../../src/disk/disk.ts';
import type { VolumeEntry } from '../../src/model/ids.ts';
import type { NbdErrno, NbdRequest } from '../../src/nbd/contract.ts';
import type { Volume } from '../../src/volume/contract.ts';

interface UnderWay {
  readonly kind: 'store' | 'zero' | 'flush';
  readonly offset: number;
  readonly lengthBytes: number;
  readonly end: Done;
}

export class HeldVolume implements Volume {
  readonly entry: VolumeEntry;
  readonly path = '/held';
  readonly fastZero = true;
  readonly bytes: Uint8Array;
  /** What the last flush that has ended made durable: everything stored before it was asked. */
  durable: Uint8Array;
  readonly underWay: UnderWay[] = [];
  /** Whether a store is done inside the call; by default a store waits. */
  storesNow: (offset: number) => boolean = () => false;
  /** The error of the next store or flush that ends. */
  failure: Error | null = null;
  overlapped = false;

  constructor(sizeBytes: number, entry: Partial<VolumeEntry> = {}) {
    this.entry = { vlun: 0, name: 'held', sizeBytes, ...entry };
    this.bytes = new Uint8Array(sizeBytes);
    this.durable = new Uint8Array(sizeBytes);
  }

  readNow(target: Uint8Array, offset: number): boolean {
    target.set(this.bytes.subarray(offset, offset + target.length));
    return true;
  }

  read(target: Uint8Array, offset: number, done: Done): void {
    this.readNow(target, offset);
    done(null);
  }

  storeNow(bytes: Uint8Array, offset: number): boolean {
    if (!this.storesNow(offset)) return false;
    if (this.failure !== null) throw this.failure;
    this.#checkAlone(offset, bytes.length);
    this.bytes.set(bytes, offset);
    return true;
  }

  store(bytes: Uint8Array, offset: number, done: Done): void {
    this.#checkAlone(offset, bytes.length);
    const copy = bytes.slice();
    this.#begin('store', offset, bytes.length, (error) => {
      if (Buffer.compare(copy, bytes) !== 0) throw new Error('a payload was changed while it was being stored');
      if (error === null) this.bytes.set(bytes, offset);
      done(error);
    });
  }

  zero(offset: number, lengthBytes: number, done: Done): void {
    this.#checkAlone(offset, lengthBytes);
    this.#begin('zero', offset, lengthBytes, (error) => {
      if (error === null) this.bytes.fill(0, offset, offset + lengthBytes);
      done(error);
    });
  }

  flush(done: Done): void {
    const stored = this.bytes.slice();
    this.#begin('flush', 0, 0, (error) => {
      if (error === null) this.durable = stored;
      done(error);
    });
  }

  /** End what is under way: the one at this place, or the oldest. */
  end(index = 0): void {
    const [ended] = this.underWay.splice(index, 1);
    const { failure } = this;
    this.failure = null;
    ended?.end(failure);
  }

  endAll(): void {
    while (this.underWay.length > 0) this.end();
  }

  storeSync(): void {
    throw new Error('the application never waits for a disk');
  }

  zeroSync(): void {
    throw new Error('the application never waits for a disk');
  }

  flushSync(): void {
    throw new Error('the application never waits for a disk');
  }

  close(): void {}

  #begin(kind: UnderWay['kind'], offset: number, lengthBytes: number, end: Done): void {
    this.underWay.push({ kind, offset, lengthBytes, end });
  }

  #checkAlone(offset: number, lengthBytes: number): void {
    for (const other of this.underWay) {
      if (other.kind !== 'flush' && offset < other.offset + other.lengthBytes && other.offset < offset + lengthBytes)
        this.overlapped = true;
    }
  }
}

/** A request that notes its answer; a second answer is an error. */
export class NotedRequest implements NbdRequest {
  readonly command: NbdRequest['command'];
  readonly exportIndex: number;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly fua: boolean;
  readonly fastZero = false;
  readonly noHole = false;
  readonly data: Uint8Array | null;
  answer: NbdErrno | null = null;
  readonly #onAnswer: ((request: NotedRequest) => void) | undefined;

  constructor(
    options: Partial<Pick<NbdRequest, 'command' | 'exportIndex' | 'offset' | 'lengthBytes' | 'fua' | 'data'>> & {
      value?: number;
      onAnswer?: (request: NotedRequest) => void;
    } = {},
  ) {
    this.command = options.command ?? 'write';
    this.exportIndex = options.exportIndex ?? 0;
    this.offset = options.offset ?? 0;
    this.lengthBytes = options.lengthBytes ?? options.data?.length ?? (this.command === 'flush' ? 0 : 512);
    this.fua = options.fua ?? false;
    this.data = options.data ?? (this.command === 'write' ? new Uint8Array(this.lengthBytes).fill(options.value ?? 1) : null);
    this.#onAnswer = options.onAnswer;
  }

  complete(errno: NbdErrno): void {
    if (this.answer !== null) throw new Error(`the ${this.command} at ${this.offset} is answered twice`);
    this.answer = errno;
    // From now on the buffer belongs to another request.
    this.data?.fill(0xdd);
    this.#onAnswer?.(this);
  }
}
