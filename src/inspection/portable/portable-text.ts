/** What `journal export` and `journal import` tell: text for an 80-column terminal, and JSON with identifiers as decimal strings. */
import { formatBytes } from '../../model/units.ts';
import { layOut, wrap } from '../ring/columns.ts';
import type { ExportReport } from './export-journals.ts';
import type { ImportReport } from './import-journals.ts';
import type { PortableEntry } from './portable-format.ts';

const COLUMNS = [
  { title: 'slot', align: 'right' },
  { title: 'data set', align: 'right' },
  { title: 'bytes', align: 'right' },
  { title: 'verdict', align: 'left' },
  { title: '', align: 'left' },
] as const;

function showId(id: number | null): string {
  return id === null ? '-' : `${id}`;
}

/** Lines about an export. */
export function exportText(report: ExportReport): string[] {
  const { path, bytes, entries, geometry, watermark, notes } = report;
  const rows = entries.map((entry) => [
    `${entry.slot}`,
    showId(entry.dataSet),
    `${entry.contentBytes}`,
    entry.verdict,
    entry.missing ? 'missing' : '',
  ]);
  return [
    ...layOut(COLUMNS, rows),
    ...notes.flatMap((note) => wrap(`note: ${note}`, '  ')),
    `ring of ${geometry.slots} slots of ${formatBytes(geometry.slotBytes)}, watermark ${showId(watermark)}`,
    `exported ${entries.length} ${entries.length === 1 ? 'journal' : 'journals'} (${formatBytes(bytes)}) to ${path}`,
  ];
}

export function exportJson(report: ExportReport): Record<string, unknown> {
  const { directory, path, bytes, geometry, groupId, generation, stream, watermark, entries, notes } = report;
  const { slots, slotBytes } = geometry;
  return {
    directory,
    path,
    bytes,
    formatVersion: 1,
    geometry: { slots, slotBytes },
    groupId,
    generation,
    stream,
    watermark: watermark === null ? null : `${watermark}`,
    journals: entries.map(entryJson),
    notes,
  };
}

function entryJson({ slot, missing, dataSet, fileBytes, contentBytes, tailOffset, verdict }: PortableEntry): Record<string, unknown> {
  return { slot, missing, dataSet: dataSet === null ? null : `${dataSet}`, fileBytes, contentBytes, tailOffset, verdict };
}

/** Lines about an import. */
export function importText(report: ImportReport): string[] {
  const { path, directory, kind, dryRun, journals, header } = report;
  const rows = journals.map(({ slot, dataSet, bytes, verdict, outcome }) => [
    `${slot}`,
    showId(dataSet),
    `${bytes}`,
    verdict,
    dryRun && outcome === 'imported' ? 'would be imported' : outcome,
  ]);
  const { slots, slotBytes } = header.geometry;
  const place =
    kind === 'new ring'
      ? `a new ring of ${slots} slots of ${formatBytes(slotBytes)} in ${directory}, with the watermark of the export`
      : `the ring in ${directory}, whose watermark stays as it is`;
  return [
    ...layOut(COLUMNS, rows),
    ...wrap(`${path} is whole: ${journals.length} ${journals.length === 1 ? 'journal' : 'journals'} for ${place}`),
    dryRun ? 'nothing was changed (--dry-run)' : 'imported',
  ];
}

export function importJson(report: ImportReport): Record<string, unknown> {
  const { path, directory, kind, dryRun, journals, header } = report;
  const { geometry, groupId, generation, stream } = header;
  return {
    path,
    directory,
    kind,
    dryRun,
    geometry: { slots: geometry.slots, slotBytes: geometry.slotBytes },
    groupId,
    generation,
    stream,
    journals: journals.map(({ dataSet, ...journal }) => ({ ...journal, dataSet: dataSet === null ? null : `${dataSet}` })),
  };
}
