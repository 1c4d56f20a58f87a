/** The order of writes without replication: a promoted host, or a primary that stands alone. Each write is stored as it comes. */
import { awaitsFlush, type Application, type ApplicationFlush, type ApplicationWrite, type WriteOrder } from './application.ts';

export class PlainOrder implements WriteOrder {
  readonly writeBytesMax = Number.MAX_SAFE_INTEGER;
  readonly #application: Application;
  readonly #onFailed: (error: Error) => void;

  constructor(application: Application, onFailed: (error: Error) => void) {
    this.#application = application;
    this.#onFailed = onFailed;
    application.replaceOrder(this);
  }

  requested(write: ApplicationWrite): void {
    this.#application.store(write);
  }

  stored(write: ApplicationWrite): void {
    if (!awaitsFlush(write)) this.#application.finish(write);
  }

  flushed(done: ApplicationFlush | ApplicationWrite): void {
    this.#application.finish(done);
  }

  failed(error: Error): void {
    this.#onFailed(error);
  }

  turnEnded(): void {}
}
