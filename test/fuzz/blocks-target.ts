/** The blocks beside the records: a slot's header, its complete mark, and the watermark's two, each as its decoder takes it. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import {
  BLOCK_BYTES,
  decodeHeader,
  decodeMark,
  decodeWatermark,
  encodeHeader,
  encodeMark,
  encodeWatermark,
  type HeaderContent,
  type WatermarkContent,
} from '../../journals/format.ts';
import { encodeFreshWatermark, judgeWatermark } from '../../journals/watermark.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { fixBlock } from './checksums.ts';
import { anyHex, anyId } from './record-inputs.ts';
import { must, type Input, type Target } from './target.ts';

const u32 = fc.nat();
const identity = { groupId: anyHex(32), generation: anyId, stream: anyHex(16) };
const anyPoint = fc.record({ dataSet: anyId, finalSequence: anyId, chain: anyHex(32) });
const anyWatermark: fc.Arbitrary<WatermarkContent> = fc.record({
  ...identity,
  counter: anyId,
  point: fc.option(anyPoint),
  hostEpoch: anyId,
});
const anyHeader: fc.Arbitrary<HeaderContent> = fc
  .record({ ...identity, slot: u32, slots: u32, slotBytes: anyId, place: fc.option(fc.record({ dataSet: anyId, firstSequence: anyId })) })
  .map(({ place, ...rest }) => ({ ...rest, dataSet: place?.dataSet ?? null, firstSequence: place?.firstSequence ?? null }));
const anyMark = fc.record({ stream: anyHex(16), point: anyPoint });

function block(encode: (target: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  encode(bytes);
  return bytes;
}

const [header = {} as HeaderContent] = fc.sample(anyHeader, { seed: 1, numRuns: 1 });
const [mark = { stream: '', point: { dataSet: 0, finalSequence: 0, chain: '' } }] = fc.sample(anyMark, { seed: 1, numRuns: 1 });
const watermarks = fc.sample(anyWatermark, { seed: 1, numRuns: 4 });
const file = (first: WatermarkContent, second: WatermarkContent): Uint8Array =>
  new Uint8Array(Buffer.concat([block((bytes) => encodeWatermark(bytes, first)), block((bytes) => encodeWatermark(bytes, second))]));
const fresh = new Uint8Array(2 * BLOCK_BYTES);
encodeFreshWatermark(fresh);

/** Found: bytes behind the fields, and in fields that mean nothing, were taken when the checksum covered them. */
const strays = [
  block((bytes) => encodeHeader(bytes, header)),
  block((bytes) => encodeHeader(bytes, { ...header, dataSet: null, firstSequence: null })),
  block((bytes) => encodeMark(bytes, mark)),
].flatMap((bytes) =>
  [70, 3000].map((at) => {
    const stray = Uint8Array.from(bytes);
    stray[at] = 1;
    fixBlock(stray, 0);
    return stray;
  }),
);

export const blocksTarget: Target = {
  name: 'blocks',
  property:
    'a header, mark or watermark that is read would be written with the same bytes; the newest whole watermark of the highest host epoch counts',
  golden: [
    [fresh],
    [file(watermarks[0] as WatermarkContent, watermarks[1] as WatermarkContent)],
    [file(watermarks[2] as WatermarkContent, watermarks[3] as WatermarkContent)],
    [block((bytes) => encodeHeader(bytes, header))],
    [block((bytes) => encodeHeader(bytes, { ...header, dataSet: null, firstSequence: null }))],
    [block((bytes) => encodeMark(bytes, mark))],
    [new Uint8Array(BLOCK_BYTES)],
    ...strays.map((stray) => [stray]),
  ],
  generator: fc.oneof(
    fc.tuple(anyWatermark, anyWatermark).map(([first, second]) => [file(first, second)]),
    anyHeader.map((content) => [block((bytes) => encodeHeader(bytes, content))]),
    anyMark.map((content) => [block((bytes) => encodeMark(bytes, content))]),
  ),
  fix: (part) => {
    fixBlock(part, 0);
    fixBlock(part, BLOCK_BYTES);
  },
  testInputs: 8_000,
  mustReach: ['newest 0', 'newest 1', 'header', 'mark', 'no mark', 'later version', 'ERR_WATERMARK_UNREADABLE', 'ERR_WATERMARK_VERSION'],
  run: ([bytes = new Uint8Array(0)]: Input): string => {
    const first = new Uint8Array(BLOCK_BYTES);
    first.set(bytes.subarray(0, BLOCK_BYTES));
    const outcome = judgeSlotBlocks(first);
    const watermark = judgeWatermarkFile(bytes);
    return bytes.length > BLOCK_BYTES || outcome === null ? watermark : outcome;
  },
};

function judgeSlotBlocks(bytes: Uint8Array): string | null {
  const foundHeader = decodeHeader(bytes);
  if (foundHeader.verdict === 'later-version') return 'later version';
  if (foundHeader.verdict === 'readable') {
    same(bytes, (target) => encodeHeader(target, foundHeader), 'header');
    return 'header';
  }
  const foundMark = decodeMark(bytes);
  if (foundMark.verdict === 'not-set')
    must(
      bytes.every((byte) => byte === 0),
      'only zeroes are no mark',
    );
  if (foundMark.verdict === 'set') same(bytes, (target) => encodeMark(target, foundMark), 'mark');
  return foundMark.verdict === 'set' ? 'mark' : foundMark.verdict === 'not-set' ? 'no mark' : null;
}

function judgeWatermarkFile(bytes: Uint8Array): string {
  try {
    const { newest, nextBlock } = judgeWatermark(bytes, '/journals/watermark');
    const at = nextBlock === 0 ? BLOCK_BYTES : 0;
    same(bytes.subarray(at, at + BLOCK_BYTES), (target) => encodeWatermark(target, newest), 'watermark');
    const other = bytes.subarray(BLOCK_BYTES - at, 2 * BLOCK_BYTES - at);
    const older = other.length === BLOCK_BYTES ? decodeWatermark(other) : null;
    if (older?.verdict === 'readable') {
      const { counter, hostEpoch } = older.content;
      must(
        hostEpoch < newest.hostEpoch || (hostEpoch === newest.hostEpoch && counter <= newest.counter),
        'the newest note of the highest host epoch counts',
      );
    }
    return `newest ${nextBlock === 0 ? 1 : 0}`;
  } catch (error) {
    if (!(error instanceof FarshoreError)) throw error;
    must(/^ERR_WATERMARK_(UNREADABLE|VERSION)$/.test(error.code) && error.message.includes('/journals/watermark'), error.message);
    return error.code;
  }
}

function same(bytes: Uint8Array, encode: (target: Uint8Array) => void, what: string): void {
  must(isDeepStrictEqual(Buffer.from(bytes), Buffer.from(block(encode))), `a ${what} that is read is written otherwise`);
}
