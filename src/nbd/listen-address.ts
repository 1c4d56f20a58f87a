/** Where the NBD server listens: TCP addresses and Unix sockets. */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import type { Server } from 'node:net';
import { errnoOf, FarshoreError, messageOf } from '../model/errors.ts';

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Longest path of a Unix socket on Linux, in bytes. */
const UNIX_PATH_BYTES_MAX = 107;

export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/**
 * Bind a server; gives back the address with the port that the kernel chose. A Unix socket gets the permissions that the
 * umask leaves: whoever may write to it may write to the volumes, so its folder should be private.
 * @throws FarshoreError ERR_NBD_LISTEN
 */
export async function listenOn(server: Server, address: ListenAddress): Promise<ListenAddress> {
  if (address.kind === 'unix') await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(address, error));
    server.once('error', failed);
    server.listen(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
  const bound = server.address();
  if (address.kind === 'unix' || bound === null || typeof bound === 'string') return address;
  return { kind: 'tcp', host: address.host, port: bound.port };
}

/** Remove what a killed process left; refuse if somebody answers there, or if it is not a socket. */
async function removeStaleSocket(path: string): Promise<void> {
  const address: ListenAddress = { kind: 'unix', path };
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
    throw refusal(address, `the path has ${Buffer.byteLength(path)} bytes, a Unix socket at most ${UNIX_PATH_BYTES_MAX}`);
  }
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw refusal(address, 'the path exists and is not a socket');
  if (await answers(path)) throw refusal(address, 'another server listens there');
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw listenError(address, error);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    // EACCES and the like: somebody may be there, so leave the socket alone and let bind say what is wrong.
    probe.once('error', (error) => resolve(errnoOf(error) !== 'ECONNREFUSED' && errnoOf(error) !== 'ENOENT'));
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use by another process',
  EADDRNOTAVAIL: 'this host does not have the address',
  EACCES: 'this user may not listen there',
  ENOENT: 'the folder of the socket does not exist',
  ENOTFOUND: 'the host name is unknown',
};

function listenError(address: ListenAddress, error: unknown): FarshoreError {
  return refusal(address, REASONS[errnoOf(error) ?? ''] ?? messageOf(error), error);
}

function refusal(address: ListenAddress, why: string, cause?: unknown): FarshoreError {
  return new FarshoreError('ERR_NBD_LISTEN', `cannot listen for NBD clients on ${formatListenAddress(address)}: ${why}`, {
    cause,
    details: { address: formatListenAddress(address), errno: errnoOf(cause) ?? null },
    hint: 'choose another address under nbd.listen, or stop the process that has this one',
  });
}
