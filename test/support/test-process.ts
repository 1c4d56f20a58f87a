/**
 * Run one compiled test file in a process of its own and judge it. A file has passed only if its process ended by itself within
 * its time, with exit code 0, left no process behind, and its tally says that every registered test ran and passed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Readable } from 'node:stream';
import { REPORT_DESCRIPTOR, type FileTally, type ReportLine } from './test-report.ts';

const RUN_FILE = fileURLToPath(new URL('./run-file.js', import.meta.url));
const OUTPUT_BYTES_MAX = 1024 * 1024;
/** How long a file's output may stay open after its process has ended. */
const CLOSE_MS = 2000;

export interface TestFileOptions {
  readonly limitMs: number;
  /** How long handles may stay open after the last test. */
  readonly graceMs?: number;
}

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  readonly problems: readonly string[];
  readonly output: string;
  readonly durationMs: number;
}

/** Time limit of a test file, and whether it runs alone: stated in the file as `@timeLimit 120 s` and `@alone`, or by its folder. */
export function testFileTerms(path: string): { limitMs: number; alone: boolean } {
  const text = readFileSync(path, 'utf8');
  const stated = /@timeLimit (\d+) s\b/.exec(text)?.[1];
  const endToEnd = path.includes('/end-to-end/');
  return {
    limitMs: stated === undefined ? (endToEnd ? 300_000 : 60_000) : Number(stated) * 1000,
    alone: endToEnd || /@alone\b/.test(text),
  };
}

const running = new Set<ChildProcess>();

/** Stop every test process and all that it started: the runner was interrupted. */
export function stopAll(): void {
  for (const child of running) stopGroup(child);
}

/** Run one compiled test file. Never rejects: everything that can go wrong is a problem in the result. */
export async function runTestFile(file: string, options: TestFileOptions): Promise<FileResult> {
  const started = performance.now();
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', '--unhandled-rejections=throw', RUN_FILE, file, String(options.graceMs ?? 3000)],
    {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // A process group of its own, so that whatever a test starts can be seen, and stopped, with it.
      detached: true,
      env: testEnvironment(),
    },
  );
  running.add(child);
  const output = collect([child.stdout, child.stderr]);
  const reportText = collect([child.stdio[REPORT_DESCRIPTOR] as Readable]);
  const problems: string[] = [];
  const limit = setTimeout(() => {
    problems.push(`the file did not end within its limit of ${options.limitMs / 1000} s`);
    stopGroup(child);
  }, options.limitMs);
  const end = await ended(child);
  clearTimeout(limit);
  running.delete(child);
  if (!end.closed) problems.push('a process that a test started still holds the output open');
  if (await staysAlive(child)) {
    problems.push('a test left processes behind; they were stopped');
    stopGroup(child);
  }
  const judged = judge(parseReport(reportText()), end, problems);
  return { file, ...judged, output: output(), durationMs: performance.now() - started };
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly closed: boolean;
  readonly error?: Error;
}

function judge(lines: readonly ReportLine[], end: End, problems: string[]): Pick<FileResult, 'passed' | 'failed' | 'skipped' | 'problems'> {
  let tally: FileTally | null = null;
  let lastStarted: string | null = null;
  for (const line of lines) {
    if (line.kind === 'tally') tally = line.tally;
    else if (line.kind === 'started') lastStarted = line.name;
    else problems.push(`the process did not end after its last test; still open: ${line.resources.join(', ') || 'unknown'}`);
  }
  if (end.error !== undefined) problems.push(`the process could not be started: ${end.error.message}`);
  if (tally === null) {
    const where = lastStarted === null ? 'before its first test' : `in the test "${lastStarted}"`;
    problems.push(`the process ended ${where} (exit code ${end.code ?? 'none'}, signal ${end.signal ?? 'none'})`);
    return { passed: 0, failed: 1, skipped: [], problems };
  }
  problems.push(...tally.problems);
  const failedTests = tally.registered.length - tally.passed;
  if (failedTests === 0 && problems.length === 0 && end.code !== 0) {
    problems.push(`all tests passed, but the process ended with exit code ${end.code ?? 'none'}, signal ${end.signal ?? 'none'}`);
  }
  return { passed: tally.passed, failed: Math.max(failedTests, problems.length > 0 ? 1 : 0), skipped: tally.skipped, problems };
}

function ended(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: null, signal: null, closed: true, error }));
    child.on('exit', (code, signal) => {
      const late = setTimeout(() => resolve({ code, signal, closed: false }), CLOSE_MS);
      child.on('close', () => {
        clearTimeout(late);
        resolve({ code, signal, closed: true });
      });
    });
  });
}

/** Gather text of streams, the newest part of it. */
function collect(streams: readonly (Readable | null)[]): () => string {
  let text = '';
  for (const stream of streams) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-OUTPUT_BYTES_MAX);
    });
  }
  return () => text;
}

function parseReport(text: string): ReportLine[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as ReportLine);
}

/** The tests' environment: without the variables that would change what Farshore does. */
function testEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FARSHORE_') && name !== 'NODE_OPTIONS'));
}

/** Whether a process of the group goes on. One that was killed and is not gone yet does not: its parent may have ended before it. */
async function staysAlive(child: ChildProcess): Promise<boolean> {
  for (let look = 0; look < 20; look += 1) {
    if (!groupAlive(child)) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}

/** Ended processes that nobody has asked about yet (zombies) do not count. */
function groupAlive(child: ChildProcess): boolean {
  const group = String(child.pid);
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      // `PID (NAME) STATE PARENT GROUP ...`, and a name may contain brackets.
      const [state, , of] = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return of === group && state !== 'Z' && state !== 'X';
    } catch {
      return false;
    }
  });
}

function stopGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended by itself meanwhile.
  }
}
