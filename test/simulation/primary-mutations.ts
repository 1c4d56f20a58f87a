/** Planted bugs in the primary: order of writes, delivery, clean stop. What each breaks stands in its invariant. */
import type { Mutation } from '../support/mutation.ts';

export const PRIMARY_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a clean stop forgets the last data set that it closed',
    invariant: 'I7',
    seedsMax: 40,
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
    seedsMax: 40,
    patches: [{ file: 'src/primary/primary.ts', find: 'await this.#flushVolumes(); writeCleanMarker(', replace: 'writeCleanMarker(' }],
  },
  {
    name: 'a write is numbered after its range was given back',
    invariant: 'I4',
    seedsMax: 40,
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
    seedsMax: 40,
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
    seedsMax: 40,
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
    seedsMax: 40,
    patches: [{ file: 'src/primary/send-buffer.ts', find: 'chunk.uses -= 1; if (chunk.uses > 0) return;', replace: 'chunk.uses -= 1;' }],
  },
  {
    name: 'writes overtake one another on their way into the numbers',
    invariant: 'I4',
    seedsMax: 40,
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
    seedsMax: 228,
    patches: [{ file: 'src/primary/primary-links.ts', find: "order.step({ event: 'linkClosed', link: link.id });", replace: '' }],
  },
  {
    name: 'records are sent above the window',
    invariant: 'I6',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/primary-delivery.ts',
        find: 'const { windowHigh } = this; if (windowHigh === null) return;',
        replace: 'if (this.windowHigh === null) return; const windowHigh = this.windowHigh + 1;',
      },
    ],
  },
  {
    name: 'a flush that waits for the far side is answered at once',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/primary-machine.ts',
        find: 'if (this.#queue.isEmpty) this.#reply(request);',
        replace: 'if (true) this.#reply(request);',
      },
    ],
  },
  {
    name: 'a flush waits for one data set too few of the far side',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/primary-machine.ts',
        find: 'else this.#flushes.wait(request, target);',
        replace: 'else this.#flushes.wait(request, target - 1);',
      },
    ],
  },
  {
    name: 'a write is answered before it is stored',
    invariant: 'I4',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/primary-machine.ts',
        find: 'this.#admission.request(event);',
        replace: 'this.#admission.request(event); this.#reply(event.request);',
      },
    ],
  },
  {
    name: 'the last record of what is sent again is left out',
    invariant: 'I7',
    seedsMax: 40,
    patches: [
      {
        file: 'src/primary/replicated-order.ts',
        find: 'slices(effect.from, effect.to))',
        replace: 'slices(effect.from, effect.again && effect.to > effect.from ? effect.to - 1 : effect.to))',
      },
    ],
  },
  {
    name: 'a lost link is never asked about',
    invariant: 'I7',
    seedsMax: 228,
    patches: [
      {
        file: 'src/protocol/link-schedule.ts',
        find: 'this.#unanswered.push(...this.#open.splice(index, 1));',
        replace: 'this.#open.splice(index, 1);',
      },
    ],
  },
  {
    name: 'the backlog has no limit',
    invariant: 'I11',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/admission.ts',
        find: 'if (taken > 0 && taken + encodedBytes > this.#backlogLimitBytes)',
        replace: 'if (false)',
      },
    ],
  },
  {
    name: 'a superseded primary does not note it',
    invariant: 'I8',
    seedsMax: 40,
    patches: [
      {
        file: 'src/primary/primary.ts',
        find: "this.#writeState({ condition: 'superseded', reason: text });",
        replace: "this.state = { ...this.state, condition: 'superseded', reason: text };",
      },
    ],
  },
  {
    name: 'the marker of a clean stop is written before the volumes are flushed',
    invariant: 'I12',
    seedsMax: 40,
    patches: [
      {
        file: 'src/primary/primary.ts',
        find: 'await writeStreamState(options.disk, options.stateDirectory, order.streamState(this.state), order.backlog()); await this.#flushVolumes(); writeCleanMarker(options.disk, options.stateDirectory);',
        replace:
          'await writeStreamState(options.disk, options.stateDirectory, order.streamState(this.state), order.backlog()); writeCleanMarker(options.disk, options.stateDirectory); await this.#flushVolumes();',
      },
    ],
  },
  {
    name: 'a primary whose flush failed goes on',
    invariant: 'I10',
    seedsMax: 2004,
    patches: [
      {
        file: 'src/application/application.ts',
        find: "if (error === null) this.order?.flushed(flush, 'flush');",
        replace: "if (true) this.order?.flushed(flush, 'flush');",
      },
    ],
  },
  {
    name: 'a primary whose store failed goes on',
    invariant: 'I10',
    seedsMax: 840,
    patches: [
      {
        file: 'src/application/application.ts',
        find: 'if (error === null && !this.failed) { this.#performAll(',
        replace: 'if (!this.failed) { this.#performAll(',
      },
    ],
  },
  {
    name: 'what a clean stop noted as acknowledged is forgotten',
    invariant: 'I8',
    seedsMax: 1884,
    patches: [
      {
        file: 'src/protocol/outgoing-queue.ts',
        find: 'this.unacknowledgedBytes -= set.acknowledge(range.from - firstSequence, range.to - firstSequence);',
        replace: '',
      },
    ],
  },
  {
    name: 'the next data set is cut although the window does not admit it',
    invariant: 'I6',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/primary-machine.ts',
        find: 'return windowHigh !== null && this.#dataSet < windowHigh;',
        replace: 'return true;',
      },
    ],
  },
];
