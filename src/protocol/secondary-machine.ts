/**
 * The secondary machine: Figures 8 (write commands), 10 (sync commands), 9 (managing data sets) and 11 (recovery) in the
 * Figure 13 variant. Pure: no I/O, no clock, no randomness.
 *
 * One step: **admit** every record that came (place in the window, slot, bounds, duplicate), **append** it to its journal;
 * **mark** what became durable; **manage** the data sets in ascending order (complete, flag, destage, watermark);
 * **acknowledge** everything of the step in one effect. A data set's whole way:
 *   openJournal, appendJournal ... -> journalDurable -> acknowledge, setCompleteFlag -> completeFlagDurable -> destage
 *   -> destaged -> writeWatermark -> watermarkDurable -> retireJournal, window moved.
 * In write-back mode the peer's word, `peerHeld`, acknowledges too; the rest of the way goes on from the journal alone.
 *
 * What it does not do: check group, generation, stream, checksums, VLUN and LBA (the decoder and the shell do, before a record
 * comes here), and bound how many records wait for their journal (a slot's capacity does).
 */
import { assert, unreachable } from '../model/assert.ts';
import type { HeldDataSet, HeldFacts, HistoryOrigin } from '../model/handshake.ts';
import type { Chain, DataSetId, HistoryPoint, SequenceNumber } from '../model/ids.ts';
import { LIMITS } from '../model/limits.ts';
import { DataSetRing } from './data-set-ring.ts';
import type { DataSet } from './data-set.ts';
import { RangeCollector } from './ranges.ts';
import type {
  HashChain,
  LinkId,
  ReceivedRecord,
  SecondaryCore,
  SecondaryEffect,
  SecondaryEvent,
  SecondaryFailureCode,
  SecondaryMachineOptions,
  SecondaryPositions,
} from './secondary-contract.ts';
import { activityOf, completePoints, heldDataSets, heldFacts, positionsOf } from './secondary-report.ts';
import { restoreDataSets } from './secondary-restore.ts';

export class SecondaryMachine implements SecondaryCore {
  readonly counters = { duplicates: 0, rejects: 0, dropped: 0 };
  readonly #ring: DataSetRing;
  readonly #hashChain: HashChain;
  readonly #acknowledged = new RangeCollector();
  #effects: SecondaryEffect[] = [];
  /** Links that broke the protocol in this step: what else came on them is forgotten. */
  #closedLinks: LinkId[] = [];
  #windowMoved = false;
  #isFailed = false;
  #isPeerJoined = false;
  /** The newest data set that is complete with all before it; at first the one before the origin. */
  #complete: { readonly dataSet: DataSetId; readonly finalSequence: SequenceNumber; readonly chain: Chain };
  /** The newest data set that was received with all before it, and whose chain agrees. */
  #proven: HistoryPoint;
  /** Everything through here: told to the shell to destage, destaged, told to be covered by a watermark. */
  #destageTold: DataSetId;
  #destaged: DataSetId;
  #watermarkTold: DataSetId;

  constructor(options: SecondaryMachineOptions) {
    const { origin, geometry } = options;
    this.#ring = new DataSetRing({ geometry, origin });
    this.#hashChain = options.hashChain;
    this.#complete = { dataSet: origin.dataSet - 1, finalSequence: origin.firstSequence - 1, chain: origin.chain };
    this.#proven = this.#complete;
    this.#destageTold = origin.dataSet - 1;
    this.#destaged = origin.dataSet - 1;
    this.#watermarkTold = origin.dataSet - 1;
    const contradiction = restoreDataSets({ ring: this.#ring, restored: options.restored, gathered: this.#acknowledged });
    if (contradiction !== null) this.#fail('ERR_SYNC_CONTRADICTION', contradiction);
    // What is restored is not acknowledged again: the handshake tells the primary what is held.
    this.#acknowledged.clear();
  }

  get windowHigh(): DataSetId {
    return this.#ring.window.highest;
  }

  get origin(): HistoryOrigin {
    return this.#ring.origin;
  }

  complete(): HistoryPoint[] {
    return completePoints(this.#ring, this.#complete.dataSet);
  }

  held(): HeldDataSet[] {
    return heldDataSets(this.#ring);
  }

  heldFacts(): HeldFacts[] {
    return heldFacts(this.#ring, this.#hashChain);
  }

  positions(): SecondaryPositions {
    return positionsOf(this.#ring, this.#complete);
  }

  get exposed(): number {
    let exposed = 0;
    for (const set of this.#ring.active()) exposed += set.exposed;
    return exposed;
  }

  activity(): { active: number; partial: number } {
    return activityOf(this.#ring);
  }

  /** Go on with what was restored: flags for what is complete, then destage, lowest ID first. @design Fig. 11, steps 400-450 */
  resume(): SecondaryEffect[] {
    this.#manageDataSets();
    for (const set of this.#ring.active()) {
      // A flag that is durable was set on a complete row of data sets: it is replayed, or nothing goes on (I3).
      if (!this.#isFailed && set.flagDurable && set.dataSet > this.#complete.dataSet) {
        this.#fail(
          'ERR_SYNC_CONTRADICTION',
          `restored data set ${set.dataSet} has its complete flag, but complete is only what is through ${this.#complete.dataSet}`,
        );
      }
    }
    return this.#finishStep();
  }

  step(events: readonly SecondaryEvent[]): SecondaryEffect[] {
    for (const event of events) this.#take(event);
    this.#manageDataSets();
    this.#answer();
    return this.#finishStep();
  }

  #finishStep(): SecondaryEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    if (this.#closedLinks.length > 0) this.#closedLinks = [];
    return effects;
  }

  #take(event: SecondaryEvent): void {
    switch (event.event) {
      case 'recordsReceived':
        for (const record of event.records) {
          if (this.#isFailed || this.#closedLinks.includes(event.link)) return;
          this.#admit(event.link, record);
        }
        return;
      case 'journalDurable':
        this.#findReported(event.dataSet)?.markDurable(event.records, this.#acknowledged);
        return;
      case 'peerJoined':
        assert(!this.#isPeerJoined && this.exposed === 0, 'a session of the peer begins when nothing depends on the one before');
        this.#isPeerJoined = true;
        return;
      case 'peerHeld':
        assert(this.#isPeerJoined, 'only the current session of the peer holds anything');
        this.#findReported(event.dataSet)?.markHeld(event.records, this.#acknowledged);
        return;
      case 'peerLost':
        this.#isPeerJoined = false;
        for (const set of this.#ring.active()) set.forgetHeld();
        return;
      case 'completeFlagDurable': {
        assert(event.dataSet <= this.#complete.dataSet, 'a complete flag is durable only after it was set');
        const set = this.#findReported(event.dataSet);
        if (set !== null) set.flagDurable = true;
        return;
      }
      case 'destaged':
        assert(event.dataSet <= this.#destageTold, 'only what the machine told to destage is destaged');
        this.#destaged = Math.max(this.#destaged, event.dataSet);
        return;
      case 'watermarkDurable':
        this.#retireThrough(event.dataSet);
        return;
      default:
        unreachable(event);
    }
  }

  /** Find the data set of a shell's report; null when it was retired meanwhile (a moved journal, I10, may report again). */
  #findReported(dataSet: DataSetId): DataSet | null {
    const set = this.#ring.find(dataSet);
    assert(set !== null || dataSet < this.#ring.window.lowest, 'the shell reports only on journals that it was told to open');
    return set;
  }

  /** Take one command in, or say why not. @design Fig. 8, steps 50-82; Fig. 10, steps 84-106 */
  #admit(link: LinkId, record: ReceivedRecord): void {
    const place = this.#ring.window.placeOf(record.dataSet);
    if (place === 'below') return this.#drop(link, record);
    if (place === 'above') {
      this.counters.rejects += 1;
      this.#effects.push({ effect: 'reject', link, reason: 'window', dataSet: record.dataSet, sequence: record.sequence });
      return;
    }
    const known = this.#ring.find(record.dataSet);
    const set = known ?? this.#ring.open(record.dataSet, record.firstSequence);
    if (typeof set === 'string') return this.#closeLink(link, set);
    const violation = set.judge(record);
    if (violation !== null) {
      if (known === null) set.reset();
      this.#closeLink(link, violation);
      if (record.type === 'sync' && set.durable.count > 0) this.#countContradiction(set, violation);
      return;
    }
    if (known === null) {
      this.#ring.settle(set);
      this.#effects.push({ effect: 'openJournal', dataSet: set.dataSet, slot: set.slot, firstSequence: set.firstSequence });
    } else if (this.#isDuplicate(set, record)) {
      return;
    }
    const index = set.accept(record);
    this.#effects.push({ effect: 'appendJournal', dataSet: set.dataSet, slot: set.slot, index, record });
  }

  /** Acknowledge and drop a record at or below the watermark: the source volumes have it. @invariant I6, I7 */
  #drop(link: LinkId, record: ReceivedRecord): void {
    const violation = this.#ring.judgeBelow(record);
    if (violation !== null) return this.#closeLink(link, violation);
    this.counters.dropped += 1;
    this.#acknowledged.add(record.sequence);
  }

  /** A duplicate changes nothing; it is acknowledged again only if it is durable, or held by the peer's current session. @invariant I2, I7 */
  #isDuplicate(set: DataSet, record: ReceivedRecord): boolean {
    const index = record.sequence - set.firstSequence;
    if (!set.received.has(index)) return false;
    this.counters.duplicates += 1;
    if (set.isSafe(index)) this.#acknowledged.add(record.sequence);
    return true;
  }

  #closeLink(link: LinkId, violation: string): void {
    this.#closedLinks.push(link);
    this.#effects.push({ effect: 'closeLink', link, violation });
  }

  /** Closing links again and again cannot cure a primary whose sync contradicts what is durable: it has another history. */
  #countContradiction(set: DataSet, violation: string): void {
    set.syncContradictions += 1;
    if (set.syncContradictions >= LIMITS.syncContradictionsMax) {
      this.#fail(
        'ERR_SYNC_CONTRADICTION',
        `${violation}; it came ${set.syncContradictions} times: the primary has another history than this copy`,
      );
    }
  }

  #fail(code: SecondaryFailureCode, message: string): void {
    this.#isFailed = true;
    this.#effects.push({ effect: 'fail', code, message });
  }

  /** Manage the data sets from the lowest incomplete one on. @design Fig. 9, steps 300-310 @invariant I3, I4 */
  #manageDataSets(): void {
    this.#proveReceived();
    while (!this.#isFailed && this.#complete.dataSet < this.#proven.dataSet) {
      // Steps 300, 302 and 308: all before are complete; is this one?
      const set = this.#ring.find(this.#complete.dataSet + 1);
      if (set === null || !set.isWhole) break;
      this.#complete = set.point;
      // Step 303.
      if (!set.flagDurable) this.#effects.push({ effect: 'setCompleteFlag', dataSet: set.dataSet, slot: set.slot, point: set.point });
    }
    while (this.#destageTold < this.#complete.dataSet) {
      const set = this.#ring.find(this.#destageTold + 1);
      if (set === null || !set.flagDurable) break;
      this.#destageTold = set.dataSet;
      // Step 304. The shell carries them out one after another, each when the watermark covers all before it (docs/decisions/0005).
      this.#effects.push({ effect: 'destage', dataSet: set.dataSet, slot: set.slot, writes: set.writes });
    }
    // One watermark at a time, and only the newest: it covers all before it.
    const isWatermarkDurable = this.#watermarkTold < this.#ring.window.lowest;
    if (this.#destaged > this.#watermarkTold && isWatermarkDurable) {
      const set = this.#ring.find(this.#destaged);
      assert(set !== null, 'a destaged data set keeps its slot until its watermark is durable');
      this.#watermarkTold = this.#destaged;
      this.#effects.push({ effect: 'writeWatermark', point: set.point });
    }
  }

  /**
   * Check the chains as soon as data sets are received with all before them: in write-back mode a data set is acknowledged before it is
   * durable, and one whose chain disagrees must never be acknowledged as a whole (I1).
   */
  #proveReceived(): void {
    while (!this.#isFailed) {
      const set = this.#ring.find(this.#proven.dataSet + 1);
      if (set === null || !set.isReceivedWhole || !this.#agreesWithChain(set)) return;
      this.#proven = set.point;
    }
  }

  /** Check the chain of a whole data set; a mismatch means another history, and fails the copy before it is changed. */
  #agreesWithChain(set: DataSet): boolean {
    assert(set.firstSequence === this.#proven.finalSequence + 1 && set.sync !== null, 'a whole data set begins where the one before ended');
    const chain = this.#hashChain(this.#proven.chain, set.writeChecksums(), set.sync.incarnation);
    if (chain === set.sync.chain) return true;
    this.#fail(
      'ERR_CHAIN_MISMATCH',
      `data set ${set.dataSet} (${set.firstSequence} to ${set.finalSequence}): the chain over its records is ${chain}, its sync says ${set.sync.chain}`,
    );
    return false;
  }

  /** Free the slots that a durable watermark covers and move the window. @design Fig. 9, steps 305-306 @invariant I5, I6 */
  #retireThrough(dataSet: DataSetId): void {
    assert(dataSet <= this.#watermarkTold, 'a watermark is durable only after it was told');
    while (this.#ring.window.lowest <= dataSet) {
      const retired = this.#ring.window.lowest;
      const { slot } = this.#ring.retireLowest();
      this.#effects.push({ effect: 'retireJournal', dataSet: retired, slot });
      this.#windowMoved = true;
    }
  }

  /**
   * Acknowledge what the step made or found durable; after the data sets were managed, so that the last record of a data set
   * whose chain disagrees is not acknowledged (I1). A failed machine acknowledges nothing. @design Fig. 8, step 74; Fig. 10, step 73
   */
  #answer(): void {
    if (this.#isFailed) this.#acknowledged.clear();
    if (!this.#acknowledged.isEmpty) {
      this.#effects.push({ effect: 'acknowledge', ranges: this.#acknowledged.take() });
    } else if (this.#windowMoved) {
      this.#effects.push({ effect: 'announceWindow' });
    }
    this.#windowMoved = false;
  }
}
