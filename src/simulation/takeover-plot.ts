/**
 * The secondary is gone, or seems to be, and its peer takes its place (DESIGN section 8): it lost its power, was killed, was stopped and
 * goes on one day, or somebody said that it was shut out and it was not. The former host may come back at any moment: it must find out.
 */
import type { PeerHost } from './peer-host.ts';
import type { Random } from './random.ts';
import type { SecondaryHost } from './secondary-host.ts';
import type { Story } from './story.ts';
import { TakenOverHost } from './taken-over-host.ts';

const FATES = ['power cut', 'power cut', 'killed', 'stopped', 'stopped', 'not fenced'] as const;
const JOURNALS = /\.journal$/;

export class TakeoverPlot {
  taker: TakenOverHost | null = null;
  /** Null: it cannot come to a takeover, or it is not due yet. */
  former: SecondaryHost | null = null;
  /** The primary is lost as well, once the peer has taken over. */
  #failOverDue: boolean;
  #returnDue: boolean;
  #struck = false;
  readonly #story: Story;
  readonly #random: Random;

  constructor(story: Story, random: Random) {
    this.#story = story;
    this.#random = random;
    this.#failOverDue = random.chance(0.25);
    this.#returnDue = random.chance(0.7);
  }

  /** Prepare: for a while the journals are slow, so that the peer has what they lack. */
  begin(): void {
    const { secondary, primary, simulation } = this.#story;
    const random = this.#random;
    this.#story.addWorkload(primary, random.between(4, 20));
    secondary.disk.slowFile = JOURNALS;
    secondary.disk.slowness = random.between(1, 6);
    const { world } = simulation.universe;
    const strikeUs = 1_000 + random.int(60_000);
    world.schedule(strikeUs, 'the secondary is lost', () => this.#strike(), null);
    // What it said last arrives when the primary knows the other host, which has another way there.
    const [first, second] = simulation.network.paths.filter(({ toPeer }) => !toPeer);
    if (first === undefined || second === undefined || random.chance(0.5)) return;
    world.schedule(strikeUs - random.int(Math.min(strikeUs, 10_000)), 'clogged', () => simulation.network.clog(first, 'client'), null);
    world.schedule(strikeUs + 3_000_000 + random.int(4_000_000), 'clear', () => simulation.network.unclog(first, 'client'), null);
  }

  /** What the end waits for, besides what it waits for without a takeover. */
  waitsFor(): string | null {
    const { taker, former } = this;
    if (!this.#struck) return 'the loss of the secondary';
    if (taker === null || former === null) return null;
    if (!taker.hasTakenOver) return `the takeover by a host that is ${taker.phase}`;
    if (this.#returnDue || !former.life.dead) return former.hasNoticed ? null : `the former host, which is ${former.phase}, to notice`;
    return null;
  }

  /** Go on where it is time. */
  look(): void {
    const { taker, former } = this;
    if (taker === null || former === null || !taker.hasTakenOver) return;
    const isThere = taker.phase === 'up' || taker.phase === 'refused';
    if (isThere && this.#returnDue && former.phase === 'down') this.#comeBack(taker, former);
    if (taker.phase !== 'up') return;
    if (!this.#failOverDue || this.#story.secondary.secondary?.phase !== 'replicating') return;
    this.#failOverDue = false;
    this.#story.failOver();
  }

  #strike(): void {
    const { secondary, peer, simulation } = this.#story;
    const random = this.#random;
    this.#struck = true;
    secondary.disk.heal();
    if (peer === null || !peer.mayTakeOver || !secondary.knowsGroup || secondary.isReplaced) return;
    const fate = secondary.life.dead ? 'killed' : random.pick(FATES);
    simulation.universe.world.note(`the secondary is lost: ${fate}`);
    if (fate === 'power cut') secondary.crash('what is durable');
    else if (fate === 'killed') secondary.crash('page cache');
    else if (fate === 'stopped') secondary.suspend();
    peer.crash(peer.setting.hold === 'durable' ? random.pick(['page cache', 'what is durable'] as const) : 'page cache');
    if (peer.mayTakeOver) this.#takeOver(peer, secondary);
    else secondary.resume();
  }

  #takeOver(peer: PeerHost, former: SecondaryHost): void {
    const { simulation } = this.#story;
    const { world } = simulation.universe;
    const random = this.#random;
    const taker = new TakenOverHost(peer, former);
    former.isReplaced = true;
    if (former.life.stopped) former.promises.lifeEnded();
    this.former = former;
    this.taker = taker;
    simulation.remove(peer);
    simulation.secondaries.push(taker);
    this.#story.replaceSecondary(taker);
    const mayLosePower = former.life.dead && peer.setting.hold === 'durable';
    if (random.chance(0.5))
      taker.crashInNextLife(1 + random.int(150), mayLosePower ? random.pick(['page cache', 'what is durable'] as const) : 'page cache');
    world.schedule(random.int(50_000), 'takeover', () => taker.start(), null);
    const backUs = random.int(7_000_000);
    if (random.chance(0.6)) world.schedule(backUs, 'the former host comes back', () => this.#comeBack(taker, former), null);
    else world.schedule(8_000_000, 'the former host goes on', () => former.resume(), null);
  }

  #comeBack(taker: TakenOverHost, former: SecondaryHost): void {
    if (former.phase !== 'down') return former.resume();
    if (!this.#returnDue) return;
    taker.giveBackTo(former);
    former.isBack = true;
    former.start();
  }
}
