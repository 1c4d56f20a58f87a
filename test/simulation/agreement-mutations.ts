/** Planted bugs in records, links, handshake and promotion. What each breaks stands in its invariant. */
import type { Mutation } from '../support/mutation.ts';

export const AGREEMENT_MUTATIONS: readonly Mutation[] = [
  {
    name: 'payload checksums are not checked',
    invariant: 'I9',
    seedsMax: 40,
    patches: [{ file: 'src/record/record-reader.ts', find: 'if (computed !== header.payloadChecksum)', replace: 'if (false)' }],
  },
  {
    name: 'the start does not remove the marker of a clean stop (numbers are used again)',
    invariant: 'I12',
    seedsMax: 40,
    patches: [{ file: 'src/primary/stream-state.ts', find: 'disk.unlink(paths(stateDirectory).marker);', replace: '' }],
  },
  {
    name: 'the handshake does not miss acknowledged numbers',
    invariant: 'I8',
    seedsMax: 236,
    patches: [
      {
        file: 'src/protocol/handshake-history.ts',
        find: 'const covered = newestPoint(secondary)?.finalSequence ?? -1; const through',
        replace: 'return null; const covered = newestPoint(secondary)?.finalSequence ?? -1; const through',
      },
    ],
  },
  {
    name: 'a promotion keeps a partial data set',
    invariant: 'I1',
    seedsMax: 72,
    patches: [
      {
        file: 'src/protocol/promotion-plan.ts',
        find: 'const keep = facts.complete.at(-1) ?? facts.watermark;',
        replace:
          "const last = facts.held.at(-1); const keep = last === undefined ? (facts.complete.at(-1) ?? facts.watermark) : { dataSet: last.dataSet, finalSequence: last.highestSequence, chain: '0'.repeat(32) };",
      },
    ],
  },
  {
    name: 'a promotion serves before it has destaged',
    invariant: 'I1',
    seedsMax: 116,
    patches: [
      {
        file: 'src/secondary/promotion.ts',
        find: "await settle(secondary, () => replica.isSettled && (keep === null || (replica.watermarkPoint?.dataSet ?? -1) >= keep.dataSet), 'the destage');",
        replace: '',
      },
    ],
  },
  {
    name: 'records of another generation or stream are accepted',
    invariant: 'I8',
    seedsMax: 68,
    patches: [
      {
        file: 'src/record/records-message.ts',
        find: 'if (header.generation !== expected.generation || header.streamHigh !== streamHigh || header.streamLow !== streamLow)',
        replace: 'if (false)',
      },
    ],
  },
  {
    name: 'records of another generation are accepted when the stream is the same',
    invariant: 'I8',
    seedsMax: 144,
    patches: [{ file: 'src/record/records-message.ts', find: 'header.generation !== expected.generation || ', replace: '' }],
  },
  {
    name: 'a record beyond its volume is taken',
    invariant: 'I7',
    seedsMax: 68,
    patches: [
      { file: 'src/secondary/secondary-links.ts', find: 'const outside = records.findIndex(', replace: 'const outside = [].findIndex(' },
    ],
  },
  {
    name: 'checksums of headers leave out the last field',
    invariant: 'I9',
    seedsMax: 40,
    patches: [
      {
        file: 'src/record/record-writer.ts',
        find: '#checkedHeader = this.#header.subarray(0, AT.headerChecksum);',
        replace: '#checkedHeader = this.#header.subarray(0, AT.payloadChecksum);',
      },
      {
        file: 'src/record/record-reader.ts',
        find: 'crc32(this.#bytes.subarray(offset, offset + AT.headerChecksum))',
        replace: 'crc32(this.#bytes.subarray(offset, offset + AT.payloadChecksum))',
      },
    ],
  },
  {
    name: 'checksums of headers are not checked',
    invariant: 'I9',
    seedsMax: 84,
    patches: [{ file: 'src/record/record-reader.ts', find: 'if (stated !== computed)', replace: 'if (false)' }],
  },
  {
    name: 'the chain leaves the incarnation out',
    invariant: 'I8',
    seedsMax: 40,
    patches: [{ file: 'src/record/hash-chain.ts', find: ".update(checksums).update(incarnation, 'hex')", replace: '.update(checksums)' }],
  },
  {
    name: 'the chains are not compared in the handshake',
    invariant: 'I8',
    seedsMax: 1172,
    patches: [
      {
        file: 'src/protocol/handshake-facts.ts',
        find: "return findings.otherRun === null ? findings.chains.verdict : 'other-run';",
        replace: "return 'equal';",
      },
    ],
  },
  {
    name: 'a promotion gives up what is complete and not destaged',
    invariant: 'I1',
    seedsMax: 116,
    patches: [
      {
        file: 'src/protocol/promotion-plan.ts',
        find: 'const keep = facts.complete.at(-1) ?? facts.watermark;',
        replace: 'const keep = facts.watermark;',
      },
    ],
  },
  {
    name: 'a silent link is never closed',
    invariant: 'I11',
    seedsMax: 1060,
    patches: [{ file: 'src/link/link.ts', find: "this.close(CLOSE_CODE.silent, 'silent');", replace: 'return;' }],
  },
  {
    name: 'a promotion tells of itself before it is durable',
    invariant: 'I8',
    seedsMax: 40,
    patches: [
      {
        file: 'src/secondary/promotion.ts',
        find: 'function write(secondary, change) { try { secondary.writeState(change);',
        replace: 'function write(secondary, change) { try { secondary.state = { ...secondary.state, ...change };',
      },
    ],
  },
  {
    name: 'a restart goes on with the stream of before the promotion',
    invariant: 'I8',
    seedsMax: 40,
    patches: [{ file: 'src/secondary/promotion.ts', find: 'stream: newStreamId(),', replace: '' }],
  },
];
