/** Drives the faults of a LinkProxy that do not come from messages: links that are cut, cut on one side, or held. */
import type { Hosts } from './hosts.ts';
import { LinkProxy, type LinkFaults, type LinkWatch } from './link-proxy.ts';

export interface ChaosOptions {
  /** One fault in this time, on average. */
  readonly everyMs: number;
  /** How long the other side of a half cut link lives on, at most. */
  readonly lagMs: number;
  /** How long a link is held, at most. */
  readonly holdMs: number;
}

export class ChaosDriver {
  readonly #proxy: LinkProxy;
  readonly #options: ChaosOptions;
  #timer: NodeJS.Timeout | null = null;

  constructor(proxy: LinkProxy, options: ChaosOptions) {
    this.#proxy = proxy;
    this.#options = options;
  }

  start(): void {
    const { random } = this.#proxy;
    this.#timer = setTimeout(
      () => {
        this.#breakSomething();
        this.start();
      },
      this.#options.everyMs * 2 * random.next(),
    );
    // A test that failed does not stop it.
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #breakSomething(): void {
    const { random } = this.#proxy;
    const link = this.#proxy.anyLink();
    const which = random.next();
    if (which < 0.02) return this.#proxy.cutAll();
    if (link === null) return;
    if (which < 0.3) this.#proxy.cut(link);
    else if (which < 0.45) this.#proxy.cutOneSide(link, 'primary', this.#options.lagMs * random.next());
    else if (which < 0.6) this.#proxy.cutOneSide(link, 'secondary', this.#options.lagMs * random.next());
    else this.#proxy.hold(link, this.#options.holdMs * random.next());
  }
}

/** Put a proxy between both hosts, before they are initialised or while the secondary is down. */
export async function withProxy<Result>(
  hosts: Hosts,
  options: { seed?: number; faults?: Partial<LinkFaults>; watch?: LinkWatch },
  work: (proxy: LinkProxy) => Promise<Result>,
): Promise<Result> {
  const proxy = await LinkProxy.open({ target: `ws://127.0.0.1:${hosts.port}`, ...options });
  hosts.secondary.config.replication.connect = [proxy.url];
  try {
    return await work(proxy);
  } finally {
    await proxy.close();
  }
}
