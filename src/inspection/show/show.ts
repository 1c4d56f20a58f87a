/**
 * `journal show`: one journal, record by record, on its file alone. Streams: a record is told while its bytes are in the window, and
 * what is kept of it are a bit and a checksum. Works on any bytes; takes no lock and writes nothing.
 */
import { scanFile, type FileScan } from '../../../journals/file-scan.ts';
import { RECORDS_OFFSET } from '../../../journals/format.ts';
import type { Disk } from '../../disk/disk.ts';
import { UsageError } from '../../model/errors.ts';
import { whatFollows } from '../dump/dump-read.ts';
import { worstVerdict } from '../ring/findings.ts';
import { isFiltering, isWanted, type RecordFilter } from './record-filter.ts';
import type { ByteVerdict, Finding } from '../ring/ring-report.ts';
import { journalFindings } from '../ring/journal-findings.ts';
import type { LineOutput } from './show-output.ts';
import type { ShowReport, ShowWriter } from './show-report.ts';
import { peekFile, type PeekedJournal } from '../ring/peek-journal.ts';
import { isWatermark, openToRead, type FoundJournal } from './show-source.ts';
import { JournalTally } from '../ring/journal-tally.ts';
import { TouchMap } from './touch-map.ts';

export interface ShowOptions {
  readonly disk: Disk;
  readonly found: FoundJournal;
  readonly filter: RecordFilter;
  /** Draw what the wanted records touch, instead of telling each of them. */
  readonly map: boolean;
  readonly output: LineOutput;
  readonly writer: ShowWriter;
  /** Memory to scan through, made by `scanWindow`. */
  readonly window?: Uint8Array;
}

/** Show a journal. @throws UsageError ERR_NOT_A_JOURNAL; FarshoreError ERR_JOURNAL_READ; ReaderGone */
export async function showJournal(options: ShowOptions): Promise<ShowReport> {
  const { disk, found, output, writer } = options;
  const file = openToRead(disk, found.path);
  try {
    if (isWatermark(file))
      throw new UsageError('ERR_NOT_A_JOURNAL', `${found.path} is a watermark, expected a journal's file`, {
        hint: `farshore journal dump ${found.path} shows it`,
        details: { path: found.path },
      });
    const peek = await peekFile({ file, slot: 0, window: options.window });
    writer.begin({ ...found, peek });
    await output.leave();
    const tally = new JournalTally();
    const map = options.map ? new TouchMap() : null;
    let wantedRecords = 0;
    const scan = await scanFile({
      file,
      slot: found.slot ?? (peek.header.verdict === 'readable' ? peek.header.slot : 0),
      ...(options.window === undefined ? {} : { window: options.window }),
      pause: () => output.leave(),
      take: ({ record, fileOffset }) => {
        const verdict = tally.take(record, fileOffset);
        if (!isWanted(options.filter, record)) return;
        wantedRecords += 1;
        if (map === null) writer.record(record, fileOffset, verdict);
        else if (verdict === 'first' && record.type !== 'sync' && record.type !== 'pad') map.add({ ...record, type: record.type });
      },
    });
    const report = reportOf({ options, peek, scan, tally, map, wantedRecords, follows: whatFollows(file, scan.tail) });
    writer.end(report);
    await output.leave();
    return report;
  } finally {
    file.closeSync();
  }
}

interface Gathered {
  readonly options: ShowOptions;
  readonly peek: PeekedJournal;
  readonly scan: FileScan;
  readonly tally: JournalTally;
  readonly map: TouchMap | null;
  readonly wantedRecords: number;
  /** What stands behind the records. */
  readonly follows: string | null;
}

function reportOf({ options, peek, scan, tally, map, wantedRecords, follows }: Gathered): ShowReport {
  const { found, filter } = options;
  const contents = tally.contents(scan);
  const missing = tally.missing(scan);
  const findings = journalFindings({ contents, tally, missing, running: found.running === true });
  const tail = judgeTail(scan, findings);
  return {
    path: found.path,
    slot: found.slot,
    running: found.running,
    contents,
    missing,
    tally,
    filtered: isFiltering(filter),
    wantedRecords,
    map: map?.volumes(found.volumes) ?? null,
    verdict: worstVerdict(findings),
    findings,
    tailVerdict: tail.verdict,
    tailMeaning: `${tail.meaning}${follows === null ? '' : `; ${follows}`}`,
    notes: notesOf({ found, peek, scan, tally }),
  };
}

/** What the bytes behind the last record are. */
function judgeTail(scan: FileScan, findings: readonly Finding[]): { verdict: ByteVerdict; meaning: string } {
  const { tail, completeMark, header, fileBytes } = scan;
  if (tail.verdict === 'clean-end') return { verdict: 'clean end', meaning: 'every record up to here is whole' };
  const verdict = findings.find(({ offset, found }) => offset === tail.offset && found === tail.found)?.verdict ?? 'unreadable';
  const meaning = (): string => {
    if (verdict === 'in flight') return 'a host is running, and may be writing here just now';
    if (header.verdict === 'later-version') return 'what a later Farshore wrote is not looked at';
    if (fileBytes < RECORDS_OFFSET) return 'the file ends before the first record: cut short, or no journal';
    if (completeMark.verdict === 'set') return 'the data set is flagged complete, so everything was durable once: this is damage';
    return 'a torn last commit, never acknowledged, or damage: the file alone cannot tell, the next handshake can';
  };
  return { verdict, meaning: meaning() };
}

function notesOf({ found, peek, scan, tally }: Pick<Gathered, 'peek' | 'scan' | 'tally'> & { found: FoundJournal }): string[] {
  const notes: string[] = [];
  const { header } = scan;
  if (found.stateProblem !== null) notes.push(`the state is not used: ${found.stateProblem}`);
  if (JSON.stringify(peek.header) !== JSON.stringify(header))
    notes.push('the host took this slot for another data set while it was read: show it again');
  if (scan.header.verdict === 'unreadable' && scan.completeMark.verdict === 'unreadable' && peek.firstRecord === null)
    notes.push('nothing in this file looks like a journal: is it the right one?');
  const first = peek.firstRecord;
  if (header.verdict === 'readable' && first !== null && tally.numbers.count > 0 && header.dataSet !== first.dataSet)
    notes.push(
      `the header is older than the records: it ${header.dataSet === null ? 'calls the slot free' : `names data set ${header.dataSet}`}, they are of data set ${first.dataSet}; recovery goes by them`,
    );
  return notes;
}
