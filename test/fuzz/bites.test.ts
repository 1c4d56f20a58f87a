/**
 * The fuzzer finds planted bugs with the inputs that `npm test` gives it. All of them: `BITES=all node dist/test/fuzz/bites.test.js`.
 * @timeLimit 240 s
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BUGS, BugTree } from './bites.ts';
import { TARGETS } from './targets.ts';

const all = process.env['BITES'] === 'all';
const chosen = BUGS.filter(({ slow }) => all || slow !== true);
const tree = new BugTree();

test.after(() => tree.close());

for (const bug of chosen) {
  test(`${bug.target} finds: ${bug.name}`, async () => {
    const target = TARGETS.find(({ name }) => name === bug.target);
    assert.ok(target !== undefined, `there is a target ${bug.target}`);
    const said = await tree.find(bug, Math.ceil(target.testInputs / 3));
    if (all) process.stdout.write(`| ${bug.target} | ${bug.name} | ${said?.slice(0, 130) ?? 'NOT FOUND'} |\n`);
    assert.is.not(said, null, `not found: ${bug.name}`);
  });
}

test.run();
