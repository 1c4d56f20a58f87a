import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, RECORDS_OFFSET } from '../../journals/format.ts';
import { geometryOf } from '../../journals/geometry.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { RECORD_HEADER_BYTES, SYNC_RECORD_BYTES } from '../../src/record/record.ts';

test('the capacity leaves room for header area, sync record and terminator', () => {
  const { capacityBytes, recordsMax } = geometryOf({ slots: 16, slotBytes: 32 * 2 ** 20 });
  const tail = RECORDS_OFFSET + capacityBytes + SYNC_RECORD_BYTES;
  assert.is(tail + BLOCK_BYTES, 32 * 2 ** 20);
  assert.is(recordsMax, LIMITS.dataSetRecordsMax);
});

test('a small slot holds no more records than headers fit into it, the sync included', () => {
  const { capacityBytes, recordsMax } = geometryOf({ slots: 2, slotBytes: 64 * 1024 });
  assert.ok((recordsMax - 1) * RECORD_HEADER_BYTES <= capacityBytes && recordsMax * RECORD_HEADER_BYTES > capacityBytes);
});

test('impossible slots are refused with what was expected', () => {
  for (const options of [
    { slots: 1, slotBytes: 2 ** 20 },
    { slots: 257, slotBytes: 2 ** 20 },
    { slots: 2.5, slotBytes: 2 ** 20 },
    { slots: 4, slotBytes: 4096 },
    { slots: 4, slotBytes: 2 ** 20 + 512 },
    { slots: 4, slotBytes: 2 ** 31 },
  ]) {
    assert.throws(
      () => geometryOf(options),
      (error: { code: string }) => error.code === 'ERR_JOURNAL_GEOMETRY_INVALID',
    );
  }
});

test.run();
