/** Planted bugs in write-back and takeover: the mirror, the peer and its region, the restart that waits, two hosts for one copy. */
import type { Mutation } from '../support/mutation.ts';

export const PEER_MUTATIONS: readonly Mutation[] = [
  {
    name: 'acknowledge what was sent to the peer, before it holds it',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'src/protocol/mirror-ledger.ts',
        find: 'this.#unheld.push({ through: this.#sentThrough, runs: message.runs, bytes: message.bytes });',
        replace:
          'this.#unheld.push({ through: this.#sentThrough, runs: message.runs, bytes: message.bytes }); this.held(this.#sentThrough);',
      },
    ],
  },
  {
    name: 'a durable region is held before it is flushed',
    invariant: 'I2',
    seedsMax: 40,
    patches: [{ file: 'src/peer/nvram/held-region.ts', find: "|| this.hold === 'memory' ||", replace: '|| true ||' }],
  },
  {
    name: 'a duplicate is acknowledged although only a former session of the peer held it',
    invariant: 'I2',
    seedsMax: 56,
    patches: [{ file: 'src/protocol/secondary-machine.ts', find: 'set.forgetHeld();', replace: '' }],
  },
  {
    name: 'what a former session of the peer held counts for the next one',
    invariant: 'I2',
    seedsMax: 780,
    patches: [
      { file: 'src/protocol/mirror-ledger.ts', find: 'set.held = 0; set.claimed = 0;', replace: 'set.claimed = 0;' },
      { file: 'src/protocol/mirror-ledger.ts', find: 'set.base = set.appended; runs.push(', replace: 'runs.push(' },
    ],
  },
  {
    name: 'the base of a link is forgotten: what came before it is claimed with what came on it',
    invariant: 'I2',
    seedsMax: 780,
    patches: [{ file: 'src/protocol/mirror-ledger.ts', find: 'set.base = set.appended; runs.push(', replace: 'runs.push(' }],
  },
  {
    name: 'the mark is only in memory when the first acknowledgement goes out',
    invariant: 'I2',
    seedsMax: 44,
    patches: [
      {
        file: 'src/secondary/mirror/secondary-mirror.ts',
        find: 'mark: (region) => secondary.writeState({ peerMayHoldMore: region }),',
        replace: 'mark: (region) => { secondary.state = { ...secondary.state, peerMayHoldMore: region }; },',
      },
    ],
  },
  {
    name: 'the mark is removed although something is exposed',
    invariant: 'I2',
    seedsMax: 2060,
    patches: [{ file: 'src/secondary/mirror/mirror.ts', find: '|| replica.machine.exposed > 0)', replace: ')' }],
  },
  {
    name: 'a clean stop removes the mark before the journals have everything',
    invariant: 'I2',
    seedsMax: 584,
    patches: [
      {
        file: 'src/secondary/mirror/adopt-region.ts',
        find: 'const isLevel = mayUnmark && (await secondary.until(() => ring.pendingBytes === 0, LIMITS.cleanStopMs));',
        replace: 'const isLevel = mayUnmark;',
      },
      {
        file: 'src/secondary/mirror/adopt-region.ts',
        find: 'replica.machine.exposed > 0 || state.peerMayHoldMore',
        replace: 'state.peerMayHoldMore',
      },
    ],
  },
  {
    name: 'a restart does not wait for the peer that it is marked to need',
    invariant: 'I2',
    seedsMax: 660,
    patches: [{ file: 'src/secondary/secondary.ts', find: 'if (this.state.peerMayHoldMore != null)', replace: 'if (false)' }],
  },
  {
    name: 'a restart meets the primary before what it fetched is durable',
    invariant: 'I2',
    seedsMax: 1524,
    patches: [
      {
        file: 'src/secondary/mirror/mirror.ts',
        find: "if (this.#phase === 'journaling' && this.#fetched !== null && replica.ring.pendingBytes === 0) {",
        replace: "if (this.#phase === 'journaling' && this.#fetched !== null) {",
      },
    ],
  },
  {
    name: 'a fetch leaves out the oldest message',
    invariant: 'I2',
    seedsMax: 124,
    patches: [
      {
        file: 'src/peer/fetch-stream.ts',
        find: 'this.#link.send(new Uint8Array(next.value.encoded));',
        replace: 'if (this.#records > next.value.records) this.#link.send(new Uint8Array(next.value.encoded));',
      },
    ],
  },
  {
    name: 'a region is released before the journal is flushed',
    invariant: 'I3',
    seedsMax: 44,
    patches: [
      {
        file: 'src/protocol/mirror-ledger.ts',
        find: 'if (oldest === undefined || !oldest.runs.every((run) => this.isJournaled(run)))',
        replace: 'if (oldest === undefined)',
      },
    ],
  },
  {
    name: 'what the peer holds makes a data set complete',
    invariant: 'I3',
    seedsMax: 44,
    patches: [
      {
        file: 'src/protocol/data-set.ts',
        find: 'this.held.set(this.#appended[position] ?? 0);',
        replace: 'this.held.set(this.#appended[position] ?? 0), this.durable.set(this.#appended[position] ?? 0);',
      },
    ],
  },
  {
    name: 'the region counts released space as free before an anchor says so',
    invariant: 'I2',
    seedsMax: 2464,
    patches: [
      {
        file: 'src/peer/nvram/held-region.ts',
        find: 'return this.#ringBytes - (this.#head.position - this.#effective.position);',
        replace: 'return this.#ringBytes - (this.#head.position - this.#tail.position);',
      },
    ],
  },
  {
    name: 'the region is told to have more room than it has',
    invariant: 'I11',
    seedsMax: 336,
    patches: [
      {
        file: 'src/peer/nvram/held-region.ts',
        find: 'return this.#ringBytes - (this.#head.position - this.#effective.position);',
        replace: 'return 2 * this.#ringBytes - (this.#head.position - this.#effective.position);',
      },
    ],
  },
  {
    name: 'a region in memory passes for the same after another boot',
    invariant: 'I2',
    seedsMax: 684,
    patches: [{ file: 'src/peer/nvram/open-region.ts', find: 'if (inMemory && bootId !== disk.bootId())', replace: 'if (false)' }],
  },
  {
    name: 'the peer uses a new region before its state says that the former one is lost',
    invariant: 'I2',
    seedsMax: 40,
    patches: [
      {
        file: 'src/peer/open-peer-region.ts',
        find: 'options.writeState({ region: { id, lost: [...known.lost, known.id].slice(-LIMITS.lostRegionsMax) } });',
        replace: '',
      },
    ],
  },
  {
    name: 'the records of a damaged message are held',
    invariant: 'I9',
    seedsMax: 2876,
    patches: [{ file: 'src/peer/record-holder.ts', find: 'if (fault !== null) return violation(fault);', replace: '' }],
  },
  {
    name: 'a takeover leaves out what the region holds',
    invariant: 'I2',
    seedsMax: 92,
    patches: [
      {
        file: 'src/takeover/take-over.ts',
        find: 'segments: () => held.segments(),',
        replace: "segments: function* () { return { verdict: 'clean-end', offset: 0 }; },",
      },
    ],
  },
  {
    name: 'a takeover is done before the journals have what the region holds',
    invariant: 'I2',
    seedsMax: 92,
    patches: [{ file: 'src/secondary/mirror/adopt-region.ts', find: 'await journaled(0);', replace: '' }],
  },
  {
    name: 'a takeover does not raise the host epoch on the shared storage',
    invariant: 'I8',
    seedsMax: 56,
    patches: [{ file: 'src/takeover/take-over.ts', find: 'await raise(options, paths, state);', replace: '' }],
  },
  {
    name: 'the lease of the shared storage is not looked at',
    invariant: 'I8',
    seedsMax: 184,
    patches: [{ file: 'src/secondary/write-lease.ts', find: 'return nowNs < Atomics.load(cell, 0);', replace: 'return true;' }],
  },
  {
    name: 'the primary goes on with a host that was replaced',
    invariant: 'I8',
    seedsMax: 2364,
    patches: [
      { file: 'src/primary/primary-links.ts', find: "other.close(CLOSE_CODE.superseded, 'superseded host');", replace: 'continue;' },
    ],
  },
];
