/** Turn what zod found into mistakes with a place, the wrong word and the nearest right one. */
import type { z } from 'zod';
import { nearestWord } from '../nearest-word.ts';
import type { ConfigDocument, Mistake, Path } from './config-document.ts';
import type { HostSchemas } from './schema.ts';

type Role = keyof HostSchemas;

/** What `mistakesOfShape` needs to explain an unknown key. */
export interface ShapeContext {
  readonly document: ConfigDocument;
  readonly values: unknown;
  readonly role: Role;
  readonly schemas: HostSchemas;
}

/** List every mistake behind zod's issues. */
export function mistakesOfShape(issues: readonly z.core.$ZodIssue[], context: ShapeContext): Mistake[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, context));
    const missing = missingPart(path, context.values);
    if (missing !== null) return [context.document.mistakeAt(missing.slice(0, -1), `missing key "${missing.join('.')}"`)];
    return [context.document.mistakeAt(path, messageOfIssue(issue, path, context.values))];
  });
}

function unknownKey(path: Path, key: string, { document, role, schemas }: ShapeContext): Mistake {
  const roles = Object.keys(schemas) as Role[];
  const owners = roles.filter((candidate) => candidate !== role && keysAt(schemas[candidate], path).includes(key));
  const known = keysAt(schemas[role], path);
  const where = path.length === 0 ? '' : ` in "${path.join('.')}"`;
  let message = `unknown key "${key}"${where}`;
  const nearest = nearestWord(key, known);
  if (owners.length > 0) message += `: it belongs to a ${owners.join(' or a ')}, and this is a ${role}`;
  else if (nearest === undefined) message += `: expected one of ${known.join(', ')}`;
  else message += `: did you mean "${nearest}"?`;
  return document.mistakeAtKey([...path, key], message);
}

/** The part of the path that ends at the first key that is not there, or null. */
function missingPart(path: Path, values: unknown): Path | null {
  let value = values;
  for (const [index, step] of path.entries()) {
    if (typeof value !== 'object' || value === null) return null;
    value = (value as Record<string | number, unknown>)[step];
    if (value === undefined) return path.slice(0, index + 1);
  }
  return null;
}

function messageOfIssue(issue: z.core.$ZodIssue, path: Path, values: unknown): string {
  const value = valueAt(path, values);
  const name = path.join('.');
  if (issue.code === 'custom') return issue.message;
  if (value === null) return `"${name}" has no value`;
  if (issue.code === 'invalid_value') {
    const right = issue.values.map(String);
    const nearest = nearestWord(shown(value).replaceAll('"', ''), right);
    const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
    return `"${name}" is ${shown(value)}: expected ${right.join(', ')}${hint}`;
  }
  if (issue.code === 'invalid_type') return `"${name}" is ${shown(value)}: expected ${expectedName(issue.expected)}`;
  if (issue.code === 'invalid_union') return `"${name}" is ${shown(value)}: expected text or a number`;
  if (issue.code === 'too_small') return `"${name}" is empty`;
  if (issue.code === 'too_big') return `"${name}" has too many entries: at most ${String(issue.maximum)}`;
  return `"${name}": ${issue.message}`;
}

function expectedName(type: string): string {
  const names: Record<string, string> = {
    object: 'a map of keys and values',
    array: 'a list',
    string: 'text',
    boolean: 'true or false',
    number: 'a number',
  };
  return names[type] ?? type;
}

/** A value of the file in a sentence; a list or a map may be endless, because an alias may stand inside its own anchor. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  return JSON.stringify(value) ?? 'nothing';
}

function valueAt(path: Path, values: unknown): unknown {
  let value = values;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return value;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

interface SchemaDefinition {
  readonly type: string;
  readonly shape?: Record<string, z.core.$ZodType>;
  readonly innerType?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
}

/** Keys that a schema knows at a path. */
function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  const definition = unwrapped(schema);
  if (path.length === 0) return Object.keys(definition.shape ?? {});
  const [step, ...rest] = path;
  const next = definition.type === 'array' ? definition.element : definition.shape?.[String(step)];
  return next === undefined ? [] : keysAt(next, rest);
}

function unwrapped(schema: z.core.$ZodType): SchemaDefinition {
  const definition = schema._zod.def as unknown as SchemaDefinition;
  return definition.innerType === undefined ? definition : unwrapped(definition.innerType);
}
