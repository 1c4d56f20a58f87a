/** Addresses as the config writes them. Errors are sentences for the operator. */
import { isIPv4, isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { formatAddress, type ListenAddress } from '../../model/addresses.ts';

/** A Unix socket's path in `struct sockaddr_un`, without its final zero. */
const UNIX_PATH_BYTES_MAX = 107;

/** Parse `host:port`, `[ipv6]:port` or `unix:/path`; a relative socket path is meant from `folder`. @throws Error saying what is wrong */
export function parseListenAddress(text: string, folder: string): ListenAddress {
  if (text.startsWith('unix:')) return parseUnixAddress(text.slice('unix:'.length), folder);
  const match = /^(?:\[([^\]]*)\]|([^:\s]*)):(\d+)$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (match === null || host === '') throw new Error(`"${text}" is not an address: expected host:port, [ipv6]:port or unix:/path`);
  if (match[1] !== undefined && !isIPv6(host)) throw new Error(`"${text}" has no IPv6 address between its brackets`);
  if (port > 65_535) throw new Error(`"${text}" has port ${port}: the largest is 65535`);
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) throw new Error(`"${text}" has no valid IPv4 address`);
  if (match[1] === undefined && !/^[A-Za-z0-9._-]+$/.test(host)) throw new Error(`"${text}" has no valid host name`);
  return { kind: 'tcp', host, port };
}

function parseUnixAddress(path: string, folder: string): ListenAddress {
  if (path === '') throw new Error('unix: needs the path of a socket, such as unix:/run/farshore/nbd.sock');
  const absolute = resolve(folder, path);
  const lengthBytes = Buffer.byteLength(absolute);
  if (lengthBytes > UNIX_PATH_BYTES_MAX) {
    throw new Error(`the socket path ${absolute} has ${lengthBytes} bytes: the system allows ${UNIX_PATH_BYTES_MAX}`);
  }
  return { kind: 'unix', path: absolute };
}

/** Whether only this machine reaches an address. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === 'unix') return true;
  const host = address.host.toLowerCase();
  if (host === 'localhost') return true;
  if (isIPv4(host)) return host.startsWith('127.');
  return isIPv6(host) && new URL(`http://[${host}]`).hostname === '[::1]';
}

/** Check the address of a far host, `ws://host:port` or `ws+unix:/path`, and return it normalised. @throws Error saying what is wrong */
export function parseConnectUrl(text: string, folder: string): string {
  if (text.startsWith('ws+unix:')) return `ws+${formatAddress(parseUnixAddress(text.slice('ws+unix:'.length), folder))}`;
  if (text.startsWith('wss://'))
    throw new Error(`"${text}": TLS between the hosts is not available in this version; use ws:// inside a tunnel`);
  const match = /^ws:\/\/(\[[^\]]+\]|[^/:@?#\s]+):(\d+)\/?$/.exec(text);
  if (match === null || !URL.canParse(text))
    throw new Error(`"${text}" is not the address of a host: expected ws://host:port or ws+unix:/path`);
  const port = Number(match[2]);
  if (port === 0) throw new Error(`"${text}" has port 0, on which nobody can listen`);
  return `ws://${match[1]}:${port}`;
}
