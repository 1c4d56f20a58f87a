/** The same ring on the machine's own disk: alignment of memory, offsets and lengths as O_DIRECT asks, renames of open files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { alignedStart } from '../../src/disk/alignment.ts';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { createRing } from '../../journals/create.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { openRing } from '../../journals/ring.ts';
import { call, chainOf, encodeRecord, IDENTITY, listen, scan, sequencesOf, until } from './support.ts';

test('create, write, flag, watermark, close, open, scan, make durable, go on', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'farshore-journals-'));
  const common = {
    disk: new NodeDisk(),
    directory: join(parent, 'journals'),
    geometry: geometryOf({ slots: 3, slotBytes: 5 * 2 ** 20 }),
    alignedStart,
  };
  try {
    await call((done) => createRing(common, done));
    let told = listen();
    let ring = openRing({ ...common, events: told.events });
    ring.setIdentity(IDENTITY);
    await scan(ring);
    for (const [dataSet, count] of [
      [0, 700],
      [1, 40],
    ] as const) {
      ring.openDataSet({ slot: dataSet, dataSet, firstSequence: dataSet * 1000 });
      for (let index = 0; index < count; index += 1) {
        ring.append({
          slot: dataSet,
          index,
          bytes: encodeRecord({ dataSet, firstSequence: dataSet * 1000, sequence: dataSet * 1000 + index, blocks: index % 12 }),
        });
        if (index % 50 === 0) ring.commit();
      }
      ring.commit();
    }
    const point = { dataSet: 0, finalSequence: 699, chain: chainOf(1) };
    ring.setCompleteFlag({ slot: 0, point });
    ring.writeWatermark(point);
    await until(() => told.flags.length === 1 && told.durable.get(1) === 40 && told.watermarks.length === 1, 'everything durable');
    await call((done) => ring.close(done));

    told = listen();
    ring = openRing({ ...common, events: told.events });
    ring.setIdentity(IDENTITY);
    const journals = await scan(ring);
    assert.equal(
      journals.map((journal) => sequencesOf(journal).length),
      [700, 40, 0],
    );
    assert.equal(
      journals.map((journal) => journal.tail.verdict),
      ['clean-end', 'clean-end', 'clean-end'],
    );
    assert.is(journals[0]?.completeMark.verdict, 'set');
    assert.equal(ring.readWatermark()?.point, point);
    await call((done) => ring.makeDurable(1, done));
    await call((done) => ring.makeWatermarkDurable(done));
    ring.append({ slot: 1, index: 40, bytes: encodeRecord({ dataSet: 1, firstSequence: 1000, sequence: 1040 }) });
    ring.commit();
    await until(() => told.durable.get(1) === 41, 'one more record');
    await call((done) => ring.discard(0, done));
    await call((done) => ring.close(done));
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
});

test.run();
