import { PassThrough } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { endLogs, openLog, type LogOptions } from '../../src/status/log.ts';

function capture(): { stream: PassThrough; text: () => string } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

async function linesOf(options: Omit<LogOptions, 'stream'>, write: (log: Awaited<ReturnType<typeof openLog>>) => void): Promise<string[]> {
  const { stream, text } = capture();
  const log = await openLog({ ...options, stream });
  write(log);
  await log.end();
  return text().split('\n').filter(Boolean);
}

test('json: one object a line, with the fields of the host, bigint and errors', async () => {
  const lines = await linesOf({ level: 'info', format: 'json', fields: { role: 'primary' } }, (log) => {
    log.write('info', 'started', { bytes: 12n, error: new Error('no space', { cause: 'disk' }) });
    log.write('debug', 'not shown');
    log.write('error', 'failed');
  });
  assert.is(lines.length, 2);
  const first = JSON.parse(lines[0] ?? '');
  assert.match(first.time, /^\d{4}-\d\d-\d\dT/);
  assert.is(first.level, 'info');
  assert.is(first.message, 'started');
  assert.is(first.role, 'primary');
  assert.is(first.bytes, '12');
  assert.is(first.error.message, 'no space');
  assert.is(first.error.cause, 'disk');
});

test('text: time, level, message, fields', async () => {
  const lines = await linesOf({ level: 'debug', format: 'text' }, (log) =>
    log.write('warn', 'link lost', { address: '127.0.0.1:1', count: 2 }),
  );
  assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d\.\d{3} warn  link lost address=127\.0\.0\.1:1 count=2$/);
});

test('debugOn says whether a debug line would be written', async () => {
  const { stream } = capture();
  const info = await openLog({ level: 'info', format: 'text', stream });
  const debug = await openLog({ level: 'debug', format: 'text', stream });
  assert.equal([info.debugOn, debug.debugOn], [false, true]);
  await endLogs();
});

test('every line is out when the end settles; later lines are dropped, a second end is harmless', async () => {
  const { stream, text } = capture();
  const log = await openLog({ level: 'info', format: 'json', stream });
  for (let line = 0; line < 1000; line++) log.write('info', 'line', { line });
  await endLogs();
  assert.is(text().split('\n').filter(Boolean).length, 1000);
  log.write('info', 'too late');
  await log.end();
  assert.is(text().split('\n').filter(Boolean).length, 1000);
});

test.run();
