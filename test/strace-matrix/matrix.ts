/**
 * The matrix: subjects (who meets the fault, in which life) x what strace saw them call, by group of files, x the faults that such a call
 * may meet x N = 1, 2, ... until a run is over before its N-th call.
 */
import { initCell, promoteCell } from './command-cells.ts';
import { FIRST_STEPS, LATER_STEPS } from './history.ts';
import { primaryCell } from './primary-cell.ts';
import type { Scene, Template } from './scene.ts';
import { secondaryCell } from './secondary-cell.ts';
import { makeTemplates } from './templates.ts';
import { CALL_FAULTS, FILE_GROUPS, NO_FAULT, readCalls, type Fault, type FaultKind, type FileGroup } from './traced.ts';
import type { CellReport } from './verdict.ts';

export interface Templates {
  readonly fresh: Template;
  readonly killed: Template;
}

export interface Subject {
  readonly name: string;
  readonly role: 'primary' | 'secondary' | 'command';
  /** What this life contains, for the table. */
  readonly life: string;
  readonly run: (templates: Templates, fault: Fault) => Promise<{ report: CellReport; scene: Scene }>;
  readonly before?: NonNullable<Fault['before']>;
  /** With `before`: what mends the failure calls these. */
  readonly only?: readonly { readonly call: string; readonly group: FileGroup }[];
}

export interface Row {
  readonly subject: Subject;
  readonly group: FileGroup;
  readonly call: string;
  readonly kind: FaultKind;
  /** Calls that a run without faults makes, the most of any thread. */
  readonly usual: number;
}

export interface CellDone {
  readonly row: Row;
  readonly n: number;
  readonly report: CellReport;
}

export const SUBJECTS: readonly Subject[] = [
  {
    name: 'secondary, first contact',
    role: 'secondary',
    life: 'start of a blank host, binding, records, journals, destage, watermark, clean stop',
    run: ({ fresh }, fault) => secondaryCell(fresh, FIRST_STEPS, fault),
  },
  {
    name: 'secondary, started after a kill',
    role: 'secondary',
    life: 'recovery with one data set half destaged, one complete and one partial; then as above',
    run: ({ killed }, fault) => secondaryCell(killed, LATER_STEPS, fault),
  },
  {
    name: 'secondary, whose journal failed before',
    role: 'secondary',
    life: 'the first write to a journal fails (EIO); then the journal is moved whole into a new file',
    before: { call: 'pwritev', group: 'journals' },
    only: (['access', 'unlink', 'openat', 'fallocate', 'pwrite64', 'fdatasync', 'rename', 'fsync'] as const).map((call) => ({
      call,
      group: 'journals',
    })),
    run: ({ fresh }, fault) => secondaryCell(fresh, FIRST_STEPS, fault),
  },
  {
    name: 'secondary, whose volume failed before',
    role: 'secondary',
    life: 'the first flush of a volume fails (EIO); then everything above the watermark is stored again',
    before: { call: 'fdatasync', group: 'volumes' },
    only: (['access', 'openat', 'mmap', 'fallocate', 'pwrite64'] as const).map((call) => ({ call, group: 'volumes' })),
    run: ({ fresh }, fault) => secondaryCell(fresh, FIRST_STEPS, fault),
  },
  {
    name: 'primary, first start',
    role: 'primary',
    life: 'start from init, first contact, NBD requests, clean stop',
    run: ({ fresh }, fault) => primaryCell(fresh, FIRST_STEPS, fault),
  },
  {
    name: 'primary, started with a backlog',
    role: 'primary',
    life: 'start from a clean stop that kept unsent records; then as above',
    run: ({ killed }, fault) => primaryCell(killed, LATER_STEPS, fault),
  },
  { name: 'init of a primary', role: 'command', life: 'volumes, state, marker', run: (_templates, fault) => initCell('primary', fault) },
  {
    name: 'init of a secondary',
    role: 'command',
    life: 'volumes, journals, watermark, state',
    run: (_templates, fault) => initCell('secondary', fault),
  },
  {
    name: 'promote of a secondary that was killed',
    role: 'command',
    life: 'recovery, destage of two complete data sets, discard of a partial one, state',
    run: ({ killed }, fault) => promoteCell(killed, fault),
  },
];

/** Let a subject live without a fault, and make a row of each kind of call that it makes and each fault that this call may meet. */
export async function rowsOf(subject: Subject, templates: Templates): Promise<Row[]> {
  const { before, only } = subject;
  const { report, scene } = await subject.run(templates, { ...NO_FAULT, ...(before === undefined ? {} : { before }) });
  const calls = readCalls(scene.tracePath, scene.folder);
  scene.remove();
  if (report.bad !== null) throw new Error(`${subject.name} does not live without a fault: ${report.bad}\n${report.log}`);
  const rows: Row[] = [];
  for (const group of FILE_GROUPS) {
    for (const [call, kinds] of Object.entries(CALL_FAULTS)) {
      if (only !== undefined && !only.some((one) => one.call === call && one.group === group)) continue;
      const seen = calls.filter((one) => one.call === call && one.group === group);
      const perThread = new Map<string, number>();
      for (const { thread } of seen) perThread.set(thread, (perThread.get(thread) ?? 0) + 1);
      const usual = Math.max(0, ...perThread.values());
      if (usual === 0) continue;
      for (const kind of kinds) {
        // Only a new file needs space, or changes anything.
        if (call === 'openat' && kind !== 'EIO' && !seen.some(({ creates }) => creates)) continue;
        rows.push({ subject, group, call, kind, usual });
      }
    }
  }
  return rows;
}

export function nameOfRow({ subject, group, call, kind }: Row): string {
  return `${subject.name}/${group}/${call}/${kind}`;
}

/** Run one cell, and leave nothing behind. */
export async function runCell(row: Row, n: number, templates: Templates): Promise<CellDone> {
  const { subject, group, call, kind } = row;
  const fault: Fault = { group, call, kind, n, ...(subject.before === undefined ? {} : { before: subject.before }) };
  const { report, scene } = await subject.run(templates, fault);
  scene.remove();
  const missed = n === 1 && report.met === 0 && report.bad === null;
  return {
    row,
    n,
    report: missed ? { ...report, bad: 'the first call did not meet the fault: strace does not do what it was told' } : report,
  };
}

/** N = 1, 2, ... until the fault is not met, or `nMax`. */
export async function* runRow(row: Row, templates: Templates, nMax: number): AsyncGenerator<CellDone> {
  for (let n = 1; n <= nMax; n += 1) {
    const cell = await runCell(row, n, templates);
    yield cell;
    if (cell.report.met === 0) return;
  }
}

/** Work lists off in lanes, in the order of the list. */
export async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

export async function withTemplates<Result>(work: (templates: Templates) => Promise<Result>): Promise<Result> {
  const templates = await makeTemplates();
  try {
    return await work(templates);
  } finally {
    templates.remove();
  }
}
