/**
 * A proxy between two Unix sockets that delays what it passes on, each way, and keeps its order: a long line. SIGUSR2 switches the
 * delay on and off, so that the same hosts are measured with it and without. It limits no rate; beyond `QUEUE_BYTES_MAX` it stops reading.
 */
import { createServer, connect, type Socket } from 'node:net';
import { answer, taskOfProcess } from '../layers/alone.ts';

export interface DelayProxyTask {
  readonly listen: string;
  readonly target: string;
  readonly delayMs: number;
}

/** Of one direction; far above what the line holds at any rate that is measured. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

interface Piece {
  readonly dueMs: number;
  readonly bytes: Buffer;
}

const { listen, target, delayMs } = taskOfProcess() as DelayProxyTask;
let currentDelayMs = 0;

/** Pass on what one socket brings to the other, after the delay. */
function pass(from: Socket, to: Socket): void {
  let queue: Piece[] = [];
  let queuedBytes = 0;
  let timer: NodeJS.Timeout | null = null;
  let lastDueMs = 0;
  let ended = false;
  const flush = (): void => {
    timer = null;
    const nowMs = performance.now();
    const waiting = queue.findIndex(({ dueMs }) => dueMs > nowMs);
    const due = waiting === -1 ? queue : queue.slice(0, waiting);
    queue = waiting === -1 ? [] : queue.slice(waiting);
    to.cork();
    for (const { bytes } of due) {
      queuedBytes -= bytes.length;
      to.write(bytes);
    }
    to.uncork();
    if (from.isPaused() && queuedBytes + to.writableLength < QUEUE_BYTES_MAX) from.resume();
    const [next] = queue;
    if (next !== undefined) timer = setTimeout(flush, Math.max(1, next.dueMs - nowMs));
    else if (ended) to.end();
  };
  from.on('data', (bytes: Buffer) => {
    const nowMs = performance.now();
    // What comes after a switch to no delay still comes after what was on the line before it.
    lastDueMs = Math.max(lastDueMs, nowMs + currentDelayMs);
    queue.push({ dueMs: lastDueMs, bytes });
    queuedBytes += bytes.length;
    if (queuedBytes + to.writableLength > QUEUE_BYTES_MAX) from.pause();
    if (timer === null && currentDelayMs === 0) flush();
    else timer ??= setTimeout(flush, Math.max(1, lastDueMs - nowMs));
  });
  to.on('drain', () => from.resume());
  from.on('end', () => {
    ended = true;
    if (queue.length === 0) to.end();
  });
}

const server = createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ path: target, allowHalfOpen: true });
  pass(near, far);
  pass(far, near);
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroySoon());
  }
});
server.listen(listen, () => answer({ ready: true }));
process.on('SIGUSR2', () => {
  currentDelayMs = currentDelayMs === 0 ? delayMs : 0;
});
process.once('SIGTERM', () => process.exit(0));
