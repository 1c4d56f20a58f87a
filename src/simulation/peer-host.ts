/** A peer: the production `Peer` on a simulated disk and network. */
import type { WebSocket } from 'ws';
import { Peer } from '../peer/peer.ts';
import { hostStatePath } from '../state/host-state.ts';
import type { SimulatedDisk } from './disk.ts';
import { SimulatedHost, type Surroundings } from './host.ts';
import { GROUP, NVRAM_PATH, STATE_DIRECTORY, type PeerSetting } from './setting.ts';
import type { Life } from './virtual-time.ts';
import { violated } from './violation.ts';

export class PeerHost extends SimulatedHost {
  peer: Peer | null = null;
  readonly setting: PeerSetting;
  /** It took its secondary's place, or began to: it never is a peer again. */
  hasTakenOver = false;
  readonly #forgot: () => void;

  /** @param forgot called when what it held is gone */
  constructor(options: { name: string; around: Surroundings; disk: SimulatedDisk; setting: PeerSetting; forgot: () => void }) {
    super(options);
    this.setting = options.setting;
    this.#forgot = options.forgot;
  }

  get nvram(): { readonly path: string; readonly sizeBytes: number; readonly hold: PeerSetting['hold'] } {
    return { path: NVRAM_PATH, sizeBytes: this.setting.regionBytes, hold: this.setting.hold };
  }

  /** Its region failed: somebody starts it again. */
  get hasFailed(): boolean {
    return this.peer?.phase === 'failed';
  }

  /** Its region is there, and it knows whose records it holds. */
  get mayTakeOver(): boolean {
    const state = Buffer.from(this.disk.image(hostStatePath(STATE_DIRECTORY), 'durable')?.bytes() ?? new Uint8Array(0));
    const id = /"region": \{\s*"id": "([0-9a-f]+)"/.exec(state.toString())?.[1];
    return !state.includes('"stream": null') && id !== undefined && this.around.ledger.regions.get(id)?.lost === false;
  }

  protected async open(): Promise<void> {
    const { disk, life } = this;
    this.peer = null;
    const peer = await Peer.start({
      disk,
      group: GROUP,
      stateDirectory: STATE_DIRECTORY,
      nvram: this.nvram,
      connect: this.setting.addresses,
      objectiveMs: 1000,
      connectSocket: (address) => this.around.network.connect(address) as unknown as WebSocket,
      log: (level, message) => this.#log(level, message),
    });
    if (life.dead) return;
    this.peer = peer;
    void this.#waitForEnd(peer, life);
  }

  async #waitForEnd(peer: Peer, life: Life): Promise<void> {
    const end = await peer.ended;
    if (!life.dead) this.guard(() => this.ended('refused', `${end.code}: ${end.message}`));
  }

  protected started(): void {
    this.phase = 'up';
  }

  protected refusedToStart(code: string, message: string): void {
    violated('peer', `a peer that nothing damaged refuses to start: ${code}: ${message}`);
  }

  protected crashed(kept: 'page cache' | 'what is durable'): void {
    this.peer = null;
    const { counters, ledger, universe } = this.around;
    counters.peerCrashes += 1;
    if (kept === 'page cache' || this.setting.hold === 'durable') return;
    // Memory, or a file in a memory file system.
    const { entries, durableEntries } = this.disk.content;
    if (universe.random.chance(0.7)) for (const names of [entries, durableEntries]) names.delete(NVRAM_PATH);
    for (const region of ledger.regions.values()) {
      if (!region.lost) counters.regionsLost += 1;
      region.lost = true;
    }
    this.#forgot();
  }

  protected writing(): void {}

  protected flushed(): void {}

  #log(level: string, message: string): void {
    if (this.life.dead) return;
    this.around.universe.world.note(`${level}: ${message}`);
    if (message.startsWith('failed: ') && this.disk.failuresMet === 0) this.around.failed(new Error(`the peer ${message}`));
  }
}
