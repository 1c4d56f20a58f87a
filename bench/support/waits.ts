/** Waiting, never for ever. */
import { connect, type Socket } from 'node:net';
import { BenchError } from './bench-error.ts';

const POLL_MS = 10;

export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Poll until it is so. @throws BenchError when the time is up, naming what was waited for */
export async function until(what: string, limitMs: number, isSo: () => boolean | Promise<boolean>, pollMs = POLL_MS): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new BenchError(`waited ${limitMs / 1000} s for ${what}`);
    await sleep(pollMs);
  }
}

/** Connect to a Unix socket; one that is bound but does not listen yet, or is not there yet, is tried again. @throws BenchError */
export async function connected(path: string, limitMs = 20_000): Promise<Socket> {
  const sockets: Socket[] = [];
  await until(`${path} to listen`, limitMs, async () => {
    const socket = await tryConnect(path);
    if (socket !== null) sockets.push(socket);
    return socket !== null;
  });
  const [socket] = sockets;
  if (socket === undefined) throw new BenchError(`${path} does not listen`);
  return socket;
}

function tryConnect(path: string): Promise<Socket | null> {
  const socket = connect(path);
  return new Promise((resolve) => {
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', () => resolve(null));
  });
}
