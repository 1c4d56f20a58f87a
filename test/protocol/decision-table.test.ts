import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkTable, decide, describeTuple } from '../../src/protocol/decision-table.ts';
import type { DecisionTable } from '../../src/protocol/decision-table.ts';

const inputs = { light: ['red', 'green'], road: ['free', 'blocked'], siren: ['on', 'off'] } as const;
type Lights = DecisionTable<typeof inputs, string>;
const sound: Lights = {
  name: 'crossing',
  inputs,
  rows: [
    { label: 'let pass', when: [{ siren: ['on'] }], then: 'wait' },
    { label: 'go', when: [{ siren: ['off'], light: ['green'], road: ['free'] }], then: 'go' },
    {
      label: 'stay',
      when: [
        { siren: ['off'], light: ['red'] },
        { siren: ['off'], road: ['blocked'] },
      ],
      then: 'wait',
    },
  ],
};

test('a sound table decides every combination with exactly one row', () => {
  assert.equal(checkTable(sound), { combinations: 8, unmatched: [], ambiguous: [], unreachable: [] });
  assert.is(decide(sound, { light: 'green', road: 'free', siren: 'off' }).label, 'go');
  assert.is(decide(sound, { light: 'red', road: 'blocked', siren: 'off' }).label, 'stay', 'alternatives of one row may overlap');
});

test('a hole, an overlap and an unreachable row are found', () => {
  const hole: Lights = { ...sound, rows: sound.rows.slice(1) };
  assert.is(checkTable(hole).unmatched.length, 4);
  assert.match(checkTable(hole).unmatched[0] ?? '', 'light=red road=free siren=on');
  assert.throws(() => decide(hole, { light: 'red', road: 'free', siren: 'on' }), /crossing: 0 rows match/);
  const overlap: Lights = { ...sound, rows: [...sound.rows, { label: 'both', when: [{ siren: ['on'], light: ['red'] }], then: 'wait' }] };
  assert.match(checkTable(overlap).ambiguous[0] ?? '', 'let pass | both');
  assert.throws(() => decide(overlap, { light: 'red', road: 'free', siren: 'on' }), /2 rows match/);
  const dead: Lights = { ...sound, rows: [...sound.rows, { label: 'never', when: [{ siren: [] }], then: 'wait' }] };
  assert.equal(checkTable(dead).unreachable, ['never']);
});

test('a misspelt value or input is a broken invariant', () => {
  const value = { ...sound, rows: [{ label: 'x', when: [{ light: ['blue'] }], then: '' }] } as unknown as Lights;
  assert.throws(() => checkTable(value), /light is never blue/);
  const input = { ...sound, rows: [{ label: 'x', when: [{ lihgt: ['red'] }], then: '' }] } as unknown as Lights;
  assert.throws(() => checkTable(input), /no input is called lihgt/);
});

test('a tuple is shown as pairs', () => {
  assert.is(describeTuple({ light: 'red', road: 'free' }), 'light=red road=free');
});

test.run();
