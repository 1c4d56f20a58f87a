/**
 * The rules of a config that depend on several keys at once, or that say "not yet". They look at the plain values, so that they
 * speak even when another key is wrong; a value that cannot be read is left to the schema.
 */
import { resolve } from 'node:path';
import { formatAddress, type ListenAddress } from '../../model/addresses.ts';
import { parseDurationMs, parseSizeBytes } from '../../model/units.ts';
import { isLoopback, parseListenAddress } from './addresses.ts';
import type { ConfigDocument, Mistake, Path } from './config-document.ts';
import type { Role } from './host-config.ts';

export interface RuleContext {
  readonly document: ConfigDocument;
  readonly values: unknown;
  readonly role: Role;
  /** Relative paths are meant from here. */
  readonly folder: string;
  /** The primary will serve without replication. */
  readonly standalone: boolean;
}

/** List every broken rule. */
export function brokenRules(context: RuleContext): Mistake[] {
  return [
    ...listenRules(context),
    ...volumeRules(context, context.role === 'peer' ? ['takeover', 'volumes'] : ['volumes']),
    ...(context.role === 'primary' ? primaryRules(context) : []),
    ...(context.role === 'secondary' ? secondaryRules(context) : []),
    ...(context.role === 'peer' ? peerRules(context) : []),
  ];
}

/** Where each role listens, in the order in which a second user of an address is blamed. */
const LISTEN_KEYS: Readonly<Record<Role, readonly Path[]>> = {
  primary: [
    ['nbd', 'listen'],
    ['status', 'listen'],
    ['replication', 'listen'],
  ],
  secondary: [
    ['nbd', 'listen'],
    ['status', 'listen'],
    ['peer', 'listen'],
  ],
  peer: [
    ['status', 'listen'],
    ['takeover', 'nbd', 'listen'],
  ],
};

function listenRules({ document, values, folder, role }: RuleContext): Mistake[] {
  const mistakes: Mistake[] = [];
  const taken = new Map<string, string>();
  const insecure = at(values, ['insecure']) === true;
  for (const key of LISTEN_KEYS[role]) {
    const value = at(values, key);
    const entries = Array.isArray(value) ? value.map((entry, index) => ({ path: [...key, index], entry })) : [{ path: key, entry: value }];
    for (const { path, entry } of entries) {
      const address = attempted((text) => parseListenAddress(String(text), folder), entry);
      if (address === undefined) continue;
      if (!insecure && !isLoopback(address)) mistakes.push(exposed(document, path, address));
      const name = formatAddress(address);
      const other = taken.get(name);
      if (other !== undefined && !name.endsWith(':0'))
        mistakes.push(document.mistakeAt(path, `${name} is used twice: "${other}" listens there too`));
      else taken.set(name, key.join('.'));
    }
  }
  return mistakes;
}

function exposed(document: ConfigDocument, path: Path, address: ListenAddress): Mistake {
  const message =
    `${formatAddress(address)} can be reached from other machines, and clients and links are not authenticated yet: ` +
    'listen on 127.0.0.1, ::1, localhost or unix:/path, or write "insecure: true" if the network is trusted';
  return document.mistakeAt(path, message, 'ERR_LISTEN_EXPOSED');
}

function volumeRules({ document, values, folder }: RuleContext, list: Path): Mistake[] {
  const volumes = at(values, list);
  if (!Array.isArray(volumes)) return [];
  const mistakes: Mistake[] = [];
  for (const key of ['name', 'vlun', 'path'] as const) {
    const first = new Map<unknown, number>();
    for (const index of volumes.keys()) {
      const value = at(volumes, [index, key]);
      if (typeof value !== 'string' && typeof value !== 'number') continue;
      const same = key === 'path' ? resolve(folder, String(value)) : value;
      const earlier = first.get(same);
      if (earlier === undefined) first.set(same, index);
      else
        mistakes.push(
          document.mistakeAt(
            [...list, index, key],
            `${key} ${JSON.stringify(value)} is used twice: volume ${earlier + 1} of the list has it too`,
          ),
        );
    }
  }
  return mistakes;
}

function primaryRules({ document, values, standalone }: RuleContext): Mistake[] {
  const mistakes: Mistake[] = [];
  const minAge = attempted(parseDurationMs, at(values, ['dataSets', 'minAge']) ?? '10ms');
  const maxAge = attempted(parseDurationMs, at(values, ['dataSets', 'maxAge']) ?? '100ms');
  if (minAge !== undefined && maxAge !== undefined && minAge > maxAge) {
    mistakes.push(
      document.mistakeAt(['dataSets', 'minAge'], `minAge is ${minAge}ms and maxAge ${maxAge}ms: minAge must not be the longer one`),
    );
  }
  const maxSize = attempted(parseSizeBytes, at(values, ['dataSets', 'maxSize']) ?? '31MiB');
  const limit = attempted(parseSizeBytes, at(values, ['backlog', 'limit']) ?? '256MiB');
  if (maxSize !== undefined && limit !== undefined && maxSize > limit) {
    const message = `the backlog limit is ${limit} bytes and maxSize ${maxSize} bytes: a data set of maxSize must fit into the backlog`;
    mistakes.push(document.mistakeAt(['backlog', 'limit'], message));
  }
  const policy = at(values, ['backlog', 'policy']);
  if (policy === 'spill' || policy === 'track') {
    mistakes.push(
      document.mistakeAt(['backlog', 'policy'], `policy ${policy} is not available in this version: use throttle`, 'ERR_NOT_AVAILABLE'),
    );
  }
  if (!standalone && at(values, ['replication', 'listen']) === undefined) {
    const message = 'missing key "replication.listen": the secondary dials the primary there; without it only "start --standalone" works';
    mistakes.push(document.mistakeAt(['replication'], message));
  }
  return mistakes;
}

function secondaryRules({ document, values }: RuleContext): Mistake[] {
  // A peer section without write-back is only unused: the operator may go to and fro between both modes.
  if (at(values, ['mode']) !== 'write-back' || at(values, ['peer']) !== undefined) return [];
  const message = 'missing key "peer.listen": the peer dials the secondary there, and write-back needs it';
  return [document.mistakeAt(['mode'], message)];
}

/** The region is a file of its own: nothing else that the config names may become one. */
function peerRules({ document, values, folder }: RuleContext): Mistake[] {
  const path = at(values, ['nvram', 'path']);
  if (typeof path !== 'string') return [];
  const region = resolve(folder, path);
  const volumes: unknown = at(values, ['takeover', 'volumes']);
  const others = (Array.isArray(volumes) ? [...volumes.keys()] : []).map((index): Path => ['takeover', 'volumes', index, 'path']);
  const owner = others.find((other) => resolve(folder, String(at(values, other))) === region);
  const journals = at(values, ['takeover', 'journals', 'path']);
  const isInJournals = typeof journals === 'string' && `${region}/`.startsWith(`${resolve(folder, journals)}/`);
  if (owner === undefined && !isInJournals) return [];
  const whose = owner === undefined ? 'the folder of the journals' : 'a volume';
  return [document.mistakeAt(['nvram', 'path'], `${path} is ${whose} of "takeover": the region needs a file of its own`)];
}

function at(values: unknown, path: Path): unknown {
  let value = values;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

function attempted<T>(parse: (value: string | number) => T, value: unknown): T | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  try {
    return parse(value);
  } catch {
    return undefined;
  }
}
