/**
 * `farshore journal show` and `dump` as processes: options, exit codes, and a reader that goes away.
 * @timeLimit 240 s
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journalPath } from '../../journals/files.ts';
import { encodeFreshWatermark } from '../../journals/watermark.ts';
import { buildJournal, objectsOf } from './show-support.ts';

const RUN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'src/cli/run.cjs');
const folder = mkdtempSync(join(tmpdir(), 'farshore-show-command-'));
test.after(() => rmSync(folder, { recursive: true }));
const ring = join(folder, 'journals');
mkdirSync(ring);
const watermark = new Uint8Array(8192);
encodeFreshWatermark(watermark);
writeFileSync(join(ring, 'watermark'), watermark);
const { image, offsets } = buildJournal({
  records: [
    { type: 'write', sequence: 900, vlun: 3, lba: 10 },
    { type: 'write', sequence: 901, vlun: 4, lba: 10 },
    { type: 'zero', sequence: 902, vlun: 3, lba: 20 },
  ],
  sync: 903,
});
writeFileSync(journalPath(ring, 1), image);
const torn = journalPath(folder, 1);
const bytes = image.slice();
bytes[(offsets[1] ?? 0) + 100] = 0;
writeFileSync(torn, bytes);

function farshore(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const environment = { PATH: process.env['PATH'], HOME: tmpdir() };
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, 'journal', ...args], { encoding: 'utf8', env: environment });
  return { code: status, stdout, stderr };
}

test('a data set of a folder, with every filter', () => {
  const filters = ['--vlun', '3', '--lba', '0-15', '--sequence', '900-902', '--type', 'write', '--type', 'trim'];
  const { code, stdout, stderr } = farshore('show', ring, '--data-set', '9', '--format', 'ndjson', ...filters);
  assert.is(code, 0, stderr);
  assert.equal(
    objectsOf(stdout).map(({ kind, sequence }) => [kind, sequence]),
    [
      ['record', '900'],
      ['journal', undefined],
    ],
  );
});

test('--json is one object, and nothing else is on stdout', () => {
  const { code, stdout } = farshore('show', journalPath(ring, 1), '--json', '--volume', '3');
  assert.is(code, 0);
  const { records, journal } = JSON.parse(stdout) as { records: { sequence: string }[]; journal: { verdict: string } };
  assert.equal(
    records.map(({ sequence }) => sequence),
    ['900', '902'],
  );
  assert.is(journal.verdict, 'clean end');
  const refused = farshore('show', ring, '--json');
  assert.is(refused.code, 2);
  assert.is((JSON.parse(refused.stdout) as { error: { code: string } }).error.code, 'ERR_DATA_SET_NEEDED');
});

test('what cannot be read is exit code 6, in both commands', () => {
  const shown = farshore('show', torn);
  assert.is(shown.code, 6);
  assert.match(shown.stdout, /^verdict {4}unreadable$/m);
  assert.is(farshore('dump', torn).code, 6);
  const region = farshore('dump', torn, '--offset', '0x2000', '--length', '16', '--json');
  assert.is(region.code, 0);
  assert.is((JSON.parse(region.stdout) as { lines: unknown[] }).lines.length, 7, 'the part, and six fields');
});

test('a payload goes to a file as it is; the watermark is dumped', () => {
  const out = join(folder, 'payload.bin');
  const command = `"${process.execPath}" "${RUN}" journal dump "${ring}" --data-set 9 --sequence 901 --payload > "${out}"`;
  assert.is(spawnSync('sh', ['-c', command]).status, 0);
  assert.ok(readFileSync(out).equals(image.subarray((offsets[1] ?? 0) + 80, offsets[2])));
  assert.is(farshore('dump', torn, '--sequence', '901', '--payload').code, 6);
  assert.match(farshore('dump', join(ring, 'watermark')).stdout, /^block 1 counts \(counter 2\)$/m);
});

test('| head ends it quietly', () => {
  for (const what of ['show', 'dump']) {
    const script = `"${process.execPath}" "${RUN}" journal ${what} "${journalPath(ring, 1)}" | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    assert.match(stdout, /\n0\n$/);
    assert.is(stderr, '');
  }
});

test.run();
