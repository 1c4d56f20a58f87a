/**
 * The shape of a config file, one schema per role: keys, values, units, defaults. Defaults are written as the operator would
 * write them. What depends on several keys at once is in `rules.ts`. Imports zod, so import this file lazily.
 */
import { z } from 'zod';
import { messageOf } from '../../model/errors.ts';
import { LIMITS } from '../../model/limits.ts';
import { formatBytes, parseDurationMs, parseSizeBytes } from '../../model/units.ts';
import { parseConnectUrl, parseListenAddress } from './addresses.ts';
import { LOG_FORMATS, LOG_LEVELS } from '../../status/log.ts';

/** Volumes and slots are whole pages: mapped, and written with O_DIRECT. */
const PAGE_BYTES = 4096;
const VLUN_MAX = 2 ** 32 - 2;
const OBJECTIVE_MS_MIN = 1;
const AGE_MS_MAX = 3_600_000;
const FENCE_WORDS_MAX = 64;

/** Turn what `parse` throws into the mistake's sentence. */
function attempt<T, V>(parse: (value: V) => T) {
  return (value: V, context: { addIssue(issue: { code: 'custom'; message: string }): void }): T => {
    try {
      return parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) });
      return z.NEVER;
    }
  };
}

function parsed<T>(parse: (value: string | number) => T) {
  return z.union([z.string(), z.number()]).transform(attempt(parse));
}

function address<T>(parse: (value: string) => T) {
  return z.string().transform(attempt(parse));
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

function sizeBytes(what: string, { min, max, multipleOf = 1 }: Bounds & { readonly multipleOf?: number }) {
  return parsed((value) => {
    const bytes = parseSizeBytes(value);
    if (bytes < min) throw new Error(`${what} is ${formatBytes(bytes)}: the smallest is ${formatBytes(min)}`);
    if (bytes > max) throw new Error(`${what} is ${formatBytes(bytes)}: the largest is ${formatBytes(max)}`);
    if (bytes % multipleOf !== 0) throw new Error(`${what} is ${bytes} bytes: it must be a multiple of ${multipleOf} bytes`);
    return bytes;
  });
}

function durationMs(what: string, { min, max }: Bounds) {
  return parsed((value) => {
    const ms = parseDurationMs(value);
    if (ms < min) throw new Error(`${what} is ${value}: the smallest is ${min}ms`);
    if (ms > max) throw new Error(`${what} is ${value}: the largest is ${max / 1000}s`);
    return ms;
  });
}

function wholeNumber(what: string, { min, max }: Bounds) {
  return z.number().transform(
    attempt((value: number) => {
      if (Number.isInteger(value) && value >= min && value <= max) return value;
      throw new Error(`${what} is ${value}: expected a whole number from ${min} to ${max}`);
    }),
  );
}

function name(what: string) {
  return z.string().transform(
    attempt((value: string) => {
      if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value) && value.length <= LIMITS.volumeNameBytesMax) return value;
      const expected = `letters, digits, ".", "_" and "-", a letter or digit first, at most ${LIMITS.volumeNameBytesMax}`;
      throw new Error(`${what} "${value}" is not a name: expected ${expected}`);
    }),
  );
}

const path = z.string().min(1);

/** One value or a list of them. */
function listOf<T extends z.ZodType>(item: T, max: number) {
  return z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1).max(max));
}

const volume = z.strictObject({
  name: name('the volume name'),
  vlun: wholeNumber('the VLUN number', { min: 0, max: VLUN_MAX }),
  size: sizeBytes('the volume size', { min: PAGE_BYTES, max: Number.MAX_SAFE_INTEGER, multipleOf: PAGE_BYTES }),
  path,
  store: z.enum(['auto', 'pwrite', 'mmap']).prefault('auto'),
});

const nvram = z.strictObject({
  path,
  size: sizeBytes('the NVRAM size', { min: LIMITS.regionBytesMin, max: LIMITS.regionBytesMax, multipleOf: PAGE_BYTES }),
  hold: z.enum(['memory', 'durable']).prefault('memory'),
});
/** A program and its arguments. */
const fence = z.array(z.string().min(1)).min(1).max(FENCE_WORDS_MAX);

/** A schema for each role, for config files in `folder`. */
export function hostSchemas(folder: string) {
  const listen = listOf(
    address((text) => parseListenAddress(text, folder)),
    LIMITS.linksMax,
  );
  const connect = listOf(
    address((text) => parseConnectUrl(text, folder)),
    LIMITS.linksMax,
  );
  const links = wholeNumber('the number of links', { min: 1, max: LIMITS.linksMax }).prefault(1);
  const dialled = z.strictObject({ connect, links });
  const common = {
    group: name('the group'),
    state: path,
    status: z.strictObject({ listen }).optional(),
    log: z.strictObject({ level: z.enum(LOG_LEVELS).prefault('info'), format: z.enum(LOG_FORMATS).prefault('json') }).prefault({}),
    objective: durationMs('the objective', { min: OBJECTIVE_MS_MIN, max: Number.MAX_SAFE_INTEGER }).prefault('5s'),
    insecure: z.boolean().prefault(false),
  };
  const served = { volumes: z.array(volume).min(1).max(LIMITS.volumesMax), nbd: z.strictObject({ listen }) };
  const dataSets = z.strictObject({
    minAge: durationMs('minAge', { min: 0, max: AGE_MS_MAX }).prefault('10ms'),
    maxAge: durationMs('maxAge', { min: 1, max: AGE_MS_MAX }).prefault('100ms'),
    maxSize: sizeBytes('maxSize', { min: LIMITS.dataSetBytesMin, max: LIMITS.slotBytesMax }).prefault('31MiB'),
  });
  const backlog = z.strictObject({
    limit: sizeBytes('the backlog limit', { min: LIMITS.slotBytesMin, max: LIMITS.backlogBytesMax }).prefault('256MiB'),
    policy: z.enum(['throttle', 'spill', 'track']).prefault('throttle'),
  });
  const journals = z.strictObject({
    path,
    slots: wholeNumber('the number of slots', { min: LIMITS.slotsMin, max: LIMITS.slotsMax }).prefault(16),
    size: sizeBytes('the slot size', { min: LIMITS.slotBytesMin, max: LIMITS.slotBytesMax, multipleOf: PAGE_BYTES }).prefault('32MiB'),
  });
  return {
    primary: z.strictObject({
      role: z.literal('primary'),
      ...common,
      ...served,
      replication: z.strictObject({ listen: listen.optional(), flush: z.enum(['local', 'remote']).prefault('local') }).prefault({}),
      dataSets: dataSets.prefault({}),
      backlog: backlog.prefault({}),
    }),
    secondary: z.strictObject({
      role: z.literal('secondary'),
      ...common,
      ...served,
      replication: dialled,
      journals,
      mode: z.enum(['write-through', 'write-back']).prefault('write-through'),
      peer: z.strictObject({ listen }).optional(),
    }),
    peer: z.strictObject({
      role: z.literal('peer'),
      ...common,
      nvram,
      connect,
      takeover: z
        .strictObject({
          ...served,
          journals: z.strictObject({ path }),
          replication: dialled,
          nbd: served.nbd.optional(),
          fence: fence.optional(),
        })
        .optional(),
    }),
  };
}

export type HostSchemas = ReturnType<typeof hostSchemas>;
export type PrimaryFile = z.output<HostSchemas['primary']>;
export type SecondaryFile = z.output<HostSchemas['secondary']>;
export type PeerFile = z.output<HostSchemas['peer']>;
