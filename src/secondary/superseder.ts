/**
 * Tells the old primary that it is superseded (I8): the promoted host goes on dialling its addresses until one of them answers that
 * it has recorded it. Without this an isolated old primary would serve its application for ever.
 */
import type { Link } from '../link/link.ts';
import { type Connect, LinkDialer } from '../link/link-dialer.ts';
import { CLOSE_CODE } from '../record/close-codes.ts';
import { decodeMessage, encodeMessage, type WireMessage } from '../record/wire.ts';
import type { HostState } from '../state/host-state.ts';

export interface SupersederOptions {
  readonly addresses: readonly string[];
  readonly connect?: Connect | undefined;
  readonly state: HostState;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** The message itself, made from the promoted host's state. */
export function supersededMessage(state: HostState, promotedAtMs: number): Extract<WireMessage, { kind: 'superseded' }> {
  return { kind: 'superseded', groupId: state.groupId ?? '', generations: state.generations, hostEpoch: state.hostEpoch, promotedAtMs };
}

export class Superseder {
  acknowledged = false;
  readonly #options: SupersederOptions;
  readonly #dialer: LinkDialer;

  constructor(options: SupersederOptions) {
    this.#options = options;
    this.#dialer = new LinkDialer({
      addresses: options.addresses,
      links: options.addresses.length,
      connect: options.connect,
      handlers: {
        opened: (link) => link.send(encodeMessage(supersededMessage(options.state, Date.now()))),
        message: (link, bytes) => this.#answered(link, bytes),
        drained: () => {},
        closed: () => {},
      },
    });
  }

  start(): void {
    this.#dialer.start();
  }

  stop(): void {
    this.#dialer.stop(CLOSE_CODE.shutdown, 'the promoted host stops');
  }

  #answered(link: Link, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (message.kind !== 'supersededAcknowledged' || message.groupId !== this.#options.state.groupId) return;
    this.acknowledged = true;
    this.#options.log('info', `the old primary at ${link.address} has recorded that it is superseded`);
    this.#dialer.stop(CLOSE_CODE.superseded, 'recorded');
  }
}
