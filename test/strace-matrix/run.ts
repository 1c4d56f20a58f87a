/**
 * The strace matrix by itself:
 *
 *     npm run strace-matrix -- [--write docs/strace-matrix.md] [--lanes 2] [--only TEXT]
 *
 * Ends with exit code 1 if any cell ended as it must not; then it shows what the hosts of that cell logged.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { endProcesses } from '../support/host-process.ts';
import { hasTool } from '../support/tools.ts';
import { inLanes, nameOfRow, rowsOf, runRow, SUBJECTS, withTemplates, type CellDone, type Row } from './matrix.ts';
import { renderPage } from './table.ts';

const N_MAX = 200;

const { values } = parseArgs({
  options: {
    write: { type: 'string' },
    lanes: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
  },
});

try {
  process.exitCode = await main();
} finally {
  await endProcesses();
}

async function main(): Promise<number> {
  if (!hasTool('strace') || !hasTool('root')) {
    process.stderr.write('the strace matrix needs strace and root\n');
    return 2;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void endProcesses().then(() => process.exit(1)));
  const began = performance.now();
  const done: CellDone[] = [];
  const lanes = Number(values.lanes);
  await withTemplates(async (templates) => {
    const rows: Row[] = [];
    await inLanes(SUBJECTS, lanes, async (subject) => void rows.push(...(await rowsOf(subject, templates))));
    const chosen = rows
      .filter((row) => nameOfRow(row).includes(values.only))
      .sort((a, b) => SUBJECTS.indexOf(a.subject) - SUBJECTS.indexOf(b.subject));
    process.stdout.write(`${chosen.length} rows of ${rows.length}\n`);
    await inLanes(chosen, lanes, async (row) => {
      for await (const cell of runRow(row, templates, N_MAX)) {
        done.push(cell);
        show(cell);
      }
    });
  });
  const bad = done.filter(({ report }) => report.bad !== null);
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(
    `${done.length} cells, ${done.filter(({ report }) => report.met > 0).length} met their fault, ${bad.length} bad, ${seconds.toFixed(0)} s\n`,
  );
  for (const cell of bad) process.stdout.write(`BAD ${nameOfRow(cell.row)}/${cell.n}: ${cell.report.bad}\n`);
  if (values.write !== undefined) {
    const earlier = values.only !== '' && existsSync(values.write) ? readFileSync(values.write, 'utf8') : null;
    writeFileSync(values.write, renderPage(done, earlier));
  }
  return bad.length === 0 ? 0 : 1;
}

function show({ row, n, report }: CellDone): void {
  const { met, files, outcome, bad, log } = report;
  process.stdout.write(
    `${nameOfRow(row)}/${n}: ${met === 0 ? 'not met' : files.join(', ')}${met > 1 ? ` (met ${met} times)` : ''}: ${outcome}\n`,
  );
  if (bad !== null) process.stdout.write(`    BAD: ${bad}\n${log.replaceAll(/^/gm, '    | ')}\n`);
}
