/** The map of touched blocks against a count of every block. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WriteType } from '../../src/model/commands.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { mapText } from '../../src/inspection/show/touch-map-text.ts';
import { MAP_CELLS, TouchMap } from '../../src/inspection/show/touch-map.ts';

interface Command {
  readonly type: WriteType;
  readonly vlun: number;
  readonly lba: number;
  readonly blocks: number;
}

const command: fc.Arbitrary<Command> = fc.record({
  type: fc.constantFrom('write', 'zero', 'trim'),
  vlun: fc.integer({ min: 0, max: 2 }),
  lba: fc.integer({ min: 0, max: 700 }),
  blocks: fc.integer({ min: 1, max: 200 }),
});

function mapOf(commands: readonly Command[]): TouchMap {
  const map = new TouchMap();
  for (const { type, vlun, lba, blocks } of commands) map.add({ type, vlun, lba, lengthBytes: blocks * 512 });
  return map;
}

/** The character of a cell of which so many blocks are touched. */
function character(touched: number, blocks: number): string {
  if (touched === 0) return '.';
  if (touched === blocks) return '#';
  const share = touched / blocks;
  return share < 1 / 4 ? '-' : share < 1 / 2 ? '=' : share < 3 / 4 ? '+' : '*';
}

test('every number and cell agrees with a count of the blocks', () => {
  const sizes = fc.constantFrom(null, 1, 64, 65, 500, 900, 1000);
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), sizes, (commands, sizeBlocks) => {
      const table = sizeBlocks === null ? null : [{ vlun: 1, name: 'db1', sizeBytes: sizeBlocks * 512 }];
      const touches = mapOf(commands).volumes(table);
      assert.equal(
        touches.map(({ vlun }) => vlun),
        [...new Set(commands.map(({ vlun }) => vlun))].sort((a, b) => a - b),
      );
      for (const touch of touches) {
        const own = commands.filter(({ vlun }) => vlun === touch.vlun);
        const counts = new Uint8Array(1000);
        for (const { lba, blocks } of own) for (let at = lba; at < lba + blocks; at += 1) counts[at] = (counts[at] ?? 0) + 1;
        const known = touch.vlun === 1 && sizeBlocks !== null;
        const end = counts.findLastIndex((count) => count > 0) + 1;
        const blocks = known ? sizeBlocks : end;
        const bytesOf = (type: WriteType): number => own.filter((one) => one.type === type).reduce((sum, one) => sum + one.blocks * 512, 0);
        assert.is(touch.sizeBytes, blocks * 512);
        assert.is(touch.sizeKnown, known);
        assert.is(touch.commands, own.length);
        assert.equal([touch.writtenBytes, touch.zeroedBytes, touch.trimmedBytes], [bytesOf('write'), bytesOf('zero'), bytesOf('trim')]);
        assert.is(touch.touchedBlocks, counts.filter((count) => count > 0).length);
        assert.is(touch.overwrittenBlocks, counts.filter((count) => count > 1).length);
        assert.is(touch.outsideBlocks, counts.subarray(blocks).filter((count) => count > 0).length);
        assert.is(
          touch.firstLba,
          counts.findIndex((count) => count > 0),
        );
        assert.is(touch.lastLba, end - 1);
        const perCell = Math.ceil(blocks / MAP_CELLS);
        assert.is(touch.cellBytes, perCell * 512);
        let drawn = '';
        for (let at = 0; at < blocks; at += perCell) {
          const cell = counts.subarray(at, Math.min(blocks, at + perCell));
          drawn += character(cell.filter((count) => count > 0).length, cell.length);
        }
        assert.is(touch.cells, drawn);
        assert.ok(drawn.length <= MAP_CELLS);
      }
    }),
    { numRuns: 300 },
  );
});

test('a data set of as many records as there can be, and not one more is kept', () => {
  const map = new TouchMap();
  for (let index = 0; index < LIMITS.dataSetRecordsMax + 10; index += 1)
    map.add({ type: 'write', vlun: 0, lba: (index * 7919) % 100_003, lengthBytes: 512 });
  const [touch] = map.volumes(null);
  assert.is(touch?.commands, LIMITS.dataSetRecordsMax);
  assert.is(touch?.touchedBlocks, LIMITS.dataSetRecordsMax);
});

test('as text: 80 columns, the legend once, and what lies beyond the end is said', () => {
  assert.equal(mapText([]), ['no command touches a volume', '']);
  const map = mapOf([{ type: 'write', vlun: 4_294_967_294, lba: 2 ** 43, blocks: 4 }]);
  const lines = mapText([...map.volumes(null), ...map.volumes([{ vlun: 4_294_967_294, name: 'x'.repeat(60), sizeBytes: 1024 }])]);
  for (const line of lines) assert.ok(line.length <= 80, line);
  assert.is(lines.filter((line) => line.startsWith('. untouched')).length, 1);
  assert.ok(lines.some((line) => line.includes('4 blocks lie BEYOND the end of the volume')));
});

test.run();
