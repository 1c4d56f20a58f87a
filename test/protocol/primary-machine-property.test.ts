/**
 * The primary machine against a far side that loses links, reorders, repeats acknowledgements, refuses records and restarts.
 * The model checks each effect: nothing acknowledged is sent again, nothing above the window, nothing held by two open links.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PrimaryMachine } from '../../src/protocol/primary-machine.ts';
import type { PrimaryEffect, PrimaryEvent, PrimaryMachineOptions, RequestId } from '../../src/protocol/primary-contract.ts';
import { ModelSecondary } from '../support/model-secondary.ts';
import { makeMachine, SYNC_BYTES } from '../support/primary-harness.ts';

const BACKLOG_BYTES = 40_000;
const POLICY = { minAgeMs: 5, maxAgeMs: 40, maxSizeBytes: 8_000, recordsMax: 20 };

/** What one turn may bring. */
type Action =
  | { readonly do: 'write'; readonly recordBytes: readonly number[]; readonly fua: boolean }
  | { readonly do: 'store'; readonly pick: number }
  | { readonly do: 'flush' }
  | { readonly do: 'cut' }
  | { readonly do: 'time'; readonly ms: number }
  | { readonly do: 'deliver'; readonly pick: number; readonly count: number; readonly damagedEvery: number }
  | { readonly do: 'commit'; readonly pick: number; readonly every: number }
  | { readonly do: 'answer'; readonly pick: number; readonly again: boolean }
  | { readonly do: 'ready'; readonly pick: number; readonly budgetBytes: number }
  | { readonly do: 'openLink' }
  | { readonly do: 'loseLink'; readonly pick: number }
  | { readonly do: 'restart' };

const pick = fc.nat(7);
const size = fc.integer({ min: 1, max: 250 }).map((eights) => eights * 8);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      recordBytes: fc.array(size, { minLength: 1, maxLength: 4 }),
      fua: fc.boolean(),
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('store' as const), pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.nat(20) }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), pick, count: fc.nat(12), damagedEvery: fc.constantFrom(0, 0, 0, 3) }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('commit' as const), pick, every: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 16, arbitrary: fc.record({ do: fc.constant('answer' as const), pick, again: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('ready' as const), pick, budgetBytes: fc.nat(20_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('openLink' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('loseLink' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

/** Runs actions; checks bookkeeping after each turn. */
class World {
  readonly machine: PrimaryMachine;
  readonly far: ModelSecondary;
  readonly replied = new Set<RequestId>();
  readonly released: number[] = [];
  #nowMs = 0;
  #requests = 0;
  #links = 0;
  #hasSession = false;
  readonly #sizes = new Map<RequestId, readonly number[]>();
  readonly #fua = new Set<RequestId>();
  readonly #storeOrder: RequestId[] = [];
  #storing: RequestId[] = [];
  #asked: RequestId[] = [];
  /** Requests whose `volumeFlushed` is to be reported, as the shell does after it numbered them. */
  #toFlush: RequestId[] = [];
  readonly #bytes = new Map<number, number>();

  constructor(setup: Partial<Pick<PrimaryMachineOptions, 'flushReply'>> = {}) {
    this.machine = makeMachine({
      ...setup,
      backlogLimitBytes: BACKLOG_BYTES,
      batchBytesMax: 3000,
      cutPolicy: POLICY,
      nextDataSet: 3,
      nextSequence: 100,
    });
    this.far = new ModelSecondary({ slots: 3, firstDataSet: 3 });
  }

  step(...events: PrimaryEvent[]): void {
    const effects = this.machine.step(events, this.#nowMs);
    for (const effect of effects) {
      this.#carryOut(effect);
      this.far.carryOut(effect, this.machine.windowHigh);
    }
    this.#checkBytes();
  }

  #carryOut(effect: PrimaryEffect): void {
    switch (effect.effect) {
      case 'storeWrite':
        this.#storeOrder.push(effect.request);
        this.#storing.push(effect.request);
        assert.is(effect.request, this.#asked.shift(), 'no overtaking');
        break;
      case 'appendRecords':
        for (const [index, bytes] of (this.#sizes.get(effect.request) ?? []).entries()) this.#number(effect.sequence + index, bytes);
        if (this.#fua.has(effect.request)) this.#toFlush.push(effect.request);
        break;
      case 'closeDataSet':
        this.#number(effect.finalSequence, SYNC_BYTES);
        break;
      case 'reply':
        assert.not(this.replied.has(effect.request), 'replied once');
        this.replied.add(effect.request);
        break;
      case 'releaseDataSet':
        assert.is(effect.dataSet, (this.released.at(-1) ?? 2) + 1, 'released in ascending order');
        this.released.push(effect.dataSet);
        break;
      case 'verifyRecord':
        this.#afterwards.push({ event: 'recordVerified', dataSet: effect.dataSet, sequence: effect.sequence, intact: true });
        break;
      case 'closeLink':
      case 'failGroup':
        assert.unreachable(JSON.stringify(effect));
        break;
      case 'sendRecords':
      case 'requestProgress':
        break;
    }
  }

  readonly #afterwards: PrimaryEvent[] = [];

  #number(sequence: number, bytes: number): void {
    assert.not(this.#bytes.has(sequence), `number ${sequence} given twice`);
    assert.is(sequence, 100 + this.#bytes.size, 'numbers have no holes');
    this.#bytes.set(sequence, bytes);
  }

  #checkBytes(): void {
    let bytes = 0;
    for (const [sequence, recordBytes] of this.#bytes) if (!this.far.told.has(sequence)) bytes += recordBytes;
    assert.is(this.machine.unacknowledgedBytes, bytes, 'unacknowledged bytes are exact');
    assert.ok(bytes <= BACKLOG_BYTES + SYNC_BYTES * 50, 'the backlog is bounded');
    for (const set of this.machine.unacknowledged()) {
      const end = set.finalSequence === null ? 100 + this.#bytes.size - 1 : set.finalSequence - 1;
      let open = 0;
      for (let sequence = set.firstSequence; sequence <= end; sequence += 1) open += this.#bytes.get(sequence) ?? 0;
      assert.ok(open <= POLICY.maxSizeBytes && end - set.firstSequence + 1 < POLICY.recordsMax, 'a data set keeps to its maximum');
    }
  }

  run(what: Action): void {
    if (this.#afterwards.length > 0) this.step(...this.#afterwards.splice(0));
    const links = [...this.far.links.keys()];
    const link = 'pick' in what ? links[what.pick % Math.max(1, links.length)] : undefined;
    switch (what.do) {
      case 'write':
        return this.#write(what.recordBytes, what.fua);
      case 'store':
        return this.#store(what.pick);
      case 'flush':
        return this.#flush();
      case 'cut':
        return this.step({ event: 'cutRequested', reason: 'bookmark' });
      case 'time':
        this.#nowMs += what.ms;
        return this.step({ event: 'clockTicked' });
      case 'openLink':
        return this.#openLink();
      case 'restart':
        return this.#restart();
      default:
        return link === undefined ? undefined : this.#runOnLink(what, link);
    }
  }

  #runOnLink(what: Extract<Action, { pick: number }>, link: number): void {
    switch (what.do) {
      case 'deliver':
        return this.far.deliver(link, what.count, (sequence) => what.damagedEvery > 0 && sequence % what.damagedEvery === 0);
      case 'commit':
        return this.far.commit(link, (sequence) => sequence % what.every === 0);
      case 'answer': {
        const message = this.far.answer(link, what.again);
        return message === null ? undefined : this.step(message);
      }
      case 'ready':
        return this.step({ event: 'linkReady', link, budgetBytes: what.budgetBytes });
      case 'loseLink':
        this.far.links.delete(link);
        return this.step({ event: 'linkClosed', link }, ...this.#lostSession());
      case 'store':
        return undefined;
    }
  }

  #lostSession(): PrimaryEvent[] {
    if (this.far.links.size > 0) return [];
    this.#hasSession = false;
    return [{ event: 'sessionLost' }];
  }

  #write(recordBytes: readonly number[], fua: boolean): void {
    this.#requests += 1;
    const request = this.#requests;
    this.#sizes.set(request, recordBytes);
    if (fua) this.#fua.add(request);
    this.#asked.push(request);
    const encodedBytes = recordBytes.reduce((sum, bytes) => sum + bytes, 0);
    this.step({ event: 'writeRequested', request, records: recordBytes.length, encodedBytes, fua });
  }

  #store(which: number): void {
    const [request] = this.#storing.splice(which % Math.max(1, this.#storing.length), 1);
    if (request !== undefined) this.step({ event: 'writeStored', request, recordBytes: this.#sizes.get(request) ?? [] });
  }

  #flush(): void {
    this.#requests += 1;
    const fua = this.#toFlush.splice(0).map((request): PrimaryEvent => ({ event: 'volumeFlushed', request, kind: 'fua' }));
    this.step(...fua, { event: 'volumeFlushed', request: this.#requests, kind: 'flush' });
  }

  #openLink(): void {
    if (this.far.links.size >= 4) return;
    this.#links += 1;
    const events: PrimaryEvent[] = [];
    if (!this.#hasSession) {
      const facts = this.far.establish();
      events.push({ event: 'sessionEstablished', ...facts, dataSetBytesMax: 9000, recordsMax: 30 });
      this.#hasSession = true;
    }
    this.far.openLink(this.#links);
    this.step(...events, { event: 'linkOpened', link: this.#links }, { event: 'linkReady', link: this.#links, budgetBytes: 5000 });
  }

  #restart(): void {
    const events = [...this.far.links.keys()].map((link): PrimaryEvent => ({ event: 'linkClosed', link }));
    this.far.links.clear();
    this.far.restart();
    this.step(...events, ...(this.#hasSession ? this.#lostSession() : []));
  }

  /** Let everything that is under way come to its end on healthy links. */
  drain(): void {
    for (let turn = 0; turn < 400 && !this.#isDrained(); turn += 1) {
      if (this.far.links.size === 0) this.run({ do: 'openLink' });
      this.run({ do: 'store', pick: 0 });
      this.run({ do: 'flush' });
      for (const index of [...this.far.links.keys()].keys()) {
        this.run({ do: 'ready', pick: index, budgetBytes: 20_000 });
        this.run({ do: 'deliver', pick: index, count: 1000, damagedEvery: 0 });
        this.run({ do: 'commit', pick: index, every: 1 });
        for (let message = 0; message < 10; message += 1) this.run({ do: 'answer', pick: index, again: false });
      }
      if (this.#asked.length === 0 && this.#storing.length === 0) this.run({ do: 'cut' });
    }
    assert.ok(
      this.#isDrained(),
      `not drained: ${JSON.stringify({ positions: this.machine.positions(), unacknowledged: this.machine.unacknowledgedBytes })}`,
    );
    assert.is(this.machine.unacknowledged().length, 0, 'every data set is released');
    assert.is(this.replied.size, this.#requests, 'every request is replied to');
    assert.is(this.far.destaged, this.released.at(-1) ?? 2);
  }

  #isDrained(): boolean {
    return (
      this.replied.size === this.#requests &&
      this.machine.unacknowledged().length === 0 &&
      this.#asked.length === 0 &&
      this.#storing.length === 0
    );
  }
}

for (const flushReply of ['local', 'remote'] as const) {
  test(`against a far side that fails in every way, replies to FLUSH ${flushReply}`, () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 20, maxLength: 300, size: 'max' }), (actions) => {
        const world = new World({ flushReply });
        world.run({ do: 'openLink' });
        for (const what of actions) world.run(what);
        world.drain();
      }),
      { numRuns: 300 },
    );
  });
}

test.run();
