/** docs/strace-matrix.md: how to read it, the sums, and one line for each row of the matrix, neighbours with one outcome together. */
import { nameOfRow, SUBJECTS, type CellDone, type Row } from './matrix.ts';
import type { FaultKind, FileGroup } from './traced.ts';

const INTRODUCTION = `# The strace matrix

Faults from outside into the unmodified program, at each system call on its own files, one after another. This page is made by the
command that runs the whole matrix (needs Linux, root and strace; about half an hour on 2 cores):

    npm run strace-matrix -- --write docs/strace-matrix.md

It ends with exit code 1 if any cell ended as it must not. \`--only TEXT\` runs only rows whose name contains the text, for example
\`--only 'secondary, first contact/journals/pwritev/SIGKILL'\`, and leaves the others on the page as they are. \`npm test\` runs a sample of this table
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
at the first of the two. So an error at the worker's own opens is not seen: the same one at the start ends the host before. A kill before a call that changes nothing is the kill before the next one that does, so those rows are left out.

Not seen here: power cuts (a killed process leaves its bytes in the page cache; the simulator and the crash tests cut the power), faults of
NBD or link sockets (\`bad-input\`, \`link-chaos\`), mapped stores (the volumes here are on ext4, where stores are \`pwrite64\`).
`;

/** A row's cells of one outcome: N from .. to. */
interface Stretch {
  readonly from: number;
  to: number;
  readonly text: string;
}

interface Line {
  readonly row: Row;
  readonly stretches: readonly Stretch[];
}

/** The whole page; rows of an earlier page that were not run again stay as they are. */
export function renderPage(done: readonly CellDone[], earlier: string | null): string {
  const lines = new Map<string, Line>();
  for (const line of earlier === null ? [] : readLines(earlier)) lines.set(nameOfRow(line.row), line);
  for (const line of linesOf(done)) lines.set(nameOfRow(line.row), line);
  const all = [...lines.values()];
  return `${INTRODUCTION}\n${renderSums(all)}\n${SUBJECTS.map((subject) => renderSubject(subject, all)).join('\n')}`;
}

function linesOf(done: readonly CellDone[]): Line[] {
  const cells = new Map<Row, CellDone[]>();
  for (const cell of done) cells.set(cell.row, [...(cells.get(cell.row) ?? []), cell]);
  return [...cells].map(([row, ofRow]) => ({ row, stretches: stretchesOf(ofRow) }));
}

function stretchesOf(cells: readonly CellDone[]): Stretch[] {
  const stretches: Stretch[] = [];
  for (const { n, report } of cells) {
    if (report.met === 0 && report.bad === null) continue;
    const text = report.bad === null ? report.outcome : `**BAD**: ${report.bad.split('\n')[0] ?? ''}`;
    const last = stretches.at(-1);
    if (last?.text === text) last.to = n;
    else stretches.push({ from: n, to: n, text });
  }
  return stretches;
}

function renderSums(lines: readonly Line[]): string {
  const counts = new Map<string, number>();
  for (const { stretches } of lines) for (const { from, to, text } of stretches) counts.set(text, (counts.get(text) ?? 0) + to - from + 1);
  const cells = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const rows = [...counts]
    .sort(([a, most], [b, least]) => least - most || (a < b ? -1 : 1))
    .map(([text, count]) => `| ${count} | ${text} |`);
  return `## The sums\n\n${lines.length} rows; ${cells} cells met their fault. Each row ends with one more run, whose calls were fewer than N.\n\n| cells | outcome |\n|---|---|\n${rows.join('\n')}\n`;
}

function renderSubject(subject: Row['subject'], all: readonly Line[]): string {
  const lines = all
    .filter(({ row }) => row.subject === subject)
    .map(({ row: { group, call, kind }, stretches }) => `| ${group} | ${call} | ${kind} | ${stretches.map(shown).join('<br>')} |`);
  return `## Subject: ${subject.name}\n\n${subject.life}.\n\n| files | call | fault | N: outcome |\n|---|---|---|---|\n${lines.join('\n')}\n`;
}

function shown({ from, to, text }: Stretch): string {
  return `${from === to ? from : `${from}-${to}`}: ${text}`;
}

/** The rows of a page, with the highest N that met its fault. */
export function readPage(page: string): Row[] {
  return readLines(page).map(({ row }) => row);
}

function readLines(page: string): Line[] {
  const lines: Line[] = [];
  let subject: Row['subject'] | undefined;
  for (const line of page.split('\n')) {
    const heading = /^## Subject: (.*)$/.exec(line)?.[1];
    if (heading !== undefined) subject = SUBJECTS.find(({ name }) => name === heading);
    const [, group, call, kind, outcomes = ''] = /^\| ([\w-]+) \| (\w+) \| (\w+) \| (\d.*) \|$/.exec(line) ?? [];
    if (subject === undefined || group === undefined || call === undefined) continue;
    const stretches = outcomes.split('<br>').map((text) => {
      const [, from = '', to = from, outcome = ''] = /^(\d+)(?:-(\d+))?: (.*)$/.exec(text) ?? [];
      return { from: Number(from), to: Number(to), text: outcome };
    });
    const usual = Math.max(...stretches.map(({ to }) => to));
    lines.push({ row: { subject, group: group as FileGroup, call, kind: kind as FaultKind, usual }, stretches });
  }
  return lines;
}
