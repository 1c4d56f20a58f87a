/** How every server of a host listens, on TCP addresses and Unix sockets: one rule for what a killed process left behind. */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import type { Server } from 'node:net';
import { formatAddress, type ListenAddress } from '../model/addresses.ts';
import { errnoOf, FarshoreError, messageOf, type ErrorCode } from '../model/errors.ts';

/** What is listened for: its name in messages, the setting in the config, and the code of the error. */
export interface ListenPurpose {
  readonly what: string;
  readonly setting: string;
  readonly code: ErrorCode;
}

/** Longest path of a Unix socket on Linux, in bytes. */
const UNIX_PATH_BYTES_MAX = 107;

/**
 * Bind a server; gives back the address with the port that the kernel chose. A Unix socket gets the permissions that the
 * umask leaves: whoever may write to it may use the host, so its folder should be private.
 * @throws FarshoreError with the purpose's code
 */
export async function listenOn(server: Server, address: ListenAddress, purpose: ListenPurpose): Promise<ListenAddress> {
  if (address.kind === 'unix') await removeStaleSocket(address, purpose);
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError({ address, purpose }, error));
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
async function removeStaleSocket(address: Extract<ListenAddress, { kind: 'unix' }>, purpose: ListenPurpose): Promise<void> {
  const { path } = address;
  const place: Place = { address, purpose };
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
    throw refusal(place, `the path has ${Buffer.byteLength(path)} bytes, a Unix socket at most ${UNIX_PATH_BYTES_MAX}`);
  }
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw refusal(place, 'the path exists and is not a socket');
  if (await answers(path)) throw refusal(place, 'another server listens there');
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw listenError(place, error);
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

interface Place {
  readonly address: ListenAddress;
  readonly purpose: ListenPurpose;
}

function listenError(place: Place, error: unknown): FarshoreError {
  return refusal(place, REASONS[errnoOf(error) ?? ''] ?? messageOf(error), error);
}

function refusal({ address, purpose }: Place, why: string, cause?: unknown): FarshoreError {
  const shown = formatAddress(address);
  return new FarshoreError(purpose.code, `cannot listen for ${purpose.what} on ${shown}: ${why}`, {
    cause,
    details: { address: shown, errno: errnoOf(cause) ?? null },
    hint: `choose another address under ${purpose.setting}, or stop the process that has this one`,
  });
}
