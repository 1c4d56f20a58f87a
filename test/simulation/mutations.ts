/** The planted bugs, each a few words of the compiled sources. What each breaks stands in its invariant. */
import type { Mutation } from '../support/mutation.ts';

const SECONDARY = 'src/protocol/secondary-machine.ts';

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'acknowledge before it is durable',
    invariant: 'I2',
    seedsMax: 20,
    patches: [
      {
        file: SECONDARY,
        find: 'const index = set.accept(record);',
        replace: 'const index = set.accept(record); this.#acknowledged.add(record.sequence);',
      },
    ],
  },
  {
    name: 'acknowledge by commit, not by what the commit began with',
    invariant: 'I2',
    seedsMax: 20,
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
    name: 'a duplicate is acknowledged although only received (a single bitmap)',
    invariant: 'I2',
    seedsMax: 80,
    patches: [{ file: SECONDARY, find: 'if (set.durable.has(index))', replace: 'if (set.received.has(index))' }],
  },
  {
    name: 'recovery trusts what it read from journals',
    invariant: 'I2',
    seedsMax: 544,
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
    seedsMax: 344,
    patches: [{ file: 'journals/watermark.ts', find: '#newestIsDurable = false;', replace: '#newestIsDurable = true;' }],
  },
  {
    name: 'destage before the complete flag is durable',
    invariant: 'I3',
    seedsMax: 20,
    patches: [{ file: SECONDARY, find: 'if (set === null || !set.flagDurable) break;', replace: 'if (set === null) break;' }],
  },
  {
    name: 'reject below the watermark',
    invariant: 'I6',
    seedsMax: 152,
    patches: [
      { file: SECONDARY, find: "if (place === 'above') {", replace: "if (place !== 'inside') {" },
      { file: SECONDARY, find: "if (place === 'below') return this.#drop(link, record);", replace: '' },
    ],
  },
  {
    name: 'complete when the sync is there (a partial data set is destaged)',
    invariant: 'I3',
    seedsMax: 20,
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
    seedsMax: 20,
    patches: [
      {
        file: SECONDARY,
        find: "this.#effects.push({ effect: 'writeWatermark', point: set.point });",
        replace: "this.#effects.push({ effect: 'writeWatermark', point: set.point }); this.#retireThrough(this.#destaged);",
      },
    ],
  },
  {
    name: 'the watermark before the flush of the volumes',
    invariant: 'I5',
    seedsMax: 20,
    patches: [{ file: 'src/secondary/destage-order.ts', find: 'volume.flushSync();', replace: '' }],
  },
  {
    name: 'a failed flush is ignored',
    invariant: 'I10',
    seedsMax: 392,
    patches: [{ file: 'src/secondary/destage-order.ts', find: 'volume.flushSync();', replace: 'try { volume.flushSync(); } catch {}' }],
  },
  {
    name: 'data sets destaged out of order',
    invariant: 'I4',
    seedsMax: 20,
    patches: [
      {
        file: 'src/secondary/destage-order.ts',
        find: 'for (const set of order.sets) {',
        replace: 'for (const set of order.sets.toReversed()) {',
      },
    ],
  },
  {
    name: 'records destaged in the order of arrival',
    invariant: 'I4',
    seedsMax: 64,
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
    seedsMax: 52,
    patches: [{ file: SECONDARY, find: 'if (!set.received.has(index)) return false;', replace: 'return false;' }],
  },
  {
    name: 'records of partial data sets are forgotten at a restart',
    invariant: 'I1',
    seedsMax: 20,
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
    seedsMax: 20,
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
    seedsMax: 20,
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
    seedsMax: 20,
    patches: [
      { file: 'src/protocol/window.ts', find: 'return this.#lowest + this.slots - 1;', replace: 'return this.#lowest + this.slots;' },
    ],
  },
  {
    name: 'payload checksums are not checked',
    invariant: 'I9',
    seedsMax: 20,
    patches: [{ file: 'src/record/record-reader.ts', find: 'if (computed !== header.payloadChecksum)', replace: 'if (false)' }],
  },
  {
    name: 'the start does not remove the marker of a clean stop (numbers are used again)',
    invariant: 'I12',
    seedsMax: 20,
    patches: [{ file: 'src/primary/stream-state.ts', find: 'disk.unlink(paths(stateDirectory).marker);', replace: '' }],
  },
  {
    name: 'a clean stop forgets the last data set that it closed',
    invariant: 'I7',
    seedsMax: 20,
    patches: [
      {
        file: 'src/primary/replicated-order.ts',
        find: 'nextDataSet: head.dataSet,',
        replace: 'nextDataSet: Math.max(head.dataSet - 1, 0),',
      },
    ],
  },
  {
    name: 'a clean stop does not flush the volumes',
    invariant: 'I12',
    seedsMax: 1236,
    patches: [{ file: 'src/primary/primary.ts', find: 'await this.#flushVolumes(); writeCleanMarker(', replace: 'writeCleanMarker(' }],
  },
  {
    name: 'the handshake does not miss acknowledged numbers',
    invariant: 'I8',
    seedsMax: 468,
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
    seedsMax: 116,
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
    seedsMax: 880,
    patches: [
      {
        file: 'src/secondary/promotion.ts',
        find: "await settle(secondary, () => replica.isSettled && (keep === null || (replica.watermarkPoint?.dataSet ?? -1) >= keep.dataSet), 'the destage');",
        replace: '',
      },
    ],
  },
  {
    name: 'a write is numbered after its range was given back',
    invariant: 'I4',
    seedsMax: 20,
    patches: [
      {
        file: 'src/application/range-lock.ts',
        find: 'if (this.#held.size > 0 && (overlapsAny(owner, this.#held) || overlapsAny(owner, this.#waiting))) {',
        replace: 'if (false) {',
      },
    ],
  },
  {
    name: 'a flush is answered before the volume is durable',
    invariant: 'I12',
    seedsMax: 20,
    patches: [
      {
        file: 'src/volume/shared-flush.ts',
        find: 'this.#waiting.push(done); if (!this.#running) this.#run();',
        replace: 'setImmediate(done, null);',
      },
    ],
  },
  {
    name: 'a flush that came later joins the one under way',
    invariant: 'I12',
    seedsMax: 20,
    patches: [
      {
        file: 'src/volume/shared-flush.ts',
        find: 'this.#running = false; if (this.#waiting.length > 0) this.#run(); for (const done of covered)',
        replace: 'this.#running = false; covered.push(...this.#waiting.splice(0)); for (const done of covered)',
      },
    ],
  },
  {
    name: 'a send buffer gives its memory back too early',
    invariant: 'I11',
    seedsMax: 20,
    patches: [{ file: 'src/primary/send-buffer.ts', find: 'chunk.uses -= 1; if (chunk.uses > 0) return;', replace: 'chunk.uses -= 1;' }],
  },
  {
    name: 'a data set in another slot than its own',
    invariant: 'I6',
    seedsMax: 20,
    patches: [{ file: 'src/protocol/window.ts', find: 'return dataSet % this.slots;', replace: 'return (dataSet + 1) % this.slots;' }],
  },
  {
    name: 'writes overtake one another on their way into the numbers',
    invariant: 'I4',
    seedsMax: 20,
    patches: [
      {
        file: 'src/primary/replicated-order.ts',
        find: "this.#events.push({ event: 'writeStored'",
        replace: "this.#events.unshift({ event: 'writeStored'",
      },
    ],
  },
  {
    name: 'what was on a lost link is never sent again',
    invariant: 'I7',
    seedsMax: 132,
    patches: [{ file: 'src/primary/primary-links.ts', find: "order.step({ event: 'linkClosed', link: link.id });", replace: '' }],
  },
  {
    name: 'a moved journal is not renamed durably',
    invariant: 'I10',
    seedsMax: 880,
    patches: [{ file: 'journals/spare.ts', find: 'disk.syncDirectory(', replace: '((_) => {})(' }],
  },
];
