/** docs/strace-matrix.md: how to read it, the sums, and one line for each row of the matrix, neighbours with one outcome together. */
import { SUBJECTS, type CellDone, type Row } from './matrix.ts';
import type { FaultKind, FileGroup } from './traced.ts';

const INTRODUCTION = `# The strace matrix

Faults from outside into the unmodified program, at each system call on its own files, one after another. This page is made by the
command that runs the whole matrix (needs Linux, root and strace; about half an hour on 2 cores):

    npm run strace-matrix -- --write docs/strace-matrix.md

It ends with exit code 1 if any cell ended as it must not. \`--only TEXT\` takes only rows whose name contains the text, for example
\`--only 'secondary, first contact/journals/pwritev/SIGKILL'\`. \`npm test\` runs a sample of this table
(\`test/end-to-end/strace-matrix.test.ts\`; another one with \`STRACE_MATRIX_SAMPLE=2\`, \`3\` ...).

## What one cell is

A subject (who meets the fault, in which part of its life) x a group of its files x a system call x a fault x N. The program is started
under strace from its first system call; the N-th such call on these files meets the fault. N = 1, 2, ... until a run is over before
its N-th call. Which calls there are is not written down anywhere: each subject first lives once without a fault, and what strace sees it
call makes the rows. The host on the other side and all hosts of the check afterwards run in the test's process. In each cell an
application writes through NBD, one request at a time, so that every state of the volumes is known; the host is stopped; then:

- every program ended within a bounded time, **or it is a hang**: 15 s to agree, 20 s to drain or fail, 25 s to stop;
- an end with an error has **one line with a code** of docs/errors.md and exit code 1, 5 or 6; no stack, no 70, no \`ERR_UNEXPECTED\`; a
  failed state has its code too;
- secondary: a **copy of its files** as they were left is promoted; its volumes are byte for byte those of exactly one data set, the one that the
  promotion names, and not older than what the primary saw **acknowledged complete**. Then the secondary itself is started again and catches up: both
  volumes equal what was written;
- primary: its own volumes hold every request that was **replied to**; the secondary's copy is promoted and judged as above; started again without the
  fault the primary goes on with both volumes equal, or refuses (\`ERR_UNCLEAN_STOP\`, \`ERR_GROUP_FAILED\`) and \`--standalone\` is open;
- \`init\`: after it failed or was killed, a start says \`ERR_NOT_INITIALISED\` (or the host is whole); run again it succeeds, or names what was left behind
  and succeeds when that is removed; \`promote\`: run again it succeeds, and keeps what was complete before the fault, no more and no less.

## What the faults are

| fault | what strace does | what the program sees |
|---|---|---|
| EIO, ENOSPC, ENOMEM, ENOLCK | the call is not made, and fails | this call failed; the next one works |
| short | the call is not made, and says a smaller count | write: 512 bytes (volumes, state files) or 0 bytes were written; read: 0 bytes, the file ends here |
| SIGKILL | the process is killed when it enters the call, which is not made | nothing; what it wrote before is in the page cache |

A part of a write that is claimed but not done would be a disk that lies where libuv goes on behind the part by itself (journals, watermark,
backlog): there a short write says 0. strace counts calls by thread. Hosts run with one thread for asynchronous disk work
(\`UV_THREADPOOL_SIZE=1\`), and files are grouped such that mostly one thread makes the calls of one kind on a group; where two do (the
secondary's volumes are opened by the main thread and by the destage worker), both meet an error at their own N-th call, and a kill comes
at the first of the two. A kill before a call that changes nothing is the kill before the next one that does, so those rows are left out.

Not seen here: power cuts (a killed process leaves its bytes in the page cache; the simulator and the crash tests cut the power), faults of
NBD or link sockets (\`bad-input\`, \`link-chaos\`), mapped stores (the volumes here are on ext4, where stores are \`pwrite64\`).
`;

/** The whole page. */
export function renderPage(done: readonly CellDone[]): string {
  const met = done.filter(({ report }) => report.met > 0);
  const several = met.filter(({ report }) => report.met > 1).length;
  const sums = [
    `${done.length} cells in ${new Set(done.map(({ row }) => row)).size} rows; ${met.length} met their fault, ${several} of them in two threads; the others are the runs that end a row.`,
    '',
    '| outcome | cells |',
    '|---|---|',
    ...[...countOf(met.map(({ report }) => (report.bad === null ? report.outcome : '**bad**')))].map(
      ([text, count]) => `| ${text} | ${count} |`,
    ),
  ];
  return `${INTRODUCTION}\n## The sums\n\n${sums.join('\n')}\n\n${SUBJECTS.map((subject) => renderSubject(subject, done)).join('\n')}`;
}

function renderSubject(subject: Row['subject'], done: readonly CellDone[]): string {
  const rows = new Map<Row, CellDone[]>();
  for (const cell of done) if (cell.row.subject === subject) rows.set(cell.row, [...(rows.get(cell.row) ?? []), cell]);
  const lines = [...rows].map(([{ group, call, kind }, cells]) => `| ${group} | ${call} | ${kind} | ${outcomesOf(cells)} |`);
  return `## Subject: ${subject.name}\n\n${subject.life}.\n\n| files | call | fault | N: outcome |\n|---|---|---|---|\n${lines.join('\n')}\n`;
}

function outcomesOf(cells: readonly CellDone[]): string {
  const runs: { from: number; to: number; text: string }[] = [];
  for (const { n, report } of cells) {
    if (report.met === 0 && report.bad === null) continue;
    const text = report.bad === null ? report.outcome : `**BAD**: ${report.bad}`;
    const last = runs.at(-1);
    if (last?.text === text) last.to = n;
    else runs.push({ from: n, to: n, text });
  }
  return runs.map(({ from, to, text }) => `${from === to ? from : `${from}-${to}`}: ${text}`).join('<br>');
}

function countOf(texts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts.toSorted()) counts.set(text, (counts.get(text) ?? 0) + 1);
  return new Map([...counts].sort(([, a], [, b]) => b - a));
}

/** The rows of a page, with the highest N that met its fault. */
export function readPage(page: string): Row[] {
  const rows: Row[] = [];
  let subject: Row['subject'] | undefined;
  for (const line of page.split('\n')) {
    const heading = /^## Subject: (.*)$/.exec(line)?.[1];
    if (heading !== undefined) subject = SUBJECTS.find(({ name }) => name === heading);
    const [, group, call, kind, outcomes = ''] = /^\| ([\w-]+) \| (\w+) \| (\w+) \| (\d.*) \|$/.exec(line) ?? [];
    if (subject === undefined || group === undefined || call === undefined) continue;
    const usual = Math.max(...[...outcomes.matchAll(/(?:^|<br>|-)(\d+)(?=: )/g)].map((match) => Number(match[1])));
    rows.push({ subject, group: group as FileGroup, call, kind: kind as FaultKind, usual });
  }
  return rows;
}
