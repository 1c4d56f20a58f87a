/**
 * The whole command surface against its snapshot, fixtures/cli/command-snapshot.json: scripts depend on it. After a change that
 * is meant: `REWRITE_FIXTURES=1 npm test -- command-surface`.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Command } from '@oclif/core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BaseCommand } from '../../src/cli/base-command.ts';

const compiledRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const SNAPSHOT = join(dirname(compiledRoot), 'fixtures/cli/command-snapshot.json');

interface Option {
  readonly type?: string;
  readonly char?: string;
  readonly env?: string;
  readonly required?: boolean;
  readonly options?: readonly string[];
  readonly multiple?: boolean;
  readonly default?: unknown;
}

const commands = new Map<string, Command.Class>();
for (const name of readdirSync(join(compiledRoot, 'commands'), { recursive: true, encoding: 'utf8' }).sort()) {
  if (!name.endsWith('.js')) continue;
  const module = (await import(pathToFileURL(join(compiledRoot, 'commands', name)).href)) as { default: Command.Class };
  commands.set(name.replace(/\.js$/, '').replaceAll('/', ' '), module.default);
}

function surfaceOf(command: Command.Class): Record<string, unknown> {
  const optionsOf = (options: object | undefined): Record<string, Option> =>
    Object.fromEntries(Object.entries(options ?? {}).map(([name, option]) => [name, shape(option as Option)]));
  return { args: optionsOf(command.args), flags: optionsOf({ ...command.baseFlags, ...command.flags }), json: command.enableJsonFlag };
}

/** What scripts can depend on: not the wording of help. */
function shape({ type, char, env, required, options, multiple, default: preset }: Option): Option {
  const all = { type, char, env, required, options, multiple, default: typeof preset === 'function' ? undefined : preset };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== false));
}

test('the surface is the one of the snapshot', () => {
  const surface = Object.fromEntries([...commands].map(([name, command]) => [name, surfaceOf(command)]));
  if (process.env['REWRITE_FIXTURES'] === '1') writeFileSync(SNAPSHOT, `${JSON.stringify(surface, null, 2)}\n`);
  assert.equal(
    surface,
    JSON.parse(readFileSync(SNAPSHOT, 'utf8')),
    'if the change is meant: REWRITE_FIXTURES=1 npm test -- command-surface',
  );
});

for (const [name, command] of commands) {
  test(`${name}: --json, a summary, examples, and a flag's summary`, () => {
    assert.ok(command.prototype instanceof BaseCommand, 'extends BaseCommand');
    assert.is(command.enableJsonFlag, true);
    assert.ok(command.summary, 'summary');
    assert.ok((command.examples ?? []).length > 0, 'examples');
    for (const [flag, { summary, description }] of Object.entries(command.flags ?? {}))
      assert.ok(summary ?? description, `--${flag} is explained`);
    for (const [arg, { description }] of Object.entries(command.args ?? {})) assert.ok(description, `${arg} is explained`);
  });
}

test.run();
