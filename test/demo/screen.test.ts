import { PassThrough } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { counted, plural, Screen, table, wrap } from '../../src/demo/screen.ts';

function shown(terminal: boolean, show: (screen: Screen) => void): string {
  const stream = Object.assign(new PassThrough(), { isTTY: terminal, columns: 40 });
  show(new Screen(stream as never, { steps: 2 }));
  return String(stream.read() ?? '');
}

function withoutNoColor<T>(work: () => T): T {
  const { NO_COLOR, TERM } = process.env;
  delete process.env['NO_COLOR'];
  process.env['TERM'] = 'xterm';
  try {
    return work();
  } finally {
    if (NO_COLOR !== undefined) process.env['NO_COLOR'] = NO_COLOR;
    process.env['TERM'] = TERM;
    if (TERM === undefined) delete process.env['TERM'];
  }
}

test('without a terminal: plain lines, and progress only now and then', () => {
  const text = shown(false, (screen) => {
    screen.step('Write');
    screen.progress('1');
    screen.progress('2');
    screen.say('done');
    screen.verdict(true, 'all is well');
  });
  assert.is(text, '\n[1/2] Write\n      done\n\nVERDICT: GOOD - all is well\n');
});

test('on a terminal: one line that moves and never wraps, and colours', () => {
  const text = withoutNoColor(() =>
    shown(true, (screen) => {
      screen.progress('first');
      screen.progress('x'.repeat(100));
      screen.verdict(false, 'no');
    }),
  );
  assert.is(text, `\r\u001B[2K      first\r\u001B[2K      ${'x'.repeat(33)}\n\n\u001B[31mVERDICT: BAD\u001B[0m - no\n`);
});

test('NO_COLOR is obeyed', () => {
  const before = process.env['NO_COLOR'];
  process.env['NO_COLOR'] = '1';
  assert.not.match(
    shown(true, (screen) => screen.step('Kill')),
    /\u001B\[/,
  );
  if (before === undefined) delete process.env['NO_COLOR'];
  else process.env['NO_COLOR'] = before;
});

test('wrap, table, numbers', () => {
  assert.equal(wrap('one two three', 7), ['one two', 'three']);
  assert.equal(wrap('incomprehensibilities', 5), ['incomprehensibilities']);
  assert.equal(
    table([
      ['a', '1'],
      ['long', '2'],
    ]),
    ['a     1', 'long  2'],
  );
  assert.equal([counted(14_210), plural(1, 'set'), plural(2000, 'set')], ['14,210', '1 set', '2,000 sets']);
});

test.run();
