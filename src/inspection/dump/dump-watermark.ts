/** Dump the watermark's file: both blocks field by field, and which of them counts. */
import { BLOCK_BYTES, decodeWatermark, type BlockVerdict, type WatermarkContent } from '../../../journals/format.ts';
import { judgeWatermark } from '../../../journals/watermark.ts';
import type { DiskFile } from '../../disk/disk.ts';
import { messageOf } from '../../model/errors.ts';
import { fieldsOf, WATERMARK_TABLE } from './dump-fields.ts';
import { hexRows } from './dump-hex.ts';
import { readBlock } from './dump-read.ts';
import type { DumpReport } from './dump.ts';
import type { DumpWriter } from './dump-writer.ts';

/** Dump a watermark; `readable` only when both blocks are. */
export function dumpWatermark(file: DiskFile, writer: DumpWriter): DumpReport {
  const blocks = [readBlock(file, 0), readBlock(file, BLOCK_BYTES)];
  let readable = true;
  for (const [index, block] of blocks.entries()) {
    const verdict = verdictOf(block);
    if (verdict.verdict !== 'readable') readable = false;
    const offset = index * BLOCK_BYTES;
    writer.part({ part: `watermark block ${index}`, offset, lengthBytes: block.length, sequence: null, text: blockText(verdict, offset) });
    for (const field of fieldsOf(WATERMARK_TABLE, block, offset)) writer.field(field);
    hexRows(writer, offset + WATERMARK_TABLE.lengthBytes, block.subarray(WATERMARK_TABLE.lengthBytes));
  }
  writer.note(countingText(blocks, file.path));
  const fileBytes = file.sizeBytes();
  if (fileBytes > 2 * BLOCK_BYTES)
    writer.note(`the file has ${fileBytes} bytes, expected ${2 * BLOCK_BYTES}: what follows is not looked at`);
  return { readable };
}

function verdictOf(block: Uint8Array): BlockVerdict<WatermarkContent> {
  if (block.length === BLOCK_BYTES) return decodeWatermark(block);
  return { verdict: 'unreadable', offset: block.length, expected: `${BLOCK_BYTES} bytes`, found: `${block.length} bytes` };
}

function blockText(verdict: BlockVerdict<WatermarkContent>, blockOffset: number): string {
  if (verdict.verdict === 'later-version') return `of format version ${verdict.version}, which this Farshore does not know`;
  if (verdict.verdict === 'unreadable')
    return `UNREADABLE at byte ${blockOffset + verdict.offset}: expected ${verdict.expected}, found ${verdict.found}`;
  const { point, counter } = verdict.content;
  return `whole, counter ${counter}, ${point === null ? 'nothing is destaged yet' : `data set ${point.dataSet}`}`;
}

/** Which block counts, by the rule that a start goes by. */
function countingText(blocks: readonly Uint8Array[], path: string): string {
  try {
    const { newest, nextBlock } = judgeWatermark(Buffer.concat(blocks), path);
    return `block ${nextBlock === 0 ? 1 : 0} counts (counter ${newest.counter})`;
  } catch (error) {
    return `neither block counts, a start refuses: ${messageOf(error)}`;
  }
}
