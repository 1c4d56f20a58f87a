/** Planted bugs in journals, slots and recovery. What each breaks stands in its invariant. */
import type { Mutation } from '../support/mutation.ts';

export const JOURNAL_MUTATIONS: readonly Mutation[] = [
  {
    name: 'acknowledge by commit, not by what the commit began with',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'journals/writer.ts',
        find: 'done(error, written); }); } /** The commit of the whole',
        replace:
          "done(error, written.kind === 'records' ? { ...written, records: this.#records } : written); }); } /** The commit of the whole",
      },
    ],
  },
  {
    name: 'recovery trusts what it read from journals',
    invariant: 'I2',
    seedsMax: 104,
    patches: [
      {
        file: 'journals/writer.ts',
        find: 'const tail = this.#tail; this.#write(this.#plan(0), (error) => {',
        replace: 'const tail = this.#tail; ((_plan, then) => then(null))(0, (error) => {',
      },
    ],
  },
  {
    name: 'recovery trusts the watermark that it read',
    invariant: 'I5',
    seedsMax: 1416,
    patches: [{ file: 'journals/watermark.ts', find: '#newestIsDurable = false;', replace: '#newestIsDurable = true;' }],
  },
  {
    name: 'records of partial data sets are forgotten at a restart',
    invariant: 'I1',
    seedsMax: 40,
    patches: [
      {
        file: 'src/secondary/recover.ts',
        find: 'restored: plan.restored,',
        replace: 'restored: plan.restored.filter((set) => set.completeFlag),',
      },
    ],
  },
  {
    name: 'two commits of one journal under way together',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'journals/commit-schedule.ts',
        find: 'if (journal.busy || journal.backlogBytes === 0)',
        replace: 'if (journal.backlogBytes === 0)',
      },
      { file: 'journals/commit-schedule.ts', find: '!lowest.busy && lowest.backlogBytes > 0', replace: 'lowest.backlogBytes > 0' },
      {
        file: 'journals/writer.ts',
        find: "this.#state === 'active' && !this.busy && this.dataSet !== null",
        replace: "this.#state === 'active' && this.dataSet !== null",
      },
    ],
  },
  {
    name: 'the watermark is reported before it is durable',
    invariant: 'I5',
    seedsMax: 40,
    patches: [
      {
        file: 'journals/watermark.ts',
        find: 'this.#inFlight = true;',
        replace:
          'this.#inFlight = true; if (reported !== null) { const told = reported; reported = null; queueMicrotask(() => this.#events.durable(told)); }',
      },
    ],
  },
  {
    name: 'the window admits one data set more than there are slots',
    invariant: 'I6',
    seedsMax: 40,
    patches: [
      { file: 'src/protocol/window.ts', find: 'return this.#lowest + this.slots - 1;', replace: 'return this.#lowest + this.slots;' },
    ],
  },
  {
    name: 'a data set in another slot than its own',
    invariant: 'I6',
    seedsMax: 40,
    patches: [{ file: 'src/protocol/window.ts', find: 'return dataSet % this.slots;', replace: 'return (dataSet + 1) % this.slots;' }],
  },
  {
    name: 'a moved journal is not renamed durably',
    invariant: 'I10',
    seedsMax: 432,
    patches: [{ file: 'journals/spare.ts', find: 'disk.syncDirectory(', replace: '((_) => {})(' }],
  },
  {
    name: 'slots are taken first come first served',
    invariant: 'I6',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/window.ts',
        find: 'return this.#lowest + this.slots - 1;',
        replace: 'return this.#lowest + 2 * this.slots - 1;',
      },
      {
        file: 'src/protocol/data-set-ring.ts',
        find: 'const found = this.#slots[this.window.slotOf(dataSet)];',
        replace: 'const found = this.#slots.find((set) => set !== null && set.dataSet === dataSet);',
      },
      {
        file: 'src/protocol/data-set-ring.ts',
        find: 'const slot = this.window.slotOf(dataSet);',
        replace: "const slot = this.#slots.findIndex((set) => set === null || set.isFree); if (slot < 0) return 'no slot is free';",
      },
      { file: 'journals/ring.ts', find: 'assert(options.dataSet % this.geometry.slots === options.slot,', replace: 'assert(true,' },
    ],
  },
  {
    name: 'recovery counts what is valid behind what it cannot read',
    invariant: 'I2',
    seedsMax: 1956,
    patches: [
      {
        file: 'journals/scan.ts',
        find: "else if (found.kind === 'end')",
        replace: "else if (found.kind === 'bad' && this.skip(availableEnd)) continue; else if (found.kind === 'end')",
      },
      {
        file: 'journals/scan.ts',
        find: '#isOlderThanHeader(record) {',
        replace:
          'skip(end) { for (let offset = this.#offset + 8; offset + 80 <= end; offset += 8) { const next = this.#reader.readAt(offset, end); if (next.kind === "record" && next.dataSet === this.#dataSet && next.stream === this.#stream) { this.#offset = offset; return true; } } return false; } #isOlderThanHeader(record) {',
      },
    ],
  },
  {
    name: 'a number above the watermark is acknowledged under a data set below it',
    invariant: 'I6',
    seedsMax: 1148,
    patches: [
      {
        file: 'src/protocol/data-set-ring.ts',
        find: 'if (isKnown && (!isLastSync || record.sequence === firstSequence - 1))',
        replace: 'if (true)',
      },
    ],
  },
  {
    name: 'the highest data set of the window is rejected',
    invariant: 'I6',
    seedsMax: 40,
    patches: [{ file: 'src/protocol/window.ts', find: 'return dataSet <= this.highest', replace: 'return dataSet < this.highest' }],
  },
  {
    name: 'the watermark is always written into the same block',
    invariant: 'I5',
    seedsMax: 40,
    patches: [
      {
        file: 'journals/watermark.ts',
        find: 'this.#judgement = { newest: content, nextBlock: block === 0 ? 1 : 0 };',
        replace: 'this.#judgement = { newest: content, nextBlock: block };',
      },
    ],
  },
  {
    name: 'every watermark has the same counter',
    invariant: 'I5',
    seedsMax: 40,
    patches: [{ file: 'journals/watermark.ts', find: 'counter: newest.counter + 1', replace: 'counter: newest.counter' }],
  },
  {
    name: 'recovery does not make the names of journals durable',
    invariant: 'I10',
    seedsMax: 4732,
    patches: [{ file: 'src/secondary/recover.ts', find: 'disk.syncDirectory(directory);', replace: '' }],
  },
];
