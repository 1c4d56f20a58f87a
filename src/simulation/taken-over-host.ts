/** A peer that takes the place of its secondary: the production `takeOver`, and then the production `Secondary` with the peer's own state. */
import { LIMITS } from '../model/limits.ts';
import type { SecondaryOptions } from '../secondary/secondary-options.ts';
import { decodeChecked, type HostState, hostStatePath, readHostState } from '../state/host-state.ts';
import { takeOver, type TakeoverOptions } from '../takeover/take-over.ts';
import { takenOverOptions } from '../takeover/taken-over-options.ts';
import type { PeerHost } from './peer-host.ts';
import { SecondaryHost } from './secondary-host.ts';
import { GROUP, JOURNALS_DIRECTORY, STATE_DIRECTORY, VOLUMES } from './setting.ts';
import { attachStorage, isOnSharedStorage } from './shared-storage.ts';

export class TakenOverHost extends SecondaryHost {
  readonly former: SecondaryHost;
  /** The first takeover has begun: whoever starts this host goes on with it. */
  hasTakenOver = false;
  #force = false;
  readonly #nvram: PeerHost['nvram'];

  constructor(peer: PeerHost, former: SecondaryHost) {
    // What a process that is stopped has locked stays locked.
    const locksOfOthers = former.life.dead ? new Set<string>() : new Set([...former.disk.locks].filter(isOnSharedStorage));
    const disk = attachStorage(peer.disk, former.disk, { locksOfOthers });
    super({ name: 'taker', around: peer.around, disk, history: former.history });
    this.former = former;
    this.promises = former.promises;
    this.#nvram = peer.nvram;
  }

  /** The former host finds the storage as it is now. */
  giveBackTo(former: SecondaryHost): void {
    former.disk = attachStorage(former.disk, this.disk);
  }

  protected override async ownOptions(): Promise<SecondaryOptions> {
    const options = this.#options();
    const { role, condition } = readHostState(this.disk, STATE_DIRECTORY);
    if (role === 'peer' || condition === 'taking-over') await takeOver(options);
    this.hasTakenOver = true;
    return takenOverOptions(options, { dial: true });
  }

  /** Until the takeover is done a start goes on with it, which no other host could. */
  override async judgeFuture(): Promise<void> {
    if (!this.asksPeer()) await super.judgeFuture();
  }

  override get sharesWatermark(): boolean {
    return !this.former.mayNotWrite;
  }

  /** A restart goes on with the takeover. */
  protected override asksPeer(): boolean {
    const bytes = this.disk.image(hostStatePath(STATE_DIRECTORY), 'durable')?.bytes() ?? new Uint8Array(0);
    const { role, condition } = decodeChecked(bytes, STATE_DIRECTORY) as HostState;
    return role === 'peer' || condition === 'taking-over';
  }

  protected override refusedToStart(code: string, message: string): void {
    if (code !== 'ERR_TAKEOVER_REGION' || this.#force) return super.refusedToStart(code, message);
    // The region was lost before the secondary was, and the new one is of no use: somebody decides.
    this.#force = true;
    this.phase = 'down';
  }

  #options(): TakeoverOptions {
    const { setting, counters } = this.around;
    return {
      disk: this.disk,
      group: GROUP,
      stateDirectory: STATE_DIRECTORY,
      objectiveMs: 1000,
      nvram: this.#nvram,
      fenced: true,
      force: this.#force,
      takeover: {
        volumes: VOLUMES,
        journals: { directory: JOURNALS_DIRECTORY },
        replication: { connect: setting.addresses, links: setting.links },
        nbd: { listen: [] },
        fence: null,
      },
      settle: () => new Promise((resolve) => setTimeout(resolve, LIMITS.epochSettleMs)),
      openCarrier: this.carrierOf(this.disk),
      onStep: (step) => {
        if (this.life.dead) return;
        if (step === 3) this.former.mayNotWrite = true;
        if (step === 5) counters.takeovers += 1;
      },
      log: (level, message) => this.log(level, message),
    };
  }
}
