/** A ring's report as `--json` tells it: identifiers as decimal strings, times as ISO, the same words as the text. */
import type { HistoryPoint } from '../../model/ids.ts';
import type { JournalContents } from './inspect-journal.ts';
import type { RingReport, SlotReport } from './ring-report.ts';

/** @returns what JSON.stringify takes; scripts depend on its names */
export function ringJson(report: RingReport): Record<string, unknown> {
  const { directory, state, identity, geometry, watermark, running, moving, slots, plan, refusal, through, findings, notes } = report;
  const newest = watermark.newest;
  return {
    directory,
    running,
    moving,
    state: state === null ? null : { directory: state.directory, condition: state.condition, group: state.state.groupName },
    identity,
    geometry: geometry === null ? null : { slots: geometry.slots, slotBytes: geometry.slotBytes, capacityBytes: geometry.capacityBytes },
    watermark: {
      path: watermark.path,
      block: watermark.block,
      ...shownPoint(newest?.point ?? null),
      generation: newest?.generation ?? null,
      stream: newest?.stream ?? null,
      hostEpoch: newest?.hostEpoch ?? null,
    },
    slots: slots.map(slotJson),
    recovery: {
      outcome: refusal !== null ? 'refuse' : plan === null ? null : plan.outcome,
      refusal,
      through: through === null ? null : `${through.dataSet}`,
      replays: idsBy(slots, ['replay']),
      keeps: idsBy(slots, ['keep partial', 'keep complete']),
      discards: idsBy(slots, ['discard']),
      lines: plan?.lines ?? [],
    },
    findings,
    notes,
  };
}

function slotJson({ slot, path, contents, decision, verdict, findings }: SlotReport): Record<string, unknown> {
  const shown = decision === null ? null : { label: decision.label, action: decision.action, code: decision.code, reason: decision.reason };
  return {
    slot,
    path,
    verdict,
    ...(contents === null ? {} : contentsJson(contents, decision?.dataSet ?? null)),
    decision: shown,
    findings,
  };
}

/** What one journal holds. */
export function contentsJson(contents: JournalContents, decided: number | null): Record<string, unknown> {
  const { scan, types, numbers, missing, recordBytes, changedBytes, cutReason, firstWriteUs, lastWriteUs } = contents;
  const { header, completeMark, tail, fileBytes } = scan;
  const named = header.verdict === 'readable' ? header : null;
  return {
    fileBytes,
    dataSet: text(decided ?? contents.dataSet ?? named?.dataSet ?? null),
    generation: contents.generation ?? named?.generation ?? null,
    stream: contents.stream ?? named?.stream ?? null,
    header:
      header.verdict === 'readable' ? { ...header, dataSet: text(header.dataSet), firstSequence: text(header.firstSequence) } : header,
    completeFlag: completeMark.verdict === 'set' ? { verdict: 'set', ...shownPoint(completeMark.point) } : completeMark,
    records: numbers,
    types,
    recordBytes,
    changedBytes,
    firstSequence: text(contents.firstSequence),
    highestSequence: text(contents.highestSequence),
    finalSequence: text(contents.finalSequence),
    missing,
    firstWrite: shownIso(firstWriteUs),
    lastWrite: shownIso(lastWriteUs),
    cutReason,
    tail,
  };
}

function idsBy(slots: readonly SlotReport[], actions: readonly string[]): string[] {
  return slots
    .flatMap(({ decision }) =>
      decision !== null && decision.dataSet !== null && actions.includes(decision.action) ? [decision.dataSet] : [],
    )
    .sort((a, b) => a - b)
    .map(String);
}

function shownPoint(point: HistoryPoint | null): { dataSet: string | null; finalSequence: string | null; chain: string | null } {
  return { dataSet: text(point?.dataSet ?? null), finalSequence: text(point?.finalSequence ?? null), chain: point?.chain ?? null };
}

function text(id: number | null): string | null {
  return id === null ? null : `${id}`;
}

function shownIso(timeUs: number | null): string | null {
  return timeUs === null ? null : new Date(timeUs / 1000).toISOString();
}
