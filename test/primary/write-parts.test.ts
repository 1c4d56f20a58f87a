import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as fc from 'fast-check';
import { LIMITS } from '../../src/model/limits.ts';
import { encodedBytesOf, recordBytesOf, writeBytesMaxOf } from '../../src/primary/write-parts.ts';
import { encodedWriteBytes } from '../../src/record/record.ts';

const MiB = 1024 * 1024;
/** Only the length matters, so no memory is touched. */
const ofLength = (length: number): Uint8Array => ({ length }) as Uint8Array;

test('a write is one record for each MiB, and one for its rest', () => {
  const full = encodedWriteBytes(LIMITS.recordDataBytesMax);
  assert.equal(recordBytesOf(ofLength(512)), [encodedWriteBytes(512)]);
  assert.equal(recordBytesOf(ofLength(MiB)), [full]);
  assert.equal(recordBytesOf(ofLength(MiB + 512)), [full, encodedWriteBytes(512)]);
  assert.equal(recordBytesOf(ofLength(3 * MiB)), [full, full, full]);
  assert.equal(recordBytesOf(null), [encodedWriteBytes(0)]);
});

test('the sum is the sum of the records', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), (blocks) => {
      const data = ofLength(blocks * 512);
      assert.is(
        encodedBytesOf(data),
        recordBytesOf(data).reduce((sum, bytes) => sum + bytes, 0),
      );
    }),
  );
  assert.is(encodedBytesOf(null), encodedWriteBytes(0));
});

test('the largest part fits into a data set, and one block more would not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 8192, max: 70 * MiB }), (dataSetBytesMax) => {
      const bytes = writeBytesMaxOf(dataSetBytesMax);
      assert.is(bytes % 4096, 0);
      assert.ok(encodedBytesOf(ofLength(bytes)) <= dataSetBytesMax, `${bytes} bytes in ${dataSetBytesMax}`);
      assert.ok(encodedBytesOf(ofLength(bytes + 4096)) > dataSetBytesMax, `more than ${bytes} bytes fit into ${dataSetBytesMax}`);
    }),
  );
});

test('a data set that holds not even one block is a broken invariant', () => {
  assert.throws(() => writeBytesMaxOf(4096), /holds not even one block/);
});

test.run();
