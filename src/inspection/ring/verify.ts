/** `journal verify`: every checksum and rule of a ring, or of one journal's file alone. */
import { scanFile } from '../../../journals/file-scan.ts';
import type { Disk } from '../../disk/disk.ts';
import { formatBytes } from '../../model/units.ts';
import { inspectRing } from './inspect-ring.ts';
import { journalFindings } from './journal-findings.ts';
import { JournalTally } from './journal-tally.ts';
import { locate, type LocatedJournal, type LocateOptions } from './locate-ring.ts';
import { ringJson, contentsJson } from './ring-json.ts';
import { verifyText } from './ring-text.ts';
import type { Finding } from './ring-report.ts';
import { openToRead } from '../show/show-source.ts';

export interface Verification {
  readonly findings: readonly Finding[];
  /** Whether every byte that counts was read and is right; what is in flight beside a running host is not judged. */
  readonly clean: boolean;
  readonly text: readonly string[];
  readonly json: Record<string, unknown>;
}

/** Verify what a path names. @throws UsageError ERR_NO_JOURNALS, ERR_NOT_A_JOURNAL; FarshoreError ERR_JOURNAL_READ for a file that cannot be opened */
export async function verify(options: LocateOptions): Promise<Verification> {
  const located = locate(options);
  if (located.kind === 'journal') return verifyJournal(options.disk, located);
  const report = await inspectRing({ disk: options.disk, located });
  const scanned = report.slots.filter(({ contents }) => contents !== null);
  const records = scanned.reduce((sum, { contents }) => sum + (contents?.numbers ?? 0), 0);
  const bytes = scanned.reduce((sum, { contents }) => sum + (contents?.recordBytes ?? 0), 0);
  const read = `${scanned.length} journals and the watermark read, ${records} records, ${formatBytes(bytes)}`;
  return { findings: report.findings, clean: isClean(report.findings), text: verifyText({ ...report, read }), json: ringJson(report) };
}

async function verifyJournal(disk: Disk, { path, slot }: LocatedJournal): Promise<Verification> {
  const file = openToRead(disk, path);
  try {
    const tally = new JournalTally();
    const scan = await scanFile({ file, slot: slot ?? 0, take: ({ record, fileOffset }) => void tally.take(record, fileOffset) });
    // A file that is not named like a slot's was copied out of its ring: its place cannot be wrong.
    const placed = slot === null && scan.header.verdict === 'readable' ? { ...scan, slot: scan.header.slot } : scan;
    const contents = tally.contents(placed);
    const findings = journalFindings({ contents, tally, missing: tally.missing(placed), running: false });
    const read = `${path} read, ${contents.numbers} ${contents.numbers === 1 ? 'record' : 'records'}, ${formatBytes(contents.recordBytes)}`;
    const json = { path, ...contentsJson(contents, null), findings };
    return { findings, clean: isClean(findings), text: verifyText({ findings, slots: [], notes: [], read }), json };
  } finally {
    file.closeSync();
  }
}

function isClean(findings: readonly Finding[]): boolean {
  return findings.every(({ verdict }) => verdict === 'in flight');
}
