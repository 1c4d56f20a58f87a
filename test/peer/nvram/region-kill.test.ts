/** A real process is killed (kill -9) while it stores into a real region: whatever it said is held is there, byte for byte. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../../src/disk/node-disk.ts';
import type { RegionHold } from '../../../src/model/peer.ts';
import { createRegion } from '../../../src/peer/nvram/create-region.ts';
import { RING_OFFSET } from '../../../src/peer/nvram/format.ts';
import { withFolder } from '../../support/scratch.ts';
import { encodeMessage, readAll, REGION_ID, reopen } from './support.ts';

const CHILD = fileURLToPath(new URL('region-child.js', import.meta.url));
const SIZE_BYTES = RING_OFFSET + 1024 * 1024;
const KILLS = 8;
/** Records between two kills: more than half a lap of the ring. */
const RECORDS = 150;

/** Let a child store until it holds the records below `through`, and a little longer, kill it, and say what it told last: what was given up at most, and the head. */
async function killedChild(
  path: string,
  hold: RegionHold,
  { through, moreMs }: { through: number; moreMs: number },
): Promise<{ givenUp: number; head: number }> {
  const child = spawn(process.execPath, [CHILD, path, `${SIZE_BYTES}`, hold], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const told = (): number[] => (text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1) ?? '').split(' ').map(Number);
  child.stdout.setEncoding('latin1');
  child.stdout.on('data', (chunk: string) => (text = (text + chunk).slice(-200)));
  while ((told()[1] ?? 0) < through) await once(child.stdout, 'data');
  await new Promise((resolve) => setTimeout(resolve, moreMs));
  const ended = Promise.all([once(child, 'exit'), once(child.stdout, 'end')]);
  child.kill('SIGKILL');
  await ended;
  const [givenUp = Number.NaN, head = Number.NaN] = told();
  return { givenUp, head };
}

for (const [hold, parent] of [
  ['memory', '/dev/shm'],
  ['memory', undefined],
  ['durable', undefined],
] as const) {
  test(`killed while it stores, hold: ${hold}${parent === undefined ? '' : ` in ${parent}`}`, async () => {
    await withFolder(async (folder) => {
      const made = { disk: new NodeDisk(), path: join(folder, 'region'), sizeBytes: SIZE_BYTES, hold };
      await createRegion({ ...made, regionId: REGION_ID });
      let before = 0;
      for (let kill = 0; kill < KILLS; kill += 1) {
        const told = await killedChild(made.path, hold, { through: before + RECORDS, moreMs: kill * 3 });
        const region = reopen(made);
        assert.ok(region.head >= told.head && region.head > before, `head ${region.head}, told ${told.head}`);
        assert.ok(region.tail <= told.givenUp, `tail ${region.tail}, given up at most through ${told.givenUp}`);
        const { segments } = readAll(region);
        assert.is(segments[0]?.firstOrdinal ?? region.head, region.tail);
        assert.is(
          segments.reduce((sum, { records }) => sum + records, region.tail),
          region.head,
        );
        for (const { firstOrdinal, records, encoded } of segments)
          assert.is(Buffer.compare(encoded, encodeMessage(firstOrdinal, records, 4096)), 0, `ordinal ${firstOrdinal}`);
        before = region.head;
        region.close();
      }
    }, parent);
  });
}

test.run();
