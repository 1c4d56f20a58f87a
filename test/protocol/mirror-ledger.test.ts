/** What is claimed of the peer and what is released: a model of both sides, and the cases in which a claim would be too much. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MirrorLedger, type MirrorRun } from '../../src/protocol/mirror-ledger.ts';
import { Random } from '../../src/simulation/random.ts';

function ledgerWith(dataSet: number, appended: number, journaled = 0): MirrorLedger {
  const ledger = new MirrorLedger();
  ledger.opened(dataSet, journaled);
  for (let count = journaled; count < appended; count += 1) ledger.appended(dataSet);
  return ledger;
}

const EMPTY = { tail: 0, head: 0 };

test('what the peer holds of a data set that began on this link is claimed, once', () => {
  const ledger = new MirrorLedger();
  ledger.joined({ tail: 7, head: 7 });
  ledger.opened(0);
  assert.is(ledger.appended(0), 1);
  assert.is(ledger.appended(0), 2);
  ledger.sent({ records: 2, runs: [{ dataSet: 0, to: 2 }], bytes: 100 });
  assert.equal(ledger.claims(), []);
  assert.ok(ledger.awaitsPeer);
  assert.is(ledger.held(9), null);
  assert.equal(ledger.claims(), [{ dataSet: 0, records: 2 }]);
  assert.equal(ledger.claims(), []);
  assert.not.ok(ledger.awaitsPeer);
  assert.is(ledger.heldRecords, 2);
  assert.is(ledger.heldBytes, 100);
});

test('I2: a message of which the peer holds only a part claims nothing', () => {
  const ledger = ledgerWith(0, 0);
  ledger.joined(EMPTY);
  ledger.appended(0);
  ledger.appended(0);
  ledger.sent({ records: 2, runs: [{ dataSet: 0, to: 2 }], bytes: 100 });
  assert.is(ledger.held(1), null);
  assert.equal(ledger.claims(), []);
});

test('I2: records from before the link are claimed only when the journal has them', () => {
  const ledger = ledgerWith(4, 3, 1);
  ledger.joined(EMPTY);
  ledger.appended(4);
  ledger.sent({ records: 1, runs: [{ dataSet: 4, to: 4 }], bytes: 50 });
  ledger.held(1);
  assert.equal(ledger.claims(), [], 'records 2 and 3 are nowhere but here');
  ledger.journaled(4, 2);
  assert.equal(ledger.claims(), []);
  ledger.journaled(4, 3);
  assert.equal(ledger.claims(), [{ dataSet: 4, records: 4 }]);
});

test('I2: what was skipped is claimed only when the journal has it, also what was sent before it', () => {
  const ledger = ledgerWith(0, 0);
  ledger.joined(EMPTY);
  ledger.appended(0);
  ledger.sent({ records: 1, runs: [{ dataSet: 0, to: 1 }], bytes: 50 });
  ledger.appended(0);
  ledger.skipped([0]);
  ledger.appended(0);
  ledger.sent({ records: 1, runs: [{ dataSet: 0, to: 3 }], bytes: 50 });
  ledger.held(2);
  assert.equal(ledger.claims(), []);
  ledger.journaled(0, 2);
  assert.equal(ledger.claims(), [{ dataSet: 0, records: 3 }]);
});

test('I2: a new link knows nothing of what the one before held', () => {
  const ledger = ledgerWith(0, 0);
  ledger.joined(EMPTY);
  ledger.appended(0);
  ledger.sent({ records: 1, runs: [{ dataSet: 0, to: 1 }], bytes: 50 });
  ledger.held(1);
  ledger.left();
  assert.equal(ledger.claims(), []);
  ledger.joined({ tail: 0, head: 1 });
  assert.equal(ledger.claims(), []);
  assert.is(ledger.heldRecords, 1, 'the region still has it');
  ledger.journaled(0, 1);
  assert.is(ledger.release(), 1);
});

test('I3: released is what every journal before it has made durable, in the order in which it was sent', () => {
  const ledger = new MirrorLedger();
  ledger.joined(EMPTY);
  for (const dataSet of [0, 1]) {
    ledger.opened(dataSet);
    ledger.appended(dataSet);
    ledger.sent({ records: 1, runs: [{ dataSet, to: 1 }], bytes: 10 });
  }
  ledger.held(2);
  ledger.journaled(1, 1);
  assert.is(ledger.release(), null, 'the older one is in no journal');
  ledger.journaled(0, 1);
  assert.is(ledger.release(), 2);
  assert.is(ledger.release(), null);
  assert.is(ledger.heldBytes, 0);
});

test('I3: what is not held yet is not released either, and a retired data set is journaled', () => {
  const ledger = ledgerWith(0, 0);
  ledger.joined(EMPTY);
  ledger.appended(0);
  ledger.sent({ records: 1, runs: [{ dataSet: 0, to: 1 }], bytes: 10 });
  ledger.retired(0);
  assert.is(ledger.release(), null);
  ledger.held(1);
  assert.equal(ledger.claims(), [], 'of a retired data set nothing is said');
  assert.is(ledger.release(), 1);
});

test('a region that held records before the link keeps them until the journals have all that was there', () => {
  const ledger = ledgerWith(2, 5, 3);
  ledger.joined({ tail: 10, head: 40 });
  assert.is(ledger.heldRecords, 30);
  assert.is(ledger.release(), null);
  ledger.journaled(2, 5);
  assert.is(ledger.release(), 40);
});

test('a peer that holds what was never sent breaks the protocol', () => {
  const ledger = ledgerWith(0, 0);
  ledger.joined(EMPTY);
  assert.is(ledger.held(1), 'the peer holds records through 1; sent are those through 0');
});

/** Everything that a claim or a release may say, kept as plain sets. */
class Model {
  readonly appended = new Map<number, number>();
  readonly journaled = new Map<number, number>();
  readonly held = new Map<number, Set<number>>();
  readonly sent: { dataSet: number; position: number }[] = [];
  heldThrough = 0;

  isSafe(dataSet: number, position: number): boolean {
    return position < (this.journaled.get(dataSet) ?? 0) || this.held.get(dataSet)?.has(position) === true;
  }
}

test('random histories: nothing is claimed or released that is not so', () => {
  for (let seed = 1; seed <= 300; seed += 1) oneHistory(new Random(seed));
});

function oneHistory(random: Random): void {
  const ledger = new MirrorLedger();
  const model = new Model();
  let released = 0;
  let waiting: { dataSet: number; position: number; to: number }[] = [];
  ledger.joined(EMPTY);
  for (let step = 0; step < 120; step += 1) {
    const dataSet = random.int(3);
    const roll = random.int(9);
    if (roll < 4) {
      if (!model.appended.has(dataSet)) ledger.opened(dataSet);
      const position = model.appended.get(dataSet) ?? 0;
      model.appended.set(dataSet, position + 1);
      waiting.push({ dataSet, position, to: ledger.appended(dataSet) });
    } else if (roll === 4 && waiting.length > 0) {
      const taken = waiting.splice(0, 1 + random.int(waiting.length));
      const runs = new Map<number, MirrorRun>();
      for (const { dataSet: of, to } of taken) runs.set(of, { dataSet: of, to });
      ledger.sent({ records: taken.length, runs: [...runs.values()], bytes: taken.length });
      model.sent.push(...taken);
    } else if (roll === 5) {
      model.heldThrough += random.int(model.sent.length - model.heldThrough + 1);
      for (const { dataSet: of, position } of model.sent.slice(0, model.heldThrough)) {
        if (!model.held.has(of)) model.held.set(of, new Set());
        model.held.get(of)?.add(position);
      }
      assert.is(ledger.held(model.heldThrough), null);
    } else if (roll === 6) {
      const upTo = model.appended.get(dataSet) ?? 0;
      model.journaled.set(dataSet, Math.max(model.journaled.get(dataSet) ?? 0, random.int(upTo + 1)));
      ledger.journaled(dataSet, model.journaled.get(dataSet) ?? 0);
    } else if (roll === 7 && random.chance(0.2)) {
      ledger.skipped(new Set(waiting.map(({ dataSet: of }) => of)));
      waiting = [];
    }
    for (const claim of ledger.claims())
      for (let position = 0; position < claim.records; position += 1)
        assert.ok(model.isSafe(claim.dataSet, position), `data set ${claim.dataSet}: record ${position} is claimed`);
    const through = ledger.release();
    while (released < (through ?? 0)) {
      const record = model.sent[released];
      released += 1;
      assert.ok(record !== undefined && record.position < (model.journaled.get(record.dataSet) ?? 0), 'released before it was journaled');
    }
  }
}

test.run();
