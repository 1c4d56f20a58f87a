/** Run test files, two at a time and those that must be alone afterwards, and print a report that ends with the closing line. */
import { relative } from 'node:path';
import { runTestFile, testFileTerms, type FileResult } from './test-process.ts';

const SLOWEST_SHOWN = 10;

export interface RunOptions {
  readonly files: readonly string[];
  /** Names in the report are relative to this folder. */
  readonly root: string;
  readonly atOnce: number;
  readonly print: (line: string) => void;
  /** For the tests of the runner itself: instead of what the files state. */
  readonly limitMs?: number;
  readonly graceMs?: number;
}

/** Run all files. Returns the exit code; the last line printed is `N passed, N failed, N skipped`. */
export async function runTestFiles(options: RunOptions): Promise<{ exitCode: 0 | 1; results: FileResult[] }> {
  const results: FileResult[] = [];
  const terms = options.files.map((file) => ({ file, ...testFileTerms(file) }));
  const runOne = async (item: (typeof terms)[number]): Promise<void> => {
    const result = await runTestFile(item.file, {
      limitMs: options.limitMs ?? item.limitMs,
      ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
    });
    results.push(result);
    options.print(fileLine(options.root, result));
  };
  await inParallel(
    terms.filter((item) => !item.alone),
    options.atOnce,
    runOne,
  );
  await inParallel(
    terms.filter((item) => item.alone),
    1,
    runOne,
  );
  return { exitCode: printReport(options, results), results };
}

async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function fileLine(root: string, result: FileResult): string {
  const verdict = result.failed > 0 ? 'FAILED' : 'ok    ';
  const skipped = result.skipped.length === 0 ? '' : `, ${result.skipped.length} skipped`;
  const failed = result.failed === 0 ? '' : `, ${result.failed} failed`;
  return `${verdict} ${nameOf(root, result)}  ${result.passed} passed${failed}${skipped}  ${seconds(result)}`;
}

function printReport({ root, print }: RunOptions, results: readonly FileResult[]): 0 | 1 {
  const failures = results.filter((result) => result.failed > 0);
  for (const result of failures) {
    print(`\n---- ${nameOf(root, result)}`);
    for (const problem of result.problems) print(`problem: ${problem}`);
    print(result.output.trimEnd());
  }
  if (results.length > 1) {
    print('\nslowest files:');
    const slowest = [...results].sort((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST_SHOWN);
    for (const result of slowest) print(`  ${seconds(result).padStart(7)}  ${nameOf(root, result)}`);
  }
  const skipped = results.flatMap((result) => result.skipped.map((name) => `${nameOf(root, result)}: ${name}`));
  if (skipped.length > 0) print('\nskipped:');
  for (const name of skipped) print(`  ${name}`);
  const sum = (count: (result: FileResult) => number): number => results.reduce((total, result) => total + count(result), 0);
  const passed = sum((result) => result.passed);
  const failed = sum((result) => result.failed);
  print(`\n${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  // A run in which nothing passed has shown nothing.
  return failed === 0 && passed > 0 ? 0 : 1;
}

/** The source file's name: `test/nbd/codec.test.ts`. */
function nameOf(root: string, result: FileResult): string {
  return relative(root, result.file).replace(/\.js$/, '.ts');
}

function seconds(result: FileResult): string {
  return `${(result.durationMs / 1000).toFixed(1)} s`;
}
