/** A broken invariant ends the process with exit code 70 before anything else runs, wherever it is found. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withFolder } from '../support/scratch.ts';

const CHILD = fileURLToPath(new URL('./broken-invariant-child.js', import.meta.url));

for (const place of ['command', 'welcome', 'callback']) {
  test(`in a ${place}`, async () => {
    await withFolder((folder) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [CHILD, place, folder], { encoding: 'utf8', timeout: 120_000 });
      assert.match(
        stderr,
        new RegExp(`ERR_BROKEN_INVARIANT[\\s\\S]*broken in a ${place}|broken in a ${place}[\\s\\S]*ERR_BROKEN_INVARIANT`),
      );
      assert.equal([status, stdout.split('\n').slice(1)], [70, ['exit 70', '']], `${stdout}${stderr}`);
    });
  });
}

test.run();
