/** The scan of a whole ring: several slots at once, told once, in the order of the slots. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ScannedJournal } from '../../journals/contract.ts';
import { TestDisk } from '../support/test-disk.ts';
import { create, DIRECTORY, open } from './support.ts';

const SMALL_RINGS = [2, 3, 4, 5, 9];
const geometryOf = (slots: number) => ({ slots, slotBytes: 64 * 1024, capacityBytes: 40 * 1024, recordsMax: 100 });
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 2000; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

async function scanAll(slots: number, fail: string | null): Promise<{ errors: (Error | null)[]; journals: readonly ScannedJournal[] }> {
  const disk = new TestDisk();
  await create(disk, geometryOf(slots));
  const ring = open(disk, undefined, geometryOf(slots));
  if (fail !== null) disk.failNext('read', 'EIO', `${DIRECTORY}/${fail}`);
  const errors: (Error | null)[] = [];
  let told: readonly ScannedJournal[] = [];
  ring.scan((error, journals) => {
    errors.push(error);
    told = journals;
  });
  await turns();
  return { errors, journals: told };
}

test('rings with fewer and more slots than are scanned at once: every slot, in order, told once', async () => {
  for (const slots of SMALL_RINGS) {
    const { errors, journals } = await scanAll(slots, null);
    assert.equal(errors, [null], `${slots} slots`);
    assert.equal(
      journals.map(({ slot }) => slot),
      Array.from({ length: slots }, (_, slot) => slot),
    );
  }
});

test('a journal that cannot be read fails the scan once, naming it, whichever it is', async () => {
  for (const slot of [0, 1, 4, 8]) {
    const name = `slot-000${slot}.journal`;
    const { errors, journals } = await scanAll(9, name);
    assert.is(errors.length, 1, `slot ${slot}`);
    assert.match(errors[0]?.message ?? '', new RegExp(name));
    assert.equal(journals, []);
  }
});

test.run();
