import { Config } from '@oclif/core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { FarshoreError, RefusedError } from '../../src/model/errors.ts';

class Answers extends BaseCommand {
  static override id = 'answers';
  async run(): Promise<{ count: bigint }> {
    await this.parse(Answers);
    return { count: 2n ** 60n };
  }
}

class Refuses extends BaseCommand {
  static override id = 'refuses';
  async run(): Promise<void> {
    await this.parse(Refuses);
    throw new RefusedError('ERR_X', 'no');
  }
}

async function stdoutOf(work: () => Promise<unknown>): Promise<string> {
  const original = process.stdout.write.bind(process.stdout);
  let text = '';
  process.stdout.write = (chunk: unknown) => {
    text += String(chunk);
    return true;
  };
  try {
    await work();
  } finally {
    process.stdout.write = original;
  }
  return text;
}

const config = await Config.load(import.meta.url);

test('a result with bigint is printed as JSON', async () => {
  assert.equal(JSON.parse(await stdoutOf(() => Answers.run(['--json'], config))), { count: '1152921504606846976' });
});

test('an error keeps its exit code in both places where oclif looks', async () => {
  try {
    await Refuses.run([], config);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, FarshoreError);
    assert.is((error as FarshoreError).exitCode, 5);
    assert.is((error as { oclif?: { exit?: number } }).oclif?.exit, 5);
  }
});

test.run();
