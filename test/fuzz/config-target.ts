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

/** A sample with some of its lines dropped, repeated, or given another value. */
const anySample = fc
  .tuple(
    fc.constantFrom('primary' as const, 'secondary' as const),
    fc.array(
      fc.tuple(
        fc.nat(40),
        fc.constantFrom('drop', 'repeat', 'value', 'value', 'word', 'word', 'indent', 'key'),
        fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...WORDS) }, anyFlow),
      ),
      {
        maxLength: 3,
      },
    ),
  )
  .map(([role, changes]) => {
    const lines = sampleConfig(role)
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, ''));
    for (const [place, change, value] of changes) {
      const at = place % lines.length;
      const line = lines[at] ?? '';
      if (change === 'drop') lines.splice(at, 1);
      else if (change === 'repeat') lines.splice(at, 0, line);
      else if (change === 'indent') lines[at] = `  ${line}`;
      else if (change === 'key') lines.splice(at, 0, `${KEYS[place % KEYS.length]}: ${value}`);
      else if (change === 'word') lines[at] = line.replace(/(: *)[^:,{}]+(?=[,} ]*$)/, `$1${value}`);
      else lines[at] = line.replace(/:.*/s, `: ${value}`);
    }
    return text(lines.join('\n'));
  });

export const configTarget: Target = {
  name: 'config',
  property: 'a config is right, or every mistake in it is told with its line and a sentence',
  golden: [
    text(sampleConfig('primary')),
    text(sampleConfig('secondary')),
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
  testInputs: 1_200,
  mustReach: ['primary', 'secondary', 'ERR_CONFIG_INVALID', 'ERR_NOT_AVAILABLE', 'ERR_LISTEN_EXPOSED'],
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
    else must(typeof value === 'boolean', `${path} is ${String(value)}`);
  };
  visit(config, 'config');
  must(Object.getPrototypeOf(config) === Object.prototype && !('polluted' in {}), 'no prototype is changed');
}
