/** The code itself, against the rules of the house: structure, direction of imports, purity, lengths, documented codes and invariants. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSources, sourceFile } from './support/source-text.ts';
import * as rules from './support/tidy-rules.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FUNCTION_LINES_MAX = 70;
/** Codes of Node, ws and winston that the sources look at. */
const FOREIGN_CODES: ReadonlySet<string> = new Set([]);

const sources = readSources(root, ['src', 'commands', 'journals', 'bench']);
const tests = readSources(root, ['test']).filter(({ path }) => path.endsWith('.test.ts') && path !== 'test/tidy.test.ts');
const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');

function assertNone(violations: readonly string[]): void {
  if (violations.length === 0) return;
  const error = new Error(`${violations.length} violations:\n    ${violations.join('\n    ')}`);
  // uvu would show the list a second time as the stack.
  error.stack = error.name;
  throw error;
}

test('imports go one way only: model <- record, protocol, disk <- journals, nbd, volume, link <- primary, secondary <- cli <- commands', () => {
  assert.ok(sources.length > 20, 'the sources were found');
  assertNone(rules.importDirection(sources));
});

test('no import cycles', () => assertNone(rules.importCycles(sources)));
test('model, record and protocol are pure', () => assertNone(rules.purity(sources)));
test('no file is longer than 400 lines', () => assertNone(rules.fileLength(sources)));
test(`no function is longer than ${FUNCTION_LINES_MAX} lines`, () => assertNone(longFunctions(['src', 'commands', 'journals', 'bench'])));
test('names and style', () => assertNone(rules.style([...sources, ...tests])));
test('commands/ has only command classes', () => assertNone(rules.onlyCommands(sources)));
test('every ERR_ code stands in docs/errors.md, and nothing else does', () => {
  assertNone(rules.undocumentedCodes(rules.errorCodes(sources, FOREIGN_CODES), page('errors.md')));
});
test('every invariant is named in a test', () => assertNone(rules.untestedInvariants(tests)));
test('docs/invariants.md names files that exist', () => {
  const named = [...page('invariants.md').matchAll(/`((?:src|test|journals|commands)\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
  assertNone(named.filter((path) => !existsSync(join(root, path))).map((path) => `docs/invariants.md: ${path} does not exist`));
});

/** Functions need a parser: the linter has one. */
function longFunctions(folders: readonly string[], cwd = root): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-tidy-'));
  try {
    const config = join(folder, 'oxlintrc.json');
    writeFileSync(
      config,
      JSON.stringify({ categories: { correctness: 'off' }, rules: { 'max-lines-per-function': ['error', { max: FUNCTION_LINES_MAX }] } }),
    );
    const linter = join(root, 'node_modules/oxlint/bin/oxlint');
    const { stdout, stderr } = spawnSync(process.execPath, [linter, '-c', config, '--format', 'json', ...folders], {
      cwd,
      encoding: 'utf8',
    });
    assert.match(stdout, /^\s*\{/, `the linter ran: ${stderr}`);
    const { diagnostics } = JSON.parse(stdout) as {
      diagnostics: { filename: string; message: string; labels: { span: { line: number } }[] }[];
    };
    return diagnostics.map(({ filename, message, labels }) => `${filename}:${labels[0]?.span.line ?? 0}: ${message}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// The rules themselves: each must see what it is for.

test('rule: comments, strings, templates and regular expressions are not code', () => {
  const text = "const a = 'x // y'; // any\nconst b = /['\"`]/g; /* enum X */ const c = `a ${b + `in ${'}'}`} Date.now`; const d = 4 / 2;";
  const { code, withoutComments } = sourceFile('src/model/a.ts', text);
  assert.is(code.split('\n').length, 2);
  assert.is(code.length, text.length);
  assert.not.match(code, /any|enum|Date|x \/\/ y/);
  assert.match(code, /^const a = +; +\nconst b = +; +const c = ` +b \+ ` +\} *\} +; const d = 4 \/ 2;$/);
  assert.match(withoutComments, /'x \/\/ y';\s+\n/);
});

test('rule: direction of imports', () => {
  const bad = [
    sourceFile('src/model/a.ts', "import type { X } from '../record/x.ts';"),
    sourceFile('src/primary/a.ts', "const x = await import('../secondary/x.ts');"),
    sourceFile('src/disk/a.ts', "export { y } from '../protocol/y.ts';"),
    sourceFile('src/status/a.ts', "import '../cli/y.ts';"),
    sourceFile('src/state/a.ts', "new Worker(new URL('../../journals/y.js', import.meta.url));"),
    sourceFile('src/invented/a.ts', ''),
  ];
  assert.is(rules.importDirection(bad).length, bad.length);
  const good = [
    sourceFile('src/cli/a.ts', "import { x } from '../primary/x.ts';\n// import { z } from '../../commands/z.ts';"),
    sourceFile('journals/a.ts', "import {\n  x,\n} from '../src/record/x.ts';"),
  ];
  assert.equal(rules.importDirection(good), []);
});

test('rule: cycles', () => {
  const a = sourceFile('src/model/a.ts', "import { b } from './b.ts';");
  const b = sourceFile('src/model/b.ts', "import { c } from './c.ts';");
  assert.equal(rules.importCycles([a, b, sourceFile('src/model/c.ts', '')]), []);
  assert.is(rules.importCycles([a, b, sourceFile('src/model/c.ts', "import { type A } from './a.ts';")]).length, 1);
  assert.equal(rules.importCycles([a, b, sourceFile('src/model/c.ts', "import type { A } from './a.ts';")]), []);
});

test('rule: purity', () => {
  const impure = [
    'Date.now()',
    'Math.random()',
    'setTimeout(f, 1)',
    'process.env',
    "import fs from 'node:fs';",
    'randomBytes(4)',
    'new Date()',
  ];
  for (const text of impure) assert.is(rules.purity([sourceFile('src/protocol/a.ts', text)]).length, 1, text);
  for (const text of impure) assert.equal(rules.purity([sourceFile('src/primary/a.ts', text)]), []);
  assert.equal(
    rules.purity([sourceFile('src/record/a.ts', "import { crc32 } from 'node:zlib';\nconst x = new Date(5); // Date.now()")]),
    [],
  );
  assert.is(rules.purity([sourceFile('src/protocol/a.ts', "import { crc32 } from 'node:zlib';")]).length, 1);
});

test('rule: lengths', () => {
  assert.equal(rules.fileLength([sourceFile('src/a.ts', 'x\n'.repeat(400))]), []);
  assert.is(rules.fileLength([sourceFile('src/a.ts', 'x\n'.repeat(401))]).length, 1);
  const folder = mkdtempSync(join(tmpdir(), 'farshore-tidy-'));
  try {
    const lines = (count: number): string => '  x();\n'.repeat(count);
    writeFileSync(join(folder, 'a.ts'), `export function short() {\n${lines(68)}}\nclass A {\n  long() {\n${lines(69)}  }\n}\n`);
    const found = longFunctions(['.'], folder);
    assert.is(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', /a\.ts:\d+: .*long.*71/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('rule: style', () => {
  const bad = [
    'enum A { x }',
    'export const enum B { x }',
    'let x: any;',
    'f<any>()',
    'x as any',
    'export default 1;',
    '// TO' + 'DO: later',
  ];
  for (const text of bad) assert.is(rules.style([sourceFile('src/model/a.ts', text)]).length, 1, text);
  assert.is(rules.style([sourceFile('src/model/aB.ts', '')]).length, 1);
  assert.equal(rules.style([sourceFile('src/model/a-b.ts', "const any = 1; // any enum\nconst s = ': any';")]), []);
});

test('rule: commands', () => {
  assert.equal(
    rules.onlyCommands([sourceFile('commands/a.ts', 'export interface R {}\nexport default class A extends BaseCommand {}')]),
    [],
  );
  assert.is(
    rules.onlyCommands([sourceFile('commands/a.ts', 'export default class A extends BaseCommand {}\nexport const x = 1;')]).length,
    1,
  );
  assert.is(rules.onlyCommands([sourceFile('commands/a.ts', 'const x = 1;')]).length, 1);
});

test('rule: documented codes', () => {
  const codes = rules.errorCodes([sourceFile('src/a.ts', "x('ERR_A'); // 'ERR_NO'\ny('ERR_B', `ERR_NODE`);")], new Set(['ERR_NODE']));
  assert.equal([...codes.keys()], ['ERR_A', 'ERR_B']);
  assert.equal(rules.undocumentedCodes(codes, '| `ERR_A` | 1 |\n| `ERR_C` | 1 |\n'), [
    'src/a.ts:2: ERR_B has no row in docs/errors.md',
    'docs/errors.md: ERR_C is used nowhere',
  ]);
});

test('rule: invariants', () => {
  const tested = Array.from({ length: 11 }, (_, index) => `I${index + 2}`).join(' ');
  assert.equal(rules.untestedInvariants([sourceFile('test/a.test.ts', tested)]), ['I1 is named in no test']);
});

test.run();
