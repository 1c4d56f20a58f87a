/**
 * The journals' promise, under seeded lives and deaths: everything that was told durable is in the scan after a power cut or a
 * kill, in order of append, at any later restart; flags told durable are set; nothing is ever told of records never appended.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JournalPoolEvents, JournalRing, ScannedJournal } from '../../journals/contract.ts';
import { openRing } from '../../journals/ring.ts';
import { Random } from '../../src/simulation/random.ts';
import { TestDisk } from '../support/test-disk.ts';
import { alignedStart, call, chainOf, create, DIRECTORY, encodeRecord, IDENTITY, scan, SMALL } from './support.ts';

const SEEDS = 200;
const RECORDS = 16;
const SLOTS = SMALL.slots;

/** What the test knows of one data set. */
interface Model {
  readonly dataSet: number;
  /** Sequence indices that still have to arrive, in random order. */
  waiting: number[];
  appended: number[];
  /** The longest list that was ever told durable. */
  promised: number[];
  flagAsked: boolean;
  flagPromised: boolean;
}

class History {
  readonly random: Random;
  readonly models = new Map<number, Model>();
  /** Highest data set that is retired. */
  retired = -1;
  next = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  int(below: number): number {
    return Math.floor(this.random.next() * below);
  }

  model(dataSet: number): Model {
    const model = this.models.get(dataSet);
    if (model === undefined) throw new Error(`no data set ${dataSet}`);
    return model;
  }

  readonly events: JournalPoolEvents = {
    durable: (dataSet, records) => {
      const model = this.model(dataSet);
      assert.ok(records <= model.appended.length, 'only appended records are durable');
      assert.ok(
        records >= model.promised.length,
        `a promise never shrinks: data set ${dataSet}, ${records} of ${model.appended.length} after ${model.promised.length}`,
      );
      model.promised = model.appended.slice(0, records);
    },
    completeFlagDurable: (dataSet) => {
      this.model(dataSet).flagPromised = true;
    },
    watermarkDurable: (point) => {
      this.retired = Math.max(this.retired, point.dataSet);
    },
    failed: (_slot, error) => {
      throw error;
    },
  };
}

function bytesOf(dataSet: number, index: number): Uint8Array {
  return encodeRecord({ dataSet, firstSequence: dataSet * 100, sequence: dataSet * 100 + index, blocks: (index * 7 + dataSet) % 4 });
}

/** One random step of an application of the ring. */
function act(history: History, ring: JournalRing, retiredSlots: Set<number>): void {
  const active = [...history.models.values()].filter((model) => model.dataSet > history.retired);
  const choice = history.random.next();
  while (history.models.has(history.next)) history.next += 1;
  if (choice < 0.15 && history.next <= history.retired + SLOTS && retiredSlots.has(history.next % SLOTS)) {
    const dataSet = history.next++;
    const waiting = Array.from({ length: 1 + history.int(RECORDS) }, (_, index) => index).toSorted(() => history.random.next() - 0.5);
    history.models.set(dataSet, { dataSet, waiting, appended: [], promised: [], flagAsked: false, flagPromised: false });
    ring.openDataSet({ slot: dataSet % SLOTS, dataSet, firstSequence: dataSet * 100 });
    retiredSlots.delete(dataSet % SLOTS);
  } else if (choice < 0.8) {
    const model = active[history.int(active.length)];
    const index = model?.waiting.pop();
    if (model === undefined || index === undefined) return;
    model.appended.push(index);
    ring.append({ slot: model.dataSet % SLOTS, index, bytes: bytesOf(model.dataSet, index) });
    if (history.random.next() < 0.3) ring.commit();
  } else if (choice < 0.9) {
    const model = active.find(
      ({ waiting, appended, promised, flagAsked }) => !flagAsked && waiting.length === 0 && promised.length === appended.length,
    );
    if (model === undefined) return;
    model.flagAsked = true;
    ring.setCompleteFlag({
      slot: model.dataSet % SLOTS,
      point: { dataSet: model.dataSet, finalSequence: 0, chain: chainOf(model.dataSet) },
    });
  } else {
    const lowest = history.models.get(history.retired + 1);
    if (lowest?.flagPromised === true) ring.writeWatermark({ dataSet: lowest.dataSet, finalSequence: 0, chain: chainOf(lowest.dataSet) });
  }
  retire(history, ring, retiredSlots);
  ring.commit();
}

function retire(history: History, ring: JournalRing, retiredSlots: Set<number>): void {
  for (const model of history.models.values()) {
    const slot = model.dataSet % SLOTS;
    if (model.dataSet > history.retired || retiredSlots.has(slot) || !isNewestOfSlot(history, model)) continue;
    ring.retire(slot);
    retiredSlots.add(slot);
  }
}

function isNewestOfSlot(history: History, model: Model): boolean {
  return !history.models.has(model.dataSet + SLOTS);
}

/** Compare what a scan finds with what was promised, and take over what recovery keeps. */
function judge(history: History, journals: readonly ScannedJournal[], what: string): void {
  for (const model of history.models.values()) {
    if (model.dataSet <= history.retired) continue;
    const journal = journals[model.dataSet % SLOTS];
    const records = (journal?.records ?? []).filter((record) => record.dataSet === model.dataSet);
    const indices = records.map((record) => record.sequence - record.firstSequence);
    assert.equal(
      indices.slice(0, model.promised.length),
      model.promised,
      `${what}: data set ${model.dataSet} keeps its promised records in order`,
    );
    const header = journal?.header.verdict === 'readable' ? journal.header : null;
    assert.ok(
      model.promised.length === 0 || header?.dataSet === model.dataSet,
      `${what}: the header is durable no later than the first record`,
    );
    const nothingInFlight = model.promised.length === model.appended.length && model.promised.length > 0;
    assert.ok(!nothingInFlight || journal?.tail.verdict === 'clean-end', `${what}: data set ${model.dataSet} ends clean`);
    const known = new Set(model.appended);
    assert.ok(
      indices.every((index) => known.has(index)),
      `${what}: only records that were appended`,
    );
    const isFlagged = journal?.completeMark.verdict === 'set' && journal.completeMark.point.dataSet === model.dataSet;
    assert.ok(!model.flagPromised || isFlagged, `${what}: data set ${model.dataSet} keeps its flag`);
    assert.ok(!isFlagged || (model.flagAsked && indices.length >= model.promised.length), `${what}: no flag that was not asked for`);
    model.appended = indices;
    model.promised = [...indices];
    model.flagAsked = isFlagged;
    model.flagPromised = isFlagged;
    model.waiting = model.waiting.concat([...known].filter((index) => !indices.includes(index)));
    if (indices.length === 0 && header?.dataSet !== model.dataSet) {
      // Never promised, and nothing left of it: the data set was not opened in this history.
      history.models.delete(model.dataSet);
      history.next = Math.min(history.next, model.dataSet);
    }
  }
}

/** Restart: scan, judge, recover. Data sets above a forgotten one are kept as they are; the window admits them again in order. */
async function recover(history: History, disk: TestDisk, what: string): Promise<{ ring: JournalRing; retiredSlots: Set<number> }> {
  const ring = openRing({ disk, directory: DIRECTORY, geometry: SMALL, alignedStart, events: history.events });
  ring.setIdentity(IDENTITY);
  const journals = await scan(ring);
  const watermark = ring.readWatermark()?.point?.dataSet ?? -1;
  assert.ok(watermark >= history.retired, `${what}: watermark ${watermark} after ${history.retired} was durable`);
  history.retired = watermark;
  judge(history, journals, what);
  const retiredSlots = new Set<number>();
  for (const [slot, journal] of journals.entries()) {
    const records = journal.records.filter((record) => record.type !== 'pad');
    const header = journal.header.verdict === 'readable' ? journal.header : null;
    const dataSet = records[0]?.dataSet ?? header?.dataSet ?? null;
    if (dataSet !== null && dataSet > history.retired && history.models.has(dataSet)) {
      const rebuilt = header?.dataSet === dataSet ? undefined : { identity: IDENTITY, dataSet, firstSequence: dataSet * 100 };
      await call((done) => ring.makeDurable(slot, done, rebuilt));
    } else {
      ring.retire(slot);
      retiredSlots.add(slot);
    }
  }
  await call((done) => ring.makeWatermarkDurable(done));
  return { ring, retiredSlots };
}

async function live(seed: number): Promise<History> {
  const history = new History(seed);
  let disk = new TestDisk({ seed, aligned: true });
  await create(disk);
  for (let life = 0; life < 5; life += 1) {
    const what = `seed ${seed}, life ${life}`;
    const { ring, retiredSlots } = await recover(history, disk, what);
    const steps = history.int(250);
    for (let step = 0; step < steps; step += 1) {
      act(history, ring, retiredSlots);
      if (history.random.next() < 0.25) await new Promise((resolve) => setImmediate(resolve));
    }
    disk = disk.crash(history.random.next() < 0.4 ? 'page cache' : 'what is durable');
  }
  return history;
}

test(`${SEEDS} seeds: what was told durable survives every crash, in order`, async () => {
  let dataSets = 0;
  let retired = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const history = await live(seed);
    dataSets += history.next;
    retired += history.retired + 1;
  }
  assert.ok(dataSets > SEEDS * 10 && retired > SEEDS * 10, `slots were used again and again: ${dataSets} data sets, ${retired} retired`);
});

test.run();
