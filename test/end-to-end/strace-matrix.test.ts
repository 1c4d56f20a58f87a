/**
 * A sample of the strace matrix (docs/strace-matrix.md): every role x system call x fault, each at one of its places in the table. Which
 * place is decided by the number in STRACE_MATRIX_SAMPLE, so that `2`, `3` ... are other samples of the same size.
 *
 * @timeLimit 240 s
 * @invariant I1 I2 I3 I10 I12
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readdirSync, readFileSync } from 'node:fs';
import { endProcesses, sleep } from '../support/host-process.ts';
import { needsTools } from '../support/tools.ts';
import { inLanes, nameOfRow, runCell, withTemplates, type Row } from '../strace-matrix/matrix.ts';
import { readPage } from '../strace-matrix/table.ts';

const PAGE = new URL('../../../docs/strace-matrix.md', import.meta.url);
const LANES = 2;

/** One row, and one N of it, for each role, call and fault. */
function sampleOf(rows: readonly Row[], sample: number): { row: Row; n: number }[] {
  const kinds = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.subject.role} ${row.call} ${row.kind}`;
    kinds.set(key, [...(kinds.get(key) ?? []), row]);
  }
  return [...kinds.values()].map((among, index) => {
    const row = among[(sample + index) % among.length] as Row;
    return { row, n: 1 + ((sample * 3 + index) % row.usual) };
  });
}

/** A tracer is no child of this process, and ends a moment after what it traced: wait until the last one of this process group is reaped. */
async function tracersGone(): Promise<void> {
  for (let tries = 0; tries < 400 && readdirSync('/proc').some(isOfThisGroup); tries += 1) await sleep(50);
}

function isOfThisGroup(pid: string): boolean {
  if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name in parentheses: state, parent, process group.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === process.pid;
  } catch {
    return false;
  }
}

needsTools(
  test,
  'strace',
  'root',
)('a sample of the strace matrix: no hang, no false acknowledgement, a clear error, a state that recovers', async () => {
  const rows = readPage(readFileSync(PAGE, 'utf8'));
  assert.ok(rows.length > 300, `${rows.length} rows were read from the page`);
  const sample = sampleOf(rows, Number(process.env['STRACE_MATRIX_SAMPLE'] ?? 1));
  const bad: string[] = [];
  let met = 0;
  await withTemplates(async (templates) => {
    await inLanes(sample, LANES, async ({ row, n }) => {
      const { report } = await runCell(row, n, templates);
      met += Math.min(1, report.met);
      if (report.bad !== null) bad.push(`${nameOfRow(row)}/${n}: ${report.bad}\n${report.log}`);
    });
  });
  await endProcesses();
  await tracersGone();
  assert.is(bad.join('\n'), '');
  assert.ok(met >= sample.length * 0.9, `${met} of ${sample.length} faults were met: the page is no longer what the program does`);
});

test.run();
