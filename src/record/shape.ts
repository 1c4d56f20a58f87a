/**
 * Shapes of the JSON that the handshake carries: each checks a value that came from a peer, field by field, and converts in
 * both directions. Strict: a missing field, an unknown one, another type or a value out of range is a fault.
 */
import { isHex } from './fields.ts';

export interface Shape<T> {
  /** First fault with the field's path, or null. Never throws. */
  readonly check: (value: unknown, path: string) => string | null;
  /** Only what the shape names is sent. */
  readonly toJson: (value: T) => unknown;
  /** Only for a value that `check` found right. */
  readonly fromJson: (value: unknown) => T;
  /** Names and kinds, nested, for the hash that is pinned to the version. */
  readonly outline: unknown;
}

/** A whole number from min to max. */
export function integer(min: number, max: number): Shape<number> {
  return plain(
    'integer',
    (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
    `an integer from ${min} to ${max}`,
  );
}

/** Lower-case hex digits. */
export function hex(digits: number): Shape<string> {
  return plain(`hex${digits}`, (value) => typeof value === 'string' && isHex(value, digits), `${digits} lower-case hex digits`);
}

/** One of these words. */
export function word<const Words extends readonly string[]>(...words: Words): Shape<Words[number]> {
  return plain(words.join('|'), (value) => words.includes(value as string), words.join(' or '));
}

/** What may not stand in a text: control characters, because it goes into logs, and halves of surrogate pairs. */
export const UNPRINTABLE = /[\p{Cc}\p{Cs}]+/gu;

/** Text for people: at least one character, none that is unprintable, at most so many bytes. */
export function text(bytesMax: number): Shape<string> {
  const isText = (value: unknown): boolean =>
    typeof value === 'string' && value.length > 0 && Buffer.byteLength(value) <= bytesMax && value.search(UNPRINTABLE) === -1;
  return plain('text', isText, `text of 1 to ${bytesMax} bytes without control characters`);
}

/** Bytes in base64, at most so many. */
export function bitmap(bytesMax: number): Shape<Uint8Array> {
  const charactersMax = Math.ceil(bytesMax / 3) * 4;
  const isBitmap = (value: unknown): boolean => {
    if (typeof value !== 'string' || value.length > charactersMax) return false;
    const bytes = Buffer.from(value, 'base64');
    return bytes.length <= bytesMax && bytes.toString('base64') === value;
  };
  return {
    check: plain('', isBitmap, `base64 of at most ${bytesMax} bytes`).check,
    toJson: (value) => Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64'),
    fromJson: (value) => new Uint8Array(Buffer.from(value as string, 'base64')),
    outline: 'base64',
  };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    check: (value, path) => (value === null ? null : shape.check(value, path)),
    toJson: (value) => (value === null ? null : shape.toJson(value)),
    fromJson: (value) => (value === null ? null : shape.fromJson(value)),
    outline: { nullable: shape.outline },
  };
}

/** A list of at most so many; with `ascendingBy`, that field must rise from entry to entry. */
export function list<T>(shape: Shape<T>, max: number, ascendingBy?: keyof T & string): Shape<readonly T[]> {
  return {
    check(value, path) {
      if (!Array.isArray(value)) return `${path}: expected a list, found ${show(value)}`;
      if (value.length > max) return `${path}: expected at most ${max} entries, found ${value.length}`;
      let before = -Infinity;
      for (const [index, entry] of value.entries()) {
        const fault = shape.check(entry, `${path}[${index}]`);
        if (fault !== null) return fault;
        if (ascendingBy === undefined) continue;
        const key = (entry as Record<string, unknown>)[ascendingBy] as number;
        if (key <= before) return `${path}[${index}].${ascendingBy}: expected more than ${before}, found ${key}`;
        before = key;
      }
      return null;
    },
    toJson: (value) => value.map((entry) => shape.toJson(entry)),
    fromJson: (value) => (value as unknown[]).map((entry) => shape.fromJson(entry)),
    outline: [shape.outline],
  };
}

/** An object with exactly these fields. `rule` is asked last, about the whole, and says what is wrong with it or null. */
export function object<T extends object>(
  fields: { readonly [Name in keyof T]-?: Shape<T[Name]> },
  rule: (value: T) => string | null = () => null,
): Shape<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  const known = new Set<string>(names);
  const fromJson = (value: unknown): T => {
    const source = value as Record<string, unknown>;
    return Object.fromEntries(names.map((name) => [name, fields[name].fromJson(source[name])])) as T;
  };
  return {
    check(value, path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${path}: expected an object, found ${show(value)}`;
      const source = value as Record<string, unknown>;
      for (const name of names) {
        if (!Object.hasOwn(source, name)) return `${path}.${name}: expected, not found`;
        const fault = fields[name].check(source[name], `${path}.${name}`);
        if (fault !== null) return fault;
      }
      const unknown = Object.keys(source).find((name) => !known.has(name));
      if (unknown !== undefined) return `${path}: unknown field ${show(unknown)}`;
      const fault = rule(fromJson(value));
      return fault === null ? null : `${path}: ${fault}`;
    },
    toJson: (value) => Object.fromEntries(names.map((name) => [name, fields[name].toJson(value[name])])),
    fromJson,
    outline: Object.fromEntries(names.map((name) => [name, fields[name].outline])),
  };
}

function plain<T>(outline: string, isRight: (value: unknown) => boolean, expected: string): Shape<T> {
  return {
    check: (value, path) => (isRight(value) ? null : `${path}: expected ${expected}, found ${show(value)}`),
    toJson: (value) => value,
    fromJson: (value) => value as T,
    outline,
  };
}

/** A value from a peer, short enough for a log line. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
