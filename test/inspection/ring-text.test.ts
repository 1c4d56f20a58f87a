/** The table of `journal ls` stays within a terminal's columns, however long the numbers of a group have become. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { unpackCrash } from '../../src/crash-replay/fixture-folder.ts';
import { LIBRARY } from '../../src/crash-replay/fixture-library.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { inspectRing } from '../../src/inspection/ring/inspect-ring.ts';
import { locateRing } from '../../src/inspection/ring/locate-ring.ts';
import type { RingReport } from '../../src/inspection/ring/ring-report.ts';
import { ringText } from '../../src/inspection/ring/ring-text.ts';
import { withFolder } from '../support/scratch.ts';

const disk = new NodeDisk();
const MAX = Number.MAX_SAFE_INTEGER;

function report(): Promise<RingReport> {
  return withFolder(async (folder) => {
    const { stateDirectory } = await unpackCrash(join(LIBRARY, 'killed-in-mid-load'), folder);
    return inspectRing({ disk, located: locateRing({ disk, path: stateDirectory }) });
  });
}

test('the largest numbers fit 80 columns: the bar and the reason of the cut give way', async () => {
  const plain = await report();
  const slots = plain.slots.map((slot) => {
    const { contents, decision } = slot;
    return {
      ...slot,
      slot: 255,
      contents: contents && {
        ...contents,
        dataSet: MAX,
        generation: MAX,
        numbers: 65_536,
        missing: 65_536,
        cutReason: 'bookmark' as const,
      },
      decision: decision && { ...decision, dataSet: MAX },
    };
  });
  const lines = ringText({ ...plain, directory: '/', slots }, { all: true });
  for (const line of lines) assert.ok(line.length <= 80, `${line.length}: ${line}`);
  assert.ok(lines.some((line) => line.includes(` ${MAX} ${MAX} `)));
  // Usual numbers have all columns.
  assert.ok(ringText(plain, { all: false }).some((line) => / fill +cut +recovery$/.test(line)));
});

test.run();
