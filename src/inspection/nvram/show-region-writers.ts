/** `nvram show` for people and for programs: the records of `journal show`, with what a region is around them. */
import type { VolumeEntry } from '../../model/ids.ts';
import { BLOCK_BYTES } from '../../model/ids.ts';
import { formatBytes } from '../../model/units.ts';
import type { DecodedRecord } from '../../record/record.ts';
import type { NumberVerdict } from '../ring/record-numbers.ts';
import { verifyText } from '../ring/ring-text.ts';
import { RecordTable } from '../show/record-table.ts';
import { recordJson } from '../show/show-json.ts';
import type { LineOutput } from '../show/show-output.ts';
import { row } from '../show/show-text.ts';
import { mapText } from '../show/touch-map-text.ts';
import { heldNumbers, shownRanges } from './held-data-sets.ts';
import { headText, heldJson, pictureJson, sums } from './region-text.ts';
import type { RegionShowHead, RegionShowReport, RegionShowWriter } from './show-region.ts';

export class RegionTextWriter implements RegionShowWriter {
  readonly #output: LineOutput;
  readonly #checksums: boolean;
  readonly #withRecords: boolean;
  #table: RecordTable | null = null;
  #head: RegionShowHead | null = null;

  constructor(output: LineOutput, options: { readonly checksums: boolean; readonly withRecords: boolean }) {
    this.#output = output;
    this.#checksums = options.checksums;
    this.#withRecords = options.withRecords;
  }

  begin(head: RegionShowHead): void {
    this.#head = head;
    this.#output.lines(headText(head.picture));
  }

  record(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): void {
    if (this.#table === null) {
      const volumes = this.#head?.volumes ?? null;
      this.#table = new RecordTable({
        fileBytes: this.#head?.picture.fileBytes ?? 0,
        firstSequence: record.firstSequence,
        lbaMax: lbaMaxOf(volumes),
        checksums: this.#checksums,
      });
      this.#output.line('');
      this.#output.lines(this.#table.title());
    }
    this.#output.lines(this.#table.row(record, fileOffset, verdict));
  }

  end(report: RegionShowReport): void {
    const { held, map, filtered, wantedRecords, findings, picture, read } = report;
    const { types, recordBytes, changedBytes } = sums(held);
    const named = Object.entries(types).filter(([, count]) => count > 0);
    const which = named.map(([type, count]) => `${count} ${type}`).join(', ');
    const shown = !filtered ? '' : `; ${wantedRecords} ${this.#withRecords ? 'shown' : 'drawn'}`;
    this.#output.line('');
    if (map !== null) this.#output.lines(mapText(map));
    this.#output.lines([
      ...row('records', `${held.tally.numbers.count} of data set ${held.dataSet}: ${which}${shown}`),
      ...row('', `${formatBytes(recordBytes)} of records, which change ${formatBytes(changedBytes)}`),
      ...row('numbers', `${shownRanges(heldNumbers(held))}; the journals have the others, or will`),
      ...row('stream', `${held.stream}, generation ${held.generation}`),
      ...row('end', picture.contents === null ? report.endVerdict : `${report.endVerdict}, byte ${picture.contents.end.offset}`),
      ...row('verdict', report.verdict),
      '',
      ...verifyText({ findings, slots: [], notes: [], read }),
    ]);
  }
}

/** One line for each record, `kind` record, then one of `kind` region; or, with `whole`, one object. */
export class RegionJsonWriter implements RegionShowWriter {
  readonly #output: LineOutput;
  readonly #whole: boolean;
  #separator = '\n';

  constructor(output: LineOutput, { whole }: { readonly whole: boolean }) {
    this.#output = output;
    this.#whole = whole;
  }

  begin(_head: RegionShowHead): void {
    if (this.#whole) this.#output.raw('{\n  "records": [');
  }

  record(record: DecodedRecord, fileOffset: number, verdict: NumberVerdict | null): void {
    const json = recordJson(record, fileOffset, verdict);
    if (!this.#whole) return this.#output.line(JSON.stringify({ kind: 'record', ...json }));
    this.#output.raw(`${this.#separator}    ${JSON.stringify(json)}`);
    this.#separator = ',\n';
  }

  end(report: RegionShowReport): void {
    const json = reportJson(report);
    if (!this.#whole) return this.#output.line(JSON.stringify({ kind: 'region', ...json }));
    const region = JSON.stringify(json, null, 2).replaceAll('\n', '\n  ');
    this.#output.raw(`${this.#separator === '\n' ? '' : '\n  '}],\n  "region": ${region}\n}\n`);
  }
}

function reportJson({ picture, held, wantedRecords, map, verdict, endVerdict, findings }: RegionShowReport): Record<string, unknown> {
  return {
    ...pictureJson(picture),
    verdict,
    ...heldJson(held, null),
    shown: wantedRecords,
    endVerdict,
    map: map?.map((volume) => ({ ...volume })) ?? null,
    findings,
  };
}

function lbaMaxOf(volumes: readonly VolumeEntry[] | null): number | null {
  return volumes === null ? null : volumes.reduce((max, { sizeBytes }) => Math.max(max, Math.floor(sizeBytes / BLOCK_BYTES)), 0);
}
