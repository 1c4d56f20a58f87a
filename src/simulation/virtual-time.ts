/**
 * The one queue of events of a simulation. Whatever is asynchronous in Farshore - disks, links, timers, immediates - ends here as
 * an event at a virtual time, and runs in the order of time and, at one time, of scheduling. Nothing depends on how long real work takes.
 *
 * Code runs on behalf of a *life*, one run of one host's process; what it schedules belongs to that life and is gone with it.
 */
export interface Life {
  readonly name: string;
  dead: boolean;
  /** What would have happened since the process was stopped (SIGSTOP); absent or null while it runs. */
  stopped?: ScheduledEvent[] | null;
}

export class ScheduledEvent {
  cancelled = false;
  readonly timeUs: number;
  readonly order: number;
  readonly life: Life | null;
  readonly label: string;
  readonly work: () => void;

  constructor(options: { timeUs: number; order: number; life: Life | null; label: string; work: () => void }) {
    this.timeUs = options.timeUs;
    this.order = options.order;
    this.life = options.life;
    this.label = options.label;
    this.work = options.work;
  }

  // What the timers of Node have.
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

export class World {
  nowUs = 0;
  /** How far the hosts' wall clocks are from virtual time, in milliseconds: clocks jump. */
  wallOffsetMs = 1_700_000_000_000;
  /** On whose behalf code runs now; null: the simulation itself. */
  life: Life | null = null;
  steps = 0;
  /** Set only while every event is written down. */
  trace: ((line: string) => void) | null = null;
  readonly #heap: ScheduledEvent[] = [];
  #order = 0;

  get pending(): number {
    return this.#heap.length;
  }

  schedule(delayUs: number, label: string, work: () => void, life: Life | null = this.life): ScheduledEvent {
    this.#order += 1;
    const event = new ScheduledEvent({ timeUs: this.nowUs + Math.max(0, delayUs), order: this.#order, life, label, work });
    this.#push(event);
    return event;
  }

  /** Run the next event; false: there is none. */
  step(): boolean {
    for (let event = this.#pop(); event !== null; event = this.#pop()) {
      if (event.cancelled || event.life?.dead === true) continue;
      if (event.life?.stopped) {
        event.life.stopped.push(event);
        continue;
      }
      this.nowUs = event.timeUs;
      this.life = event.life;
      this.steps += 1;
      this.trace?.(`${event.timeUs} ${event.life?.name ?? '-'} ${event.label}`);
      event.work();
      return true;
    }
    return false;
  }

  /** Stop a process: time goes on, and nothing of it does, until `resume`. */
  stop(life: Life): void {
    life.stopped ??= [];
  }

  /** Let a stopped process go on: whatever came meanwhile comes now, in its order. */
  resume(life: Life): void {
    const missed = life.stopped ?? [];
    life.stopped = null;
    for (const event of missed) this.#push(this.#again(event));
  }

  /** Run something on behalf of a life, now. */
  as<Result>(life: Life | null, work: () => Result): Result {
    const before = this.life;
    this.life = life;
    try {
      return work();
    } finally {
      this.life = before;
    }
  }

  note(text: string): void {
    this.trace?.(`${this.nowUs} ${this.life?.name ?? '-'}   ${text}`);
  }

  /** The same event, due now; it stays the one that its owner may cancel. */
  #again(event: ScheduledEvent): ScheduledEvent {
    this.#order += 1;
    const { life, label } = event;
    return new ScheduledEvent({
      timeUs: this.nowUs,
      order: this.#order,
      life,
      label,
      work: () => (event.cancelled ? undefined : event.work()),
    });
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as ScheduledEvent;
      if (isBefore(above, event)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): ScheduledEvent | null {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined) return null;
    if (heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as ScheduledEvent, heap[child] as ScheduledEvent)) child += 1;
      if (isBefore(last, heap[child] as ScheduledEvent)) break;
      heap[index] = heap[child] as ScheduledEvent;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.timeUs < b.timeUs || (a.timeUs === b.timeUs && a.order < b.order);
}
