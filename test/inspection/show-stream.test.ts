/**
 * Large journals: told in constant memory however slowly they are read, and not at all when the reader has gone.
 * @timeLimit 240 s
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeHeader, RECORDS_OFFSET } from '../../journals/format.ts';
import { ALL_RECORDS } from '../../src/inspection/show/record-filter.ts';
import { NdjsonWriter } from '../../src/inspection/show/show-json.ts';
import { LineOutput, ReaderGone, whileRead } from '../../src/inspection/show/show-output.ts';
import { showJournal } from '../../src/inspection/show/show.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { IDENTITY, encodeRecord, encodeSyncRecord } from '../journals/support.ts';
import { thrownBy } from '../support/scratch.ts';
import { disk } from './show-support.ts';

const CHILD = join(dirname(fileURLToPath(import.meta.url)), 'show-child.js');
const folder = mkdtempSync(join(tmpdir(), 'farshore-show-stream-'));
test.after(() => rmSync(folder, { recursive: true }));

/** So many records and a sync command, of `blocks` blocks each; without blocks they are zero commands. */
function writeJournal(path: string, { count, blocks }: { count: number; blocks: number }): number {
  const numbers = { dataSet: 9, firstSequence: 900 };
  const slotBytes = RECORDS_OFFSET + count * (80 + blocks * 512) + 4096;
  const file = openSync(path, 'w');
  const header = new Uint8Array(RECORDS_OFFSET);
  encodeHeader(header, { ...IDENTITY, slot: 1, slots: 4, slotBytes, dataSet: 9, firstSequence: 900 });
  writeSync(file, header);
  for (let from = 0; from < count; from += 1024) {
    const batch: Uint8Array[] = [];
    for (let index = from; index < Math.min(count, from + 1024); index += 1)
      batch.push(encodeRecord({ ...numbers, sequence: 900 + index, blocks }));
    writeSync(file, Buffer.concat(batch));
  }
  const sync = encodeSyncRecord({ ...numbers, sequence: 900 + count });
  writeSync(file, Buffer.concat([sync, new Uint8Array(4096 - sync.length)]));
  closeSync(file);
  return slotBytes;
}

const large = join(folder, 'slot-0001.journal');
const LARGE_BYTES = writeJournal(large, { count: LIMITS.dataSetRecordsMax - 1, blocks: 2 });
const dense = join(folder, 'slot-0005.journal');
const DENSE_RECORDS = 25_000;
writeJournal(dense, { count: DENSE_RECORDS, blocks: 0 });

const FOUND = { slot: 1, volumes: null, stateProblem: null, running: false };

test('a journal larger than memory: shown and dumped by a process with a heap of 24 MB', () => {
  assert.ok(LARGE_BYTES > 64 * 1024 * 1024);
  for (const what of ['show', 'dump']) {
    const out = join(folder, `${what}.out`);
    const stdout = openSync(out, 'w');
    const { status, stderr } = spawnSync(process.execPath, ['--max-old-space-size=24', CHILD, what === 'show' ? large : dense, what], {
      stdio: ['ignore', stdout, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(stdout);
    assert.is(status, 0, stderr);
    if (what === 'dump') continue;
    const tail = spawnSync('tail', ['-c', '60', out], { encoding: 'utf8' }).stdout;
    assert.match(tail, /"notes": \[\]\n {2}\}\n\}\n$/);
    const { stdout: counted } = spawnSync('grep', ['-c', '"sequence":"[0-9]*"', out], { encoding: 'utf8' });
    assert.is(Number(counted), LIMITS.dataSetRecordsMax);
  }
});

test('a slow reader holds the scan back: what waits for it is one read of the journal', async () => {
  let mostBytes = 0;
  let waiting = 0;
  let records = 0;
  const slow = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      waiting += 1;
      assert.is(waiting, 1, 'nothing is written while something waits');
      mostBytes = Math.max(mostBytes, chunk.length);
      for (const byte of chunk) if (byte === 10) records += 1;
      setTimeout(() => {
        waiting -= 1;
        done();
      }, 1);
    },
  });
  const output = new LineOutput(slow);
  const writer = new NdjsonWriter(output);
  await showJournal({ disk, found: { ...FOUND, path: dense }, filter: ALL_RECORDS, map: false, output, writer });
  assert.is(records, DENSE_RECORDS + 2);
  assert.ok(mostBytes < 2 * 1024 * 1024, `${mostBytes} bytes at once`);
});

test('a reader that goes away ends the work quietly, early, and with exit code 0', async () => {
  let taken = 0;
  const gone = new Writable({
    write(_chunk, _encoding, done) {
      taken += 1;
      done(taken < 3 ? null : Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const output = new LineOutput(gone);
  const writer = new NdjsonWriter(output);
  const work = () => showJournal({ disk, found: { ...FOUND, path: large }, filter: ALL_RECORDS, map: false, output, writer });
  assert.is(await whileRead(work), null);
  assert.is(taken, 3, 'and nothing is written afterwards');
  assert.instance(await thrownBy(work), ReaderGone, 'nor later');
  for (const what of ['show', 'dump']) {
    const child = spawn(process.execPath, [CHILD, large, what], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.once('data', () => child.stdout.destroy());
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.is(code, 0);
    assert.is(stderr, '');
  }
});

test('a disk that is full is an error', async () => {
  const full = new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' })) });
  const output = new LineOutput(full);
  output.line('x');
  assert.match(String(await thrownBy(() => whileRead(async () => output.leave()))), /ENOSPC/);
});

test.run();
