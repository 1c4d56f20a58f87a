/**
 * Inspect a ring of journals on its files alone, beside a running host or after it died (DESIGN section 6): what each slot holds, and
 * what recovery would do with it, by recovery's own tables.
 *
 * 1 **surroundings**: is a host running, state, watermark, which files there are;
 * 2 **peek**: header, complete mark and first record of every journal, which tell in which order to judge them;
 * 3 **scan** the journals in ascending order of their data sets, judge each, and forget its records;
 * 4 **plan** as a start of the host would;
 * 5 beside a running host, if journals changed meanwhile or something looks wrong: once more, at most `ATTEMPTS` times; what is then not
 *   confirmed is left out, and it says that the picture moves (moving-ring.ts).
 *
 * Takes no lock and writes nothing. Beside a running host no two journals are read at the same moment, so the plan is then no prediction.
 */
import { scanWindow } from '../../../journals/file-scan.ts';
import { journalPath } from '../../../journals/files.ts';
import { checkHeader } from '../../../journals/ring-files.ts';
import { basename } from 'node:path';
import type { ScannedHeader } from '../../../journals/contract.ts';
import { journalMissing, journalRead, journalSize } from '../../../journals/errors.ts';
import type { Disk, DiskFile } from '../../disk/disk.ts';
import { FarshoreError, messageOf } from '../../model/errors.ts';
import { CHAIN_START } from '../../model/ids.ts';
import type { DataSetId, Geometry } from '../../model/ids.ts';
import { originAfter } from '../../protocol/generations.ts';
import { dataSetAbove, JournalJudge, type ActiveContent, type JudgedJournal } from '../../protocol/recovery-content.ts';
import type { RecoverySetting } from '../../protocol/recovery-facts.ts';
import { effectiveOrigin, planJudged, refusalOf, type RecoveryOutline } from '../../protocol/recovery-plan.ts';
import { hashChain } from '../../record/record.ts';
import { checkWatermark, journalIdentityOf, journalsNotBlank, refusalOfResumed } from '../../secondary/recover.ts';
import { findingsOf, missingFile, unopened, worstVerdict } from './findings.ts';
import { inspectJournal, type JournalContents } from './inspect-journal.ts';
import type { LocatedRing } from './locate-ring.ts';
import { confirmed, needsAnother } from './moving-ring.ts';
import { guessGeometry, isUnbound, listSlots, readState, readWatermark } from './read-ring.ts';
import { peekFile, type PeekedJournal } from './peek-journal.ts';
import type { Finding, InspectedIdentity, InspectedState, InspectedWatermark, RingReport, SlotReport } from './ring-report.ts';
import { otherGeometry, refusedAltogether } from './ring-findings.ts';
import { isRingInUse } from './running.ts';

/** How often a ring that a host writes is read before it is called moving. */
const ATTEMPTS = 3;

export interface InspectRingOptions {
  readonly disk: Disk;
  readonly located: LocatedRing;
}

/** Inspect a ring. Damage is a finding, never an exception. @throws UsageError ERR_NO_JOURNALS */
export async function inspectRing(options: InspectRingOptions): Promise<RingReport> {
  let report = await new RingInspection(options).inspect();
  let before = report;
  for (let attempt = 1; needsAnother(report) && attempt < ATTEMPTS; attempt += 1) {
    before = report;
    report = await new RingInspection(options).inspect();
  }
  return confirmed(report, before);
}

interface Peeked extends Pick<PeekedJournal, 'slot' | 'path' | 'fileBytes' | 'header' | 'completeMark' | 'firstRecord'> {
  /** Why the file could not be opened. */
  readonly unopened: Error | null;
}

interface Scanned {
  readonly contents: JournalContents;
  readonly judged: JudgedJournal | null;
  /** What its records amount to on their own, for a data set at or below the watermark. */
  readonly history: ActiveContent | null;
}

class RingInspection {
  readonly #disk: Disk;
  readonly #located: LocatedRing;
  readonly #window = scanWindow();
  readonly #notes: string[] = [];
  readonly #scanned = new Map<number, Scanned>();
  #moved = false;

  constructor({ disk, located }: InspectRingOptions) {
    this.#disk = disk;
    this.#located = located;
  }

  async inspect(): Promise<RingReport> {
    const { directory } = this.#located;
    const running = isRingInUse(directory);
    const { state, problem } = readState(this.#disk, this.#located);
    const { watermark, findings, refusal } = readWatermark(this.#disk, directory);
    if (problem !== null) this.#notes.push(`the state is not used: ${problem.message}`);
    const { peeked: first, geometry } = this.#withoutStrays(await this.#peekAll());
    const identity = identify(state, watermark, first);
    if (state?.condition === 'promoted')
      this.#notes.push('this host was promoted: a start serves its volumes and does not look at the journals');
    if (identity.source !== 'state') this.#notes.push(assumption(identity, problem !== null));
    const setting = geometry === null ? null : settingOf({ identity, geometry, state, watermark });
    const peeked = await this.#scanAll(first, setting);
    const refused = problem ?? this.#refusalBeforePlan({ state, watermark, unreadable: refusal, peeked, geometry });
    const plan = setting === null || refused !== null || !recovers(state) ? null : planJudged(setting, this.#judged());
    const refusedAtLast =
      refused ?? (plan === null ? null : (refusalOf(plan) ?? (state === null ? null : refusalOfResumed(state.state, plan))));
    const slots = this.#slotReports({ peeked, geometry, plan, running: running === true });
    const ofParts = [...findings.map((finding) => weighed(finding, refusedAtLast)), ...slots.flatMap((slot) => slot.findings)];
    return {
      directory,
      state,
      identity,
      geometry,
      watermark,
      running,
      moving: running === true && (this.#moved || !sameWatermark(watermark, readWatermark(this.#disk, directory).watermark)),
      slots,
      plan,
      refusal: refusedAtLast === null ? null : { code: refusedAtLast.code, message: refusedAtLast.message },
      through: plan === null || refusedAtLast !== null ? null : plan.through,
      findings: [...ofParts, ...refusedAltogether({ refused: refusedAtLast, found: ofParts, directory, watermark })],
      notes: this.#notes,
    };
  }

  async #peekAll(): Promise<Peeked[]> {
    const peeked: Peeked[] = [];
    for (const slot of listSlots(this.#disk, this.#located.directory)) peeked.push(await this.#peek(slot));
    return peeked;
  }

  /** A start opens the slots of its ring and looks at no other file. */
  #withoutStrays(all: readonly Peeked[]): { peeked: readonly Peeked[]; geometry: Geometry | null } {
    const geometry = guessGeometry(
      all.map(({ header }) => header),
      all,
    );
    const strays = all.filter(({ slot }) => geometry !== null && slot >= geometry.slots);
    if (geometry === null || strays.length === 0) return { peeked: all, geometry };
    const [first, ...others] = strays.map(({ path }) => basename(path));
    const named = others.length === 0 ? `${first} is` : `${first} and ${others.length} more are`;
    this.#notes.push(`${named} not of this ring of ${geometry.slots} slots: a start does not look there, and neither does this`);
    return { peeked: all.filter(({ slot }) => slot < geometry.slots), geometry };
  }

  async #peek(slot: number): Promise<Peeked> {
    const path = journalPath(this.#located.directory, slot);
    const file = this.#open(path);
    if (file instanceof Error) {
      const header = { verdict: 'unreadable', offset: 0, expected: 'a file that can be opened', found: file.message } as const;
      return { slot, path, fileBytes: 0, header, completeMark: { verdict: 'not-set' }, firstRecord: null, unopened: file };
    }
    try {
      return { ...(await peekFile({ file, slot, window: this.#window })), unopened: null };
    } finally {
      file.closeSync();
    }
  }

  /** In ascending order, so that each data set is judged with what is known of the one before it. @returns `peeked`, and which files have gone since */
  async #scanAll(peeked: readonly Peeked[], setting: RecoverySetting | null): Promise<Peeked[]> {
    const gone = new Map<number, Error>();
    const order = peeked
      .filter(({ unopened: why }) => why === null)
      .map((journal) => ({ journal, dataSet: orderOf(journal, setting) }))
      .sort((a, b) => a.dataSet - b.dataSet);
    const above = new Map<DataSetId, ActiveContent>();
    const below = new Map<DataSetId, ActiveContent>();
    for (const { journal } of order) {
      const file = this.#open(journal.path);
      if (file instanceof Error) {
        gone.set(journal.slot, file);
        continue;
      }
      try {
        const isAbove = setting !== null && dataSetAbove(journal, journal.firstRecord, setting) !== null;
        const judge = setting === null ? null : new JournalJudge(journal.header, isAbove ? setting : wholeHistory(setting));
        const contents = await inspectJournal({ file, slot: journal.slot, window: this.#window, judge });
        if (!sameHeader(journal.header, contents.scan.header)) this.#moved = true;
        this.#scanned.set(journal.slot, { contents, ...finish(judge, contents, isAbove ? above : below, isAbove) });
      } finally {
        file.closeSync();
      }
    }
    return peeked.map((journal) => ({ ...journal, unopened: gone.get(journal.slot) ?? journal.unopened }));
  }

  #open(path: string): DiskFile | Error {
    try {
      return this.#disk.open(path, { readOnly: true });
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  #judged(): JudgedJournal[] {
    return [...this.#scanned.values()].flatMap(({ judged }) => (judged === null ? [] : [judged]));
  }

  /** What opening the ring and reading its watermark would refuse, in the order in which a start looks. */
  #refusalBeforePlan(found: {
    state: InspectedState | null;
    watermark: InspectedWatermark;
    /** Why the watermark cannot be used. */
    unreadable: { code: string; message: string } | null;
    peeked: readonly Peeked[];
    geometry: Geometry | null;
  }): { code: string; message: string } | null {
    const { state, watermark, unreadable, peeked, geometry } = found;
    const { directory } = this.#located;
    if (state?.condition === 'promoted') return null;
    if (unreadable?.code === 'ERR_WATERMARK_MISSING') return unreadable;
    for (let slot = 0; slot < (geometry?.slots ?? 0); slot += 1) {
      const journal = peeked.find((candidate) => candidate.slot === slot);
      if (journal === undefined) return journalMissing(journalPath(directory, slot));
      if (journal.unopened !== null) return journalRead(journal.path, journal.unopened);
      if (geometry !== null && journal.fileBytes !== geometry.slotBytes)
        return journalSize(journal.path, geometry.slotBytes, journal.fileBytes);
      const ofOtherRing = geometry === null ? null : refusedBy(() => checkHeader({ ...journal, geometry }));
      if (ofOtherRing !== null) return ofOtherRing;
    }
    if (unreadable !== null) return unreadable;
    for (const { slot, path } of peeked) {
      const readError = this.#scanned.get(slot)?.contents.scan.readError ?? null;
      if (readError !== null) return journalRead(path, readError);
    }
    const content = watermark.newest;
    if (state === null || content === null) return null;
    if (isBlank(state)) {
      const used = this.#usedJournal(peeked);
      return used === null ? null : journalsNotBlank(used, directory);
    }
    return refusedBy(() => checkWatermark(directory, isUnbound(content) ? null : content, state.state));
  }

  #usedJournal(peeked: readonly Peeked[]): string | null {
    return (
      peeked.find(({ header, firstRecord }) => firstRecord !== null || (header.verdict === 'readable' && header.dataSet !== null))?.path ??
      null
    );
  }

  #slotReports(found: {
    peeked: readonly Peeked[];
    geometry: Geometry | null;
    plan: RecoveryOutline | null;
    running: boolean;
  }): SlotReport[] {
    const { peeked, geometry, plan, running } = found;
    const count = Math.max(geometry?.slots ?? 0, (peeked.at(-1)?.slot ?? -1) + 1);
    return Array.from({ length: count }, (_, slot): SlotReport => {
      const path = journalPath(this.#located.directory, slot);
      const decision = plan?.journals.find((journal) => journal.slot === slot) ?? null;
      const scanned = this.#scanned.get(slot);
      if (scanned === undefined) {
        const why = peeked.find((journal) => journal.slot === slot)?.unopened ?? null;
        const finding = why === null ? missingFile(path, slot) : unopened(path, slot, why);
        return { slot, path, contents: null, decision, verdict: finding.verdict, findings: [finding] };
      }
      const { contents, history } = scanned;
      const ofBytes = findingsOf({ contents, decision, history, expectedBytes: geometry?.slotBytes ?? null, running });
      const findings = [...ofBytes, ...(geometry === null ? [] : otherGeometry(contents.scan, geometry))];
      return { slot, path, contents, decision, verdict: worstVerdict(findings), findings };
    });
  }
}

/** What a check of production code refuses with. */
function refusedBy(check: () => void): FarshoreError | null {
  try {
    check();
  } catch (error) {
    if (error instanceof FarshoreError) return error;
    throw error;
  }
  return null;
}

/** As if nothing were in the source volumes: a data set at or below the watermark is judged on its own, as a part of the history. */
function wholeHistory(setting: RecoverySetting): RecoverySetting {
  return { ...setting, watermark: null, origin: { dataSet: 0, firstSequence: 0, chain: CHAIN_START } };
}

/** @param known contents of the data sets judged so far, on the same side of the watermark */
function finish(
  judge: JournalJudge | null,
  { scan }: JournalContents,
  known: Map<DataSetId, ActiveContent>,
  isAbove: boolean,
): Omit<Scanned, 'contents'> {
  if (judge === null) return { judged: null, history: null };
  const dataSet = judge.dataSet ?? (scan.header.verdict === 'readable' ? scan.header.dataSet : null) ?? 0;
  const judged = judge.finish(scan, known.get(dataSet - 1) ?? null);
  if (judged.active !== null) known.set(judged.active.dataSet, judged.active.content);
  return isAbove ? { judged, history: null } : { judged: { ...judged, active: null }, history: judged.active?.content ?? null };
}

function orderOf(journal: Peeked, setting: RecoverySetting | null): number {
  const above = setting === null ? null : dataSetAbove(journal, journal.firstRecord, setting);
  const { header } = journal;
  return above ?? (header.verdict === 'readable' ? header.dataSet : null) ?? -1;
}

function identify(state: InspectedState | null, { newest }: InspectedWatermark, peeked: readonly Peeked[]): InspectedIdentity {
  if (state !== null) {
    const { groupId, stream } = state.state;
    return { groupId, generation: journalIdentityOf(state.state).generation, stream, source: 'state' };
  }
  if (newest !== null && !isUnbound(newest))
    return { groupId: newest.groupId, generation: newest.generation, stream: newest.stream, source: 'watermark' };
  const headers = peeked.flatMap(({ header }) => (header.verdict === 'readable' && header.dataSet !== null ? [header] : []));
  const header = headers.toSorted((a, b) => b.generation - a.generation || (b.dataSet ?? 0) - (a.dataSet ?? 0))[0];
  if (header === undefined) return { groupId: null, generation: 0, stream: null, source: 'nobody' };
  return { groupId: header.groupId, generation: header.generation, stream: header.stream, source: 'journals' };
}

function assumption({ source }: InspectedIdentity, isDamaged: boolean): string {
  const why = isDamaged ? 'without a state' : 'no state was found';
  if (source === 'nobody') return `${why}, and the journals belong to no group yet`;
  return `${why}: group and stream are taken from the ${source}; --state DIR names the state folder`;
}

function settingOf(found: {
  identity: InspectedIdentity;
  geometry: Geometry;
  state: InspectedState | null;
  watermark: InspectedWatermark;
}): RecoverySetting {
  const { identity, geometry, state, watermark } = found;
  const point = watermark.newest?.point ?? null;
  const promoting = state?.condition === 'promoting';
  const generations = promoting ? (state?.state.generations.slice(0, -1) ?? []) : (state?.state.generations ?? []);
  const first = { dataSet: 0, firstSequence: 0, chain: CHAIN_START };
  const origin = point === null && generations.length === 0 ? first : originAfter(point, generations);
  const setting = { identity, geometry, watermark: point, origin, hashChain, mode: promoting ? 'promote' : 'start' } as const;
  return { ...setting, origin: effectiveOrigin(setting) };
}

/** The damaged block of a watermark may have been the newer one: then the journals are ahead of the block that is left. */
function weighed(finding: Finding, refused: { readonly code: string } | null): Finding {
  if (finding.matters || refused === null) return finding;
  return {
    ...finding,
    matters: true,
    meaning: `the other block counts, and it may be the older one: a start refuses with ${refused.code}`,
    advice: 'bring the watermark back from its disk, or make the secondary anew; Farshore does not guess',
  };
}

/** A blank host has nothing to recover, and a promoted one serves without looking at its journals. */
function recovers(state: InspectedState | null): boolean {
  return state?.condition !== 'promoted' && !isBlank(state);
}

function isBlank(state: InspectedState | null): boolean {
  return state !== null && (state.state.groupId === null || state.state.stream === null);
}

function sameHeader(a: ScannedHeader, b: ScannedHeader): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function sameWatermark(a: InspectedWatermark, b: InspectedWatermark): boolean {
  return a.newest?.counter === b.newest?.counter;
}
