/** Figure 3: four data sets are sent in order and received out of order; each completes at exactly one receipt. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecondaryEffect } from '../../src/protocol/secondary-contract.ts';
import { SecondaryHarness } from '../support/secondary-harness.ts';
import { blockWriteOf, figure3History } from '../support/secondary-history.ts';

/** Command, block, data set ID, sequence number: "data set 0", "data set 1", "data sets 2 and 3". */
const SENT = [
  ['write', 'A0', 0, 134],
  ['write', 'B0', 0, 135],
  ['write', 'C0', 0, 136],
  ['write', 'D0', 0, 137],
  ['write', 'E0', 0, 138],
  ['write', 'F0', 0, 139],
  ['sync', null, 0, 140],
  ['write', 'D1', 1, 141],
  ['sync', null, 1, 142],
  ['write', 'E1', 2, 143],
  ['write', 'A1', 2, 144],
  ['sync', null, 2, 145],
  ['write', 'B2', 3, 146],
  ['write', 'F1', 3, 147],
  ['sync', null, 3, 148],
] as const;

/** "The receipt of the blocks at the secondary host", with the comment "Completes data set N". */
const RECEIVED = [
  ['write', 'A0', 0, 134, null],
  ['write', 'C0', 0, 136, null],
  ['write', 'F0', 0, 139, null],
  ['write', 'B0', 0, 135, null],
  ['write', 'D0', 0, 137, null],
  ['write', 'E0', 0, 138, null],
  ['sync', null, 0, 140, 0],
  ['sync', null, 1, 142, null],
  ['write', 'D1', 1, 141, 1],
  ['write', 'A1', 2, 144, null],
  ['write', 'B2', 3, 146, null],
  ['sync', null, 2, 145, null],
  ['write', 'E1', 2, 143, 2],
  ['write', 'F1', 3, 147, null],
  ['sync', null, 3, 148, 3],
] as const;

function completedBy(effects: readonly SecondaryEffect[]): number[] {
  return effects.flatMap((effect) => (effect.effect === 'setCompleteFlag' ? [effect.dataSet] : []));
}

test('Fig. 3: what the primary host transmits', () => {
  const sent = figure3History().records.map((record) => [
    record.type,
    record.type === 'sync' ? null : blockWriteOf(record)[1],
    record.dataSet,
    record.sequence,
  ]);
  assert.equal(sent, SENT);
});

test('Fig. 3: the receipt in the order of the table completes each data set where the table says', () => {
  const history = figure3History();
  const harness = new SecondaryHarness({ history, instant: true });
  for (const [type, block, dataSet, sequence, completes] of RECEIVED) {
    const record = history.at(sequence);
    assert.equal([record.type, record.type === 'sync' ? null : blockWriteOf(record)[1], record.dataSet], [type, block, dataSet]);
    const effects = harness.receive([record]);
    assert.equal(completedBy(effects), completes === null ? [] : [completes], `receipt of ${dataSet}/${sequence}`);
    assert.ok(harness.acknowledged.has(sequence), `${dataSet}/${sequence} is acknowledged`);
  }
  assert.equal(harness.destageOrder, [0, 1, 2, 3]);
  assert.equal(Object.fromEntries(harness.volume), { A: 'A1', B: 'B2', C: 'C0', D: 'D1', E: 'E1', F: 'F1' });
});

test('Fig. 3: the receipt as one batch completes the same data sets in the same order', () => {
  const harness = new SecondaryHarness({ history: figure3History(), instant: true });
  const effects = harness.receiveNumbers(...RECEIVED.map((row) => row[3]));
  assert.equal(completedBy(effects), [0, 1, 2, 3]);
  assert.equal(Object.fromEntries(harness.volume), { A: 'A1', B: 'B2', C: 'C0', D: 'D1', E: 'E1', F: 'F1' });
});

test.run();
