/** The text of a config file, into the real loader. */
import fc from 'fast-check';
import { ConfigError, checkConfigText } from '../../src/cli/config/load-config.ts';
import { sampleConfig } from '../../src/cli/config/sample.ts';
import { must, type Input, type Target } from './target.ts';

const PATH = '/etc/farshore/fuzz.yaml';
const CODES: ReadonlySet<string> = new Set(['ERR_CONFIG_INVALID', 'ERR_LISTEN_EXPOSED', 'ERR_NOT_AVAILABLE']);
const MESSAGE_CHARACTERS_MAX = 40_000;

const text = (lines: string): Input => [new TextEncoder().encode(lines)];

const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...'bcdefghi'
    .split('')
    .map((name, index) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefgh'.charAt(index)}`).join(', ')}]`),
].join('\n');

const KEYS = [
  'role',
  'group',
  'state',
  'volumes',
  'nbd',
  'listen',
  'replication',
  'connect',
  'links',
  'journals',
  'slots',
  'size',
  'path',
  'name',
  'vlun',
  'dataSets',
  'minAge',
  'maxAge',
  'maxSize',
  'backlog',
  'limit',
  'policy',
  'objective',
  'status',
  'log',
  'level',
  'insecure',
  'mode',
  'peer',
  'nvram',
  'hold',
  'takeover',
  'fence',
  'store',
  '__proto__',
  'constructor',
  'toString',
  'nothing',
];
const WORDS = [
  'primary',
  'secondary',
  'peer',
  '1GiB',
  '4096',
  '0',
  '-1',
  '1e400',
  '.inf',
  '.nan',
  '0x7fffffffffffffff',
  '99999999999999999999',
  '10ms',
  '5s',
  '127.0.0.1:0',
  '[::1]:70000',
  'unix:/x',
  'unix:',
  'ws://a:1',
  'ws://[::1]:0',
  'wss://b:2',
  'true',
  '~',
  '!!binary aGk=',
  '!!timestamp 2001-01-01',
  '!!set {a}',
  '!foo x',
  '&a x',
  '*a',
  '*nobody',
  '<<',
  '"\\ud800"',
  "'it''s'",
  '|\n  block',
  '2001-01-01',
  '1_000',
  '0o17',
  'mmap',
  'debug',
  'remote',
  'throttle',
  'spill',
];

const anyScalar = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...WORDS) },
  fc.string({ maxLength: 12 }),
  fc.integer().map(String),
  fc.double().map(String),
);
const anyFlow = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    anyScalar,
    fc.array(tie('node'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
    fc
      .array(fc.tuple(fc.constantFrom(...KEYS), tie('node')), { maxLength: 4 })
      .map((pairs) => `{ ${pairs.map(([key, value]) => `${key}: ${value}`).join(', ')} }`),
  ),
})).node;

/** Values at the bounds of single keys, right ones and wrong ones. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  listen: [
    'unix:/run/a.sock',
    '"unix:"',
    `unix:/${'d/'.repeat(60)}a`,
    '[::1]:10809',
    '"[::1]:10809"',
    '"[no]:1"',
    '127.0.0.1:70000',
    '999.1.1.1:1',
    'localhost:10811',
    '127.0.0.1:10811',
    '127.0.0.1',
    '"a b:1"',
    '"[127.0.0.1:0]"',
  ],
  connect: [
    'ws://a:1',
    '[ws://a:1, ws://b:2]',
    'ws+unix:/run/b.sock',
    '"ws+unix:"',
    'wss://a:1',
    'ws://a:0',
    'ws://a:99999',
    'http://a',
    '[]',
  ],
  size: ['4096', '4095', '4097', '64KiB', '1GiB', '2GiB', '8PiB', '9007199254740992', '0', '1.5KiB', '-1', '1e3', 'x'],
  maxSize: ['32KiB', '31KiB', '1GiB', '1025MiB', '257MiB'],
  limit: ['64KiB', '1536MiB', '1537MiB', '1'],
  minAge: ['0ms', '1h', '2h', '200ms', '-1ms', '5'],
  maxAge: ['0ms', '1ms', '1h', '1.5s', '9d'],
  objective: ['0ms', '1ms', '99999999999d', '1e9s'],
  links: ['0', '1', '16', '17', '1.5', '"2"'],
  slots: ['1', '2', '256', '257', '.inf'],
  vlun: ['4294967294', '4294967295', '-0', '0.5'],
  policy: ['spill', 'track', 'throttel'],
  mode: ['write-back', 'write'],
  flush: ['remote', 'far'],
  level: ['debug', 'verbose'],
  insecure: ['true', 'yes'],
  role: ['peer', 'primary', 'secondry', '[primary]'],
  hold: ['durable', 'disk'],
  fence: ['[]', '[a, b]', '[""]', '[1]', 'a'],
  path: ['""', '~', '/dev/null', 'db1'],
  name: ['a', '-a', 'x'.repeat(256), '""'],
};

type Change = (lines: string[]) => void;
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(...Object.keys(VALUES)).chain((key) =>
      fc.tuple(fc.constantFrom(...(VALUES[key] ?? [])), fc.nat(3)).map(([value, skip]): Change => (lines) => {
        const pattern = new RegExp(`\\b${key}: [^,}\\n]*`);
        const places = Array.from(lines.keys()).filter((at) => pattern.test(lines[at] ?? ''));
        const at = places[skip % Math.max(1, places.length)];
        if (at !== undefined) lines[at] = (lines[at] ?? '').replace(pattern, () => `${key}: ${value}`);
      }),
    ),
  },
  fc.tuple(fc.nat(40), fc.constantFrom('drop', 'repeat', 'indent')).map(([place, kind]): Change => (lines) => {
    const at = place % lines.length;
    if (kind === 'drop') lines.splice(at, 1);
    else if (kind === 'repeat') lines.splice(at, 0, lines[at] ?? '');
    else lines[at] = `  ${lines[at]}`;
  }),
  fc.tuple(fc.nat(40), anyFlow).map(([place, value]): Change => (lines) => {
    const at = place % lines.length;
    lines[at] = (lines[at] ?? '').replace(/:.*/s, () => `: ${value}`);
  }),
  fc.tuple(fc.nat(40), fc.constantFrom(...KEYS), anyFlow).map(
    ([place, key, value]): Change =>
      (lines) =>
        void lines.splice(place % lines.length, 0, `${key}: ${value}`),
  ),
);

/** A sample with some changes of single lines. */
const anySample = fc
  .tuple(fc.constantFrom('primary' as const, 'secondary' as const, 'peer' as const), fc.array(anyChange, { maxLength: 3 }))
  .map(([role, changes]) => {
    const lines = sampleConfig(role)
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, ''));
    for (const change of changes) change(lines);
    return text(lines.join('\n'));
  });

export const configTarget: Target = {
  name: 'config',
  property: 'a config is right, or every mistake in it is told with its line and a sentence',
  golden: [
    text(sampleConfig('primary')),
    text(sampleConfig('secondary')),
    text(sampleConfig('peer')),
    text(sampleConfig('secondary').replace('mode: write-through', 'mode: write-back')),
    text(sampleConfig('peer')),
    text(sampleConfig('primary').replaceAll('127.0.0.1', '0.0.0.0')),
    text(''),
    text(bomb),
    text('role: &a [*a]'),
    text(`role: primary\nvolumes: &v\n  - *v\n`),
    text(`a: ${'['.repeat(60_000)}`),
    text(`role: primary\n${'k'.repeat(70_000)}\n`.repeat(2)),
    text(`role: primary\nstate: ${'{a: '.repeat(600)}`),
    text(Array.from({ length: 600 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')),
    text(`role: primary\n__proto__: { group: demo }\n`),
    text(`role: secondary\n? [1, 2]\n: 3\n`),
  ],
  generator: fc.oneof(
    { weight: 3, arbitrary: anySample },
    anyFlow.map((flow) => text(flow)),
  ),
  partBytesMax: 8_192,
  testInputs: 900,
  mustReach: ['primary', 'secondary', 'peer', 'ERR_CONFIG_INVALID', 'ERR_NOT_AVAILABLE', 'ERR_LISTEN_EXPOSED'],
  run: async ([bytes = new Uint8Array(0)]: Input): Promise<string> => {
    const content = Buffer.from(bytes).toString('utf8');
    try {
      const config = await checkConfigText({ path: PATH, text: content, environment: {} });
      judgeConfig(config);
      return config.role;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      judgeMistakes(error, content);
      return error.code;
    }
  },
};

function judgeMistakes(error: ConfigError, content: string): void {
  const lines = content.split(/\r\n|\n|\r/).length;
  must(CODES.has(error.code) && error.mistakes.length > 0, `${error.code} with ${error.mistakes.length} mistakes`);
  must(error.message.length <= MESSAGE_CHARACTERS_MAX + content.length, `a message of ${error.message.length} characters`);
  for (const { file, line, column, message, code } of error.mistakes) {
    must(file === PATH && CODES.has(code), `${file} ${code}`);
    must(Number.isInteger(line) && line >= 1 && line <= lines + 1, `line ${line} of ${lines}`);
    must(Number.isInteger(column) && column >= 1, `column ${column}`);
    must(
      message.trim() !== '' && !/Cannot read|is not a function|call stack|undefined/.test(message),
      `no sentence for an operator: ${message}`,
    );
  }
}

/** Every number that stands anywhere in a config that was taken is one that can be used. */
function judgeConfig(config: object): void {
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'number') must(Number.isFinite(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER, `${path} is ${value}`);
    else if (typeof value === 'string') must(value !== '', `${path} is empty`);
    else if (typeof value === 'object' && value !== null) for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
    else must(value === null || typeof value === 'boolean', `${path} is ${String(value)}`);
  };
  visit(config, 'config');
  must(Object.getPrototypeOf(config) === Object.prototype && !('polluted' in {}), 'no prototype is changed');
}
