/** `journal show` for programs: the records as they are read, then what they amount to. Identifiers are decimal strings, times ISO. */
import type { SequenceRange } from '../../model/ids.ts';
import type { DecodedRecord } from '../../record/record.ts';
import { NO_VLUN } from '../../record/record.ts';
import { showU32 } from '../../record/fields.ts';
import type { NumberedRecord, NumberVerdict } from '../ring/record-numbers.ts';
import { isoOf } from './record-table.ts';
import { contentsJson } from '../ring/ring-json.ts';
import type { LineOutput } from './show-output.ts';
import type { ShowHead, ShowReport, ShowWriter } from './show-report.ts';

/** One line for each record, `kind` record, then one of `kind` journal. */
export class NdjsonWriter implements ShowWriter {
  readonly #output: LineOutput;

  constructor(output: LineOutput) {
    this.#output = output;
  }

  begin(_head: ShowHead): void {}

  record(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): void {
    this.#output.line(JSON.stringify({ kind: 'record', ...recordJson(record, fileOffset, verdict) }));
  }

  end(report: ShowReport): void {
    this.#output.line(JSON.stringify({ kind: 'journal', ...reportJson(report) }));
  }
}

/** One object: `records`, a line for each, then `journal`. */
export class JsonWriter implements ShowWriter {
  readonly #output: LineOutput;
  #separator = '\n';

  constructor(output: LineOutput) {
    this.#output = output;
  }

  begin(_head: ShowHead): void {
    this.#output.raw('{\n  "records": [');
  }

  record(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): void {
    this.#output.raw(`${this.#separator}    ${JSON.stringify(recordJson(record, fileOffset, verdict))}`);
    this.#separator = ',\n';
  }

  end(report: ShowReport): void {
    const journal = JSON.stringify(reportJson(report), null, 2).replaceAll('\n', '\n  ');
    this.#output.raw(`${this.#separator === '\n' ? '' : '\n  '}],\n  "journal": ${journal}\n}\n`);
  }
}

/** One record; scripts depend on its names. */
export function recordJson(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): Record<string, unknown> {
  const { type, sequence, dataSet, generation, vlun, lba, lengthBytes, timeUs, encodedBytes, payloadChecksum, headerChecksum, sync } =
    record;
  const isPad = type === 'pad';
  const onVolume = vlun !== NO_VLUN;
  return {
    offset: fileOffset,
    encodedBytes,
    type,
    sequence: isPad ? null : `${sequence}`,
    dataSet: isPad ? null : `${dataSet}`,
    generation: isPad ? null : generation,
    vlun: onVolume ? vlun : null,
    lba: onVolume ? lba : null,
    lengthBytes,
    time: isPad ? null : isoOf(timeUs),
    payloadChecksum: showU32(payloadChecksum),
    headerChecksum: showU32(headerChecksum),
    number: verdict,
    sync: sync === null ? null : { ...sync, finalSequence: `${sequence}` },
  };
}

/** What the journal amounts to; scripts depend on its names. */
export function reportJson(report: ShowReport): Record<string, unknown> {
  const { path, slot, running, contents, missing, tally, wantedRecords, map, verdict, findings, tailVerdict, tailMeaning, notes } = report;
  const { numbers } = tally;
  return {
    path,
    slot,
    running,
    verdict,
    ...contentsJson(contents, null),
    shown: wantedRecords,
    gaps: missing.gaps.map(rangeJson),
    missingInGaps: missing.count,
    repeated: { count: numbers.countOf('again'), examples: numbers.examplesOf('again').map(exampleJson) },
    contradicting: { count: numbers.countOf('contradicts'), examples: numbers.examplesOf('contradicts').map(exampleJson) },
    outside: { count: numbers.countOf('outside'), examples: numbers.examplesOf('outside').map(exampleJson) },
    tailVerdict,
    tailMeaning,
    map: map?.map((volume) => ({ ...volume })) ?? null,
    findings,
    notes,
  };
}

function rangeJson({ from, to }: SequenceRange): { from: string; to: string } {
  return { from: `${from}`, to: `${to}` };
}

function exampleJson({ offset, sequence }: NumberedRecord): { offset: number; sequence: string } {
  return { offset, sequence: `${sequence}` };
}
