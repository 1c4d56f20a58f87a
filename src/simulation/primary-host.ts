/** A primary: the production `Primary` on a simulated disk and network, and the history that it writes. */
import type { DataSetId } from '../model/ids.ts';
import { Primary } from '../primary/primary.ts';
import { SYNC_RECORD_BYTES } from '../record/layout.ts';
import type { ReplicatedOrder } from '../primary/replicated-order.ts';
import { hostStatePath } from '../state/host-state.ts';
import type { History, HistoryDataSet } from './history.ts';
import { SimulatedHost, type Surroundings } from './host.ts';
import type { Operation, SimulatedDisk } from './disk.ts';
import { openListener } from './listener.ts';
import { GROUP, STATE_DIRECTORY, VOLUMES } from './setting.ts';
import { violated } from './violation.ts';

/** Refusals of a primary that was not stopped cleanly, failed, or was superseded: what it must say. */
export class PrimaryHost extends SimulatedHost {
  primary: Primary | null = null;
  history: History;
  /** Its volume or buffers failed: only a promotion helps (I10). */
  groupFailed = false;
  superseded = false;
  /** The end of the last life left everything that a next one needs. */
  stoppedCleanly = true;
  /** A store or a flush of a volume fails: by then it must have noticed (I10). */
  mustFailByUs = Number.POSITIVE_INFINITY;
  /** Requests that the application has under way. */
  requestsOpen = 0;
  /** How many cut-off data sets were counted. */
  #observedSequence = -1;
  #order: ReplicatedOrder | null = null;
  #whenIdle: (() => void) | null = null;
  /** A start was cut off, perhaps between the removal of the marker and the first request: then the next one refuses, to be sure. */
  #startWasCut = false;

  /** Where it listens for links. */
  readonly addresses: readonly string[];

  constructor(options: { name: string; around: Surroundings; disk: SimulatedDisk; history: History; addresses: readonly string[] }) {
    super(options);
    this.history = options.history;
    this.addresses = options.addresses;
  }

  /** Whether the application may send requests. */
  get serves(): boolean {
    return this.phase === 'up' && this.primary?.phase === 'serving';
  }

  /** Take in what was numbered since; after every event. */
  observe(): void {
    // A stop ends the order in the same turn in which it makes the last cut.
    this.#order = this.primary?.order ?? this.#order;
    const order = this.#order;
    if (order === null || this.life.dead) return;
    if (this.serves && this.around.universe.world.nowUs > this.mustFailByUs)
      violated('I10 flush failed', 'a volume failed, and the primary goes on');
    const { sequence } = order.machine.head(0);
    if (sequence === this.#observedSequence) return;
    this.#judgeBacklog(order);
    const closedBefore = this.history.closedThrough;
    this.history.observe(order);
    for (const set of this.history.sets.slice(closedBefore + 1)) this.#judgeCut(set, order.machine.windowHigh);
    this.#observedSequence = sequence;
    if (this.history.nextSequence !== sequence + 1)
      violated('I7 numbers', `the head says ${sequence}, the buffers end before ${this.history.nextSequence}`);
  }

  /** With the window shut a data set goes on growing, until it is full (DESIGN section 2, step 5). */
  #judgeCut({ dataSet, records }: HistoryDataSet, windowHigh: DataSetId | null): void {
    const reason = records.at(-1)?.header.sync?.reason;
    if ((reason === 'flush' || reason === 'fua' || reason === 'age') && (windowHigh === null || dataSet >= windowHigh))
      violated('I6 window', `data set ${dataSet} is cut for ${reason} while the window ends at ${windowHigh}`);
  }

  /** The limit holds for writes; one that finds nothing unacknowledged is taken whatever its size, and syncs come on top. @invariant I11 */
  #judgeBacklog({ machine, buffers }: ReplicatedOrder): void {
    const { backlogLimitBytes, geometry } = this.around.setting;
    const limitBytes = Math.max(backlogLimitBytes, geometry.capacityBytes) + buffers.size * SYNC_RECORD_BYTES;
    if (machine.unacknowledgedBytes > limitBytes)
      violated('I11 bounded', `${machine.unacknowledgedBytes} bytes are unacknowledged; the limit is ${backlogLimitBytes}`);
  }

  stop(): void {
    const { primary } = this;
    if (primary === null || this.phase !== 'up') return;
    const life = this.life;
    this.phase = 'stopping';
    this.run('stop', () => {
      const finished = (clean: boolean): void => {
        if (life.dead) return;
        this.observe();
        this.stoppedCleanly = clean && primary.phase === 'stopping';
        this.around.counters.cleanStops += this.stoppedCleanly ? 1 : 0;
        this.ended('down', null);
      };
      primary.stop().then(
        () => finished(true),
        () => finished(false),
      );
    });
  }

  requestEnded(): void {
    this.requestsOpen -= 1;
    if (this.requestsOpen === 0) this.#whenIdle?.();
  }

  protected async open(): Promise<void> {
    const { setting } = this.around;
    this.primary = null;
    this.requestsOpen = 0;
    this.#whenIdle = null;
    this.#observedSequence = -1;
    this.#order = null;
    this.mustFailByUs = Number.POSITIVE_INFINITY;
    const life = this.life;
    const primary = await Primary.start({
      disk: this.disk,
      group: GROUP,
      stateDirectory: STATE_DIRECTORY,
      volumes: VOLUMES,
      nbdListen: [],
      replicationListen: [],
      flushReply: setting.flushReply,
      cutPolicy: setting.cutPolicy,
      backlogLimitBytes: setting.backlogLimitBytes,
      objectiveMs: 1000,
      standalone: false,
      openLinks: (options) => openListener(options, { network: this.around.network, addresses: this.addresses, life }),
      openNbd: () => ({ start: async () => {}, stop: () => this.#idle(), addresses: () => [] }),
      log: (level, message, details) => this.#log(level, message, details),
    });
    if (!life.dead) this.primary = primary;
  }

  protected started(): void {
    this.phase = 'up';
    const order = this.primary?.order ?? violated('start', 'a primary that serves has an order');
    const head = order.machine.head(0);
    if (!this.stoppedCleanly && head.sequence + 1 !== this.history.nextSequence)
      violated(
        'I12 covered',
        `a primary that did not stop cleanly goes on at ${head.sequence + 1}, it had given ${this.history.nextSequence - 1}`,
      );
    if (head.sequence + 1 !== this.history.nextSequence || head.dataSet !== this.history.sets.length)
      violated(
        'I7 numbers',
        `goes on at data set ${head.dataSet}, number ${head.sequence + 1}; the history ends at ${this.history.sets.length}, ${this.history.nextSequence}`,
      );
    const last = this.history.sets.at(-1);
    if (last !== undefined && order.chain !== last.chain)
      violated('I7 numbers', `goes on with chain ${order.chain}, not with ${last.chain}`);
    this.judgeVolumes('cached');
    this.stoppedCleanly = false;
    this.#startWasCut = false;
  }

  override crash(kept: 'page cache' | 'what is durable'): void {
    if (!this.life.dead && this.phase === 'starting') this.#startWasCut = true;
    super.crash(kept);
  }

  /** With no store under way the volumes are what the records say, in the order of the numbers. */
  judgeVolumes(what: 'cached' | 'durable'): void {
    for (const [index, { path, name }] of VOLUMES.entries()) {
      const head = this.history.head[index];
      if (head === undefined || this.disk.image(path, what)?.equals(head) !== true)
        violated('order of writes', `the primary's volume ${name} is not what its records say, in the order of their numbers`);
    }
  }

  protected refusedToStart(code: string, message: string): void {
    const expected = this.superseded
      ? 'ERR_SUPERSEDED'
      : this.groupFailed
        ? 'ERR_GROUP_FAILED'
        : this.stoppedCleanly
          ? null
          : 'ERR_UNCLEAN_STOP';
    if (code === expected || code === 'ERR_UNCLEAN_STOP' || (this.groupFailed && code === 'ERR_UNCLEAN_STOP')) {
      if (expected === null && !this.#startWasCut) violated('start', `a primary that stopped cleanly refuses: ${message}`);
      return;
    }
    violated('start', `the primary refuses with ${code}: ${message}; expected ${expected ?? 'to start'}`);
  }

  protected crashed(): void {
    this.primary = null;
    // It may have noted this and died before it said so.
    const state = this.disk.image(hostStatePath(STATE_DIRECTORY), 'cached')?.bytes() ?? new Uint8Array(0);
    if (Buffer.from(state).includes('"superseded"')) this.superseded = true;
    this.around.counters.primaryKills += 1;
  }

  /** The marker of a clean stop says that the volumes have every write durably. @invariant I12 */
  protected override asking(operation: Operation, path: string): void {
    if (operation !== 'replaceFile' || !path.endsWith('/clean-stop')) return;
    this.observe();
    // Also a start that failed writes it again: nothing was written then.
    this.judgeVolumes('durable');
  }

  protected writing(): void {}

  protected flushed(): void {}

  #idle(): Promise<void> {
    if (this.requestsOpen === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#whenIdle = null;
        resolve();
      };
      this.#whenIdle = finish;
      setTimeout(finish, 50);
    });
  }

  #log(level: string, message: string, details: Record<string, unknown> | undefined): void {
    const { universe, counters } = this.around;
    if (this.life.dead) return;
    universe.world.note(`${level}: ${message}`);
    if (message.startsWith('failed: ')) {
      this.groupFailed = true;
      counters.failedHosts += 1;
      if (details?.['code'] === 'ERR_SEND_BUFFER_CORRUPT') this.around.failed(new Error(`the send buffer was damaged: ${message}`));
    } else if (message.startsWith('superseded: ')) {
      this.superseded = true;
    } else if (/^secondary at .* refused: /.test(message)) counters.handshakesRefused += 1;
    else if (/^secondary at .* waiting: /.test(message)) counters.handshakesWaiting += 1;
    else if (message.startsWith('link from ') && level === 'info') counters.handshakesAgreed += 1;
  }
}
