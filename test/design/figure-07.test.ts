/**
 * Figure 7, write-back: a block is acknowledged when the second secondary host holds it (step 3), and destaged from the journal only
 * (step 4, and Figure 13). The machine alone; the harness throws when an invariant breaks.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecondaryEffect, SecondaryEvent } from '../../src/protocol/secondary-contract.ts';
import { SecondaryMachine } from '../../src/protocol/secondary-machine.ts';
import { makeGeometry } from '../support/secondary-harness.ts';
import { figure3History, hashChainForTest } from '../support/secondary-history.ts';

const names = (effects: readonly SecondaryEffect[]): string[] => effects.map(({ effect }) => effect);
const acknowledged = (effects: readonly SecondaryEffect[]): number[] =>
  effects.flatMap((effect) =>
    effect.effect === 'acknowledge'
      ? effect.ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index))
      : [],
  );

class Bench {
  readonly history = figure3History();
  readonly machine = new SecondaryMachine({
    geometry: makeGeometry(),
    origin: this.history.origin,
    restored: [],
    hashChain: hashChainForTest,
  });

  step(...events: SecondaryEvent[]): SecondaryEffect[] {
    return this.machine.step(events);
  }

  receive(...numbers: number[]): SecondaryEffect[] {
    const records = numbers.map((number) => {
      const record = this.history.records.find(({ sequence }) => sequence === number);
      if (record === undefined) throw new Error(`no number ${number}`);
      return record;
    });
    return this.step({ event: 'recordsReceived', link: 1, records });
  }

  held(dataSet: number, records: number): SecondaryEffect[] {
    return this.step({ event: 'peerHeld', dataSet, records });
  }

  durable(dataSet: number, records: number): SecondaryEffect[] {
    return this.step({ event: 'journalDurable', dataSet, records });
  }
}

function joined(): Bench {
  const bench = new Bench();
  bench.step({ event: 'peerJoined' });
  return bench;
}

test('steps 1-3: what the peer holds is acknowledged, before its journal is durable', () => {
  const bench = joined();
  assert.equal(acknowledged(bench.receive(134, 135, 136)), []);
  assert.equal(acknowledged(bench.held(0, 2)), [134, 135]);
  assert.equal(acknowledged(bench.held(0, 3)), [136]);
  assert.is(bench.machine.exposed, 0);
});

test('whichever comes first: the journal acknowledges too, and neither of them twice', () => {
  const bench = joined();
  bench.receive(134, 135, 136);
  assert.equal(acknowledged(bench.durable(0, 2)), [134, 135]);
  assert.equal(acknowledged(bench.held(0, 3)), [136]);
  assert.equal(acknowledged(bench.durable(0, 3)), []);
  assert.equal(acknowledged(bench.held(0, 1)), [], 'an old word changes nothing');
});

test('I3: a data set that only the peer holds is not complete, whatever was acknowledged', () => {
  const bench = joined();
  bench.receive(134, 135, 136, 137, 138, 139, 140);
  assert.equal(names(bench.held(0, 7)), ['acknowledge']);
  assert.equal(bench.machine.complete(), []);
  assert.equal(names(bench.durable(0, 6)), []);
  assert.equal(names(bench.durable(0, 7)), ['setCompleteFlag']);
  assert.equal(names(bench.step({ event: 'completeFlagDurable', dataSet: 0 })), ['destage']);
});

test('I2: a lost session counts no more: a duplicate that only it held is not acknowledged, until the journal has it', () => {
  const bench = joined();
  bench.receive(134, 135);
  bench.held(0, 1);
  bench.step({ event: 'peerLost' });
  assert.is(bench.machine.exposed, 1, 'one was acknowledged, and only this process has it');
  assert.equal(acknowledged(bench.receive(134)), []);
  assert.equal(acknowledged(bench.durable(0, 1)), [134], 'once more: the first time may have gone with its link');
  assert.is(bench.machine.exposed, 0);
  assert.equal(acknowledged(bench.receive(134)), [134]);
  assert.equal(acknowledged(bench.durable(0, 2)), [135]);
});

test('I2: a duplicate that the current session holds is acknowledged again', () => {
  const bench = joined();
  bench.receive(134);
  bench.held(0, 1);
  assert.equal(acknowledged(bench.receive(134)), [134]);
});

test('an acknowledgement that was lost while its record was exposed is given again with the journal', () => {
  const bench = joined();
  bench.receive(134, 135, 136);
  bench.held(0, 2);
  bench.step({ event: 'peerLost' });
  assert.equal(bench.machine.held()[0]?.durable, Uint8Array.of(0), 'what is reported while they are exposed does not name them');
  assert.equal(acknowledged(bench.durable(0, 3)), [134, 135, 136]);
  assert.equal(acknowledged(bench.durable(0, 3)), []);
});

test('what may be acknowledged is told in a handshake; what a former session held is not', () => {
  const bench = joined();
  bench.receive(134, 135, 136);
  bench.durable(0, 1);
  bench.held(0, 2);
  assert.equal(bench.machine.heldFacts()[0]?.durable, Uint8Array.of(0b011));
  bench.step({ event: 'peerLost' });
  assert.equal(bench.machine.heldFacts()[0]?.durable, Uint8Array.of(0b001));
  assert.equal(bench.machine.heldFacts()[0]?.received, Uint8Array.of(0b111));
});

test('a new session begins only when nothing depends on the one before', () => {
  const bench = joined();
  bench.receive(134);
  bench.held(0, 1);
  bench.step({ event: 'peerLost' });
  assert.throws(() => bench.step({ event: 'peerJoined' }), /nothing depends on the one before/);
});

test('without a session nobody holds anything', () => {
  const bench = new Bench();
  bench.receive(134);
  assert.throws(() => bench.held(0, 1), /only the current session/);
});

test('I1: a data set whose chain disagrees is never acknowledged as a whole, although the peer holds all of it', () => {
  const bench = joined();
  bench.receive(134, 135, 136, 137, 138, 139);
  assert.equal(acknowledged(bench.held(0, 6)), [134, 135, 136, 137, 138, 139]);
  const sync = bench.history.records.find(({ sequence }) => sequence === 140);
  if (sync?.sync == null) throw new Error('140 is the sync');
  const other = { ...sync, sync: { ...sync.sync, chain: 'f'.repeat(32) } };
  assert.equal(names(bench.step({ event: 'recordsReceived', link: 1, records: [other] })), ['appendJournal', 'fail']);
  assert.equal(bench.held(0, 7), []);
  assert.equal(bench.durable(0, 7), []);
});

test('a slot that is used again holds nothing of the data set before', () => {
  const bench = joined();
  bench.receive(134, 135, 136, 137, 138, 139, 140);
  bench.held(0, 7);
  bench.durable(0, 7);
  bench.step({ event: 'completeFlagDurable', dataSet: 0 });
  bench.step({ event: 'destaged', dataSet: 0 });
  assert.ok(names(bench.step({ event: 'watermarkDurable', dataSet: 0 })).includes('retireJournal'));
  assert.is(bench.machine.exposed, 0);
  assert.equal(bench.held(0, 7), [], 'a late word about a retired data set');
});

test.run();
