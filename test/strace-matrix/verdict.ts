/** What came of one cell: a few words for the table, and, if it must not be so, what is wrong. */
import type { CommandResult } from '../support/host-process.ts';
import { metIn, readCalls, type Fault } from './traced.ts';
import { SCENE_PREFIX, type Scene } from './scene.ts';

export interface CellReport {
  /** How many calls met the fault; 0: the run was over before. */
  readonly met: number;
  /** Files whose calls met it. */
  readonly files: readonly string[];
  /** For the table: how the program took it, and what came afterwards. */
  readonly outcome: string;
  /** Null: as it must be. */
  readonly bad: string | null;
  /** For whoever looks for the cause: what the hosts logged. */
  readonly log: string;
}

/** A cell that ended as it must not. */
export class BadOutcome extends Error {
  override readonly name = 'BadOutcome';
}

/** @throws BadOutcome */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new BadOutcome(what);
}

export interface End {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: string;
}

/**
 * Name the end of a process that met a fault: killed by it, ended with a code, or stopped well.
 * @throws BadOutcome when it says nothing that an operator could act on: no code, a stack, another signal, exit 70
 */
export function nameEnd(end: End, fault: Fault): string {
  const { exitCode, signal, log } = end;
  if (fault.kind === 'SIGKILL' && signal === 'SIGKILL') return 'killed';
  must(signal === null, `ended by ${signal}`);
  must(exitCode !== null, 'ended without an exit code');
  const codes = [...log.matchAll(/^Error (ERR_\w+|\w+)/gm)].map((match) => match[1] ?? '');
  must(!/^\s+at .*:\d+:\d+\)?$/m.test(log), `a stack was printed: exit ${exitCode} ${codes.join(' ')}`);
  if (exitCode === 0) {
    must(codes.length === 0, `exit 0 with an error: ${codes.join(' ')}`);
    return 'stopped well';
  }
  must([1, 5, 6].includes(exitCode), `exit ${exitCode}`);
  must(codes.length === 1, `exit ${exitCode} with ${codes.length} errors: ${codes.join(' ')}`);
  const [code = ''] = codes;
  must(code.startsWith('ERR_') && code !== 'ERR_UNEXPECTED' && code !== 'ERR_BROKEN_INVARIANT', `exit ${exitCode} with ${code}`);
  must(log.slice(log.lastIndexOf('Error ERR_')).includes(SCENE_PREFIX), `exit ${exitCode} with ${code}, which names no file`);
  return `exit ${exitCode} ${code}`;
}

/** The end of a command as `nameEnd` takes it. */
export function endOf({ exitCode, signal, stdout, stderr }: CommandResult): End {
  return { exitCode, signal, log: `${stdout}${stderr}` };
}

/** Run the work of a cell, and report what it returns or what is wrong. */
export async function reportOf(options: {
  readonly scene: Scene;
  readonly fault: Fault;
  readonly log: () => string;
  readonly work: () => Promise<string>;
}): Promise<CellReport> {
  const { scene, fault, log, work } = options;
  let outcome = 'bad';
  let bad: string | null = null;
  try {
    outcome = await work();
  } catch (error) {
    bad =
      error instanceof BadOutcome
        ? error.message
        : `the cell failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  const met = metIn(scene.tracePath, fault);
  return { met, files: filesMet(scene, fault), outcome, bad, log: bad === null ? '' : log() };
}

function filesMet(scene: Scene, fault: Fault): string[] {
  const calls = readCalls(scene.tracePath, scene.folder).filter(({ call }) => call === fault.call);
  // The call that a kill met is the last one of its thread.
  const met = fault.kind === 'SIGKILL' ? calls.slice(-1) : calls.filter(({ injected }) => injected);
  return [...new Set(met.map(({ file }) => file))];
}
