/** Planted bugs in the secondary: acknowledgement, completeness, destage. What each breaks stands in its invariant. */
import type { Mutation } from '../support/mutation.ts';

export const SECONDARY_MUTATIONS: readonly Mutation[] = [
  {
    name: 'acknowledge before it is durable',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/secondary-machine.ts',
        find: 'const index = set.accept(record);',
        replace: 'const index = set.accept(record); this.#acknowledged.add(record.sequence);',
      },
    ],
  },
  {
    name: 'a duplicate is acknowledged although only received (a single bitmap)',
    invariant: 'I2',
    seedsMax: 136,
    patches: [{ file: 'src/protocol/secondary-machine.ts', find: 'if (set.isSafe(index))', replace: 'if (set.received.has(index))' }],
  },
  {
    name: 'destage before the complete flag is durable',
    invariant: 'I3',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/secondary-machine.ts',
        find: 'if (set === null || !set.flagDurable) break;',
        replace: 'if (set === null) break;',
      },
    ],
  },
  {
    name: 'reject below the watermark',
    invariant: 'I6',
    seedsMax: 40,
    patches: [
      { file: 'src/protocol/secondary-machine.ts', find: "if (place === 'above') {", replace: "if (place !== 'inside') {" },
      { file: 'src/protocol/secondary-machine.ts', find: "if (place === 'below') return this.#drop(link, record);", replace: '' },
    ],
  },
  {
    name: 'complete when the sync is there (a partial data set is destaged)',
    invariant: 'I3',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/data-set.ts',
        find: 'return this.#finalSequence !== UNKNOWN && this.durable.allSetThrough(this.#finalSequence - this.#firstSequence);',
        replace: 'return this.#finalSequence !== UNKNOWN;',
      },
    ],
  },
  {
    name: 'a slot is free before its watermark is durable',
    invariant: 'I5',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/secondary-machine.ts',
        find: "this.#effects.push({ effect: 'writeWatermark', point: set.point });",
        replace: "this.#effects.push({ effect: 'writeWatermark', point: set.point }); this.#retireThrough(this.#destaged);",
      },
    ],
  },
  {
    name: 'the watermark before the flush of the volumes',
    invariant: 'I5',
    seedsMax: 40,
    patches: [{ file: 'src/secondary/destage-order.ts', find: 'volume.flushSync();', replace: '' }],
  },
  {
    name: 'a failed flush is ignored',
    invariant: 'I10',
    seedsMax: 356,
    patches: [{ file: 'src/secondary/destage-order.ts', find: 'volume.flushSync();', replace: 'try { volume.flushSync(); } catch {}' }],
  },
  {
    name: 'data sets destaged out of order',
    invariant: 'I4',
    seedsMax: 40,
    patches: [
      {
        file: 'src/secondary/destager.ts',
        find: 'this.#waiting.shift();',
        replace: 'this.#waiting.pop();',
      },
    ],
  },
  {
    name: 'records destaged in the order of arrival',
    invariant: 'I4',
    seedsMax: 40,
    patches: [
      {
        file: 'src/secondary/store-data-set.ts',
        find: 'reader.peekAt(offsets[index], peek);',
        replace: 'reader.peekAt(offsets.slice(0, writes).sort()[index], peek);',
      },
    ],
  },
  {
    name: 'a retransmit is applied twice',
    invariant: 'I7',
    seedsMax: 40,
    patches: [{ file: 'src/protocol/secondary-machine.ts', find: 'if (!set.received.has(index)) return false;', replace: 'return false;' }],
  },
  {
    name: 'valid records are counted, not the prefix of the journal',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/data-set.ts',
        find: 'this.durable.set(this.#appended[position] ?? 0);',
        replace: 'this.durable.set(position);',
      },
      {
        file: 'src/protocol/data-set.ts',
        find: 'gathered.add(this.#firstSequence + (this.#appended[position] ?? 0));',
        replace: 'gathered.add(this.#firstSequence + position);',
      },
    ],
  },
  {
    name: 'a sync with a different final number is accepted',
    invariant: 'I7',
    seedsMax: 176,
    patches: [
      { file: 'src/protocol/data-set.ts', find: 'return sequence === this.#finalSequence ? null :', replace: 'return true ? null :' },
    ],
  },
  {
    name: 'another command under a known number passes for a duplicate',
    invariant: 'I7',
    seedsMax: 116,
    patches: [{ file: 'src/protocol/data-set.ts', find: 'if (known === record.headerChecksum)', replace: 'if (true)' }],
  },
  {
    name: 'a write behind the final number is taken',
    invariant: 'I7',
    seedsMax: 40,
    patches: [{ file: 'src/protocol/data-set.ts', find: 'if (record.sequence >= this.#finalMax) {', replace: 'if (false) {' }],
  },
  {
    name: 'ranges of an acknowledgement are merged over a gap',
    invariant: 'I2',
    seedsMax: 68,
    patches: [
      {
        file: 'src/protocol/ranges.ts',
        find: 'if (sequence === lastTo + 1) {',
        replace: 'if (sequence === lastTo + 1 || sequence === lastTo + 2) {',
      },
    ],
  },
  {
    name: 'what was received is told as durable in the handshake',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/secondary-report.ts',
        find: 'durable: union(set.durable.toBytes(set.heldBits), set.held.toBytes(set.heldBits)),',
        replace: 'durable: set.received.toBytes(set.heldBits),',
      },
    ],
  },
  {
    name: 'the chain of a whole data set is not compared',
    invariant: 'I8',
    seedsMax: 916,
    patches: [{ file: 'src/protocol/secondary-machine.ts', find: 'if (chain === set.sync.chain) return true;', replace: 'return true;' }],
  },
  {
    name: 'trims are not destaged',
    invariant: 'I1',
    seedsMax: 40,
    patches: [
      {
        file: 'src/secondary/store-data-set.ts',
        find: 'reader.peekAt(offsets[index], peek);',
        replace: "reader.peekAt(offsets[index], peek); if (peek.type === 'trim') continue;",
      },
    ],
  },
  {
    name: 'a host is bound to its primary only in memory',
    invariant: 'I8',
    seedsMax: 40,
    patches: [
      {
        file: 'src/secondary/secondary.ts',
        find: 'this.writeState({ groupId, generations, stream, lastPrimarySession: primary.session });',
        replace: 'this.state = { ...this.state, groupId, generations, stream, lastPrimarySession: primary.session };',
      },
    ],
  },
  {
    name: 'after a failed flush the data set is not stored again',
    invariant: 'I10',
    seedsMax: 356,
    patches: [
      {
        file: 'src/secondary/destager.ts',
        find: 'this.#order({ set, reopen: true });',
        replace: 'this.#order({ set: { ...set, writes: 0 }, reopen: true });',
      },
    ],
  },
];
