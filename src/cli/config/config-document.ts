/** A config file as text, values and places: finds line and column of every key and value. Imports yaml, so import this file lazily. */
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import type { ErrorCode } from '../../model/errors.ts';
import { LIMITS } from '../../model/limits.ts';
import { findTooDeep } from './nesting.ts';

export type Path = readonly (string | number)[];

/** One thing that is wrong in a config file; lines and columns count from 1. */
export interface Mistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly code: ErrorCode;
}

/** Aliases could blow a small file up to gigabytes. */
const ALIASES_MAX = 100;

export class ConfigDocument {
  /** The file as the operator named it. */
  readonly file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;
  /** What is wrong with the text before it is looked at as YAML, which is then not done. */
  readonly #excess: { readonly offset: number; readonly message: string } | null;

  constructor(file: string, whole: string) {
    this.file = file;
    this.#excess = findExcess(whole);
    const text = this.#excess === null ? whole : '';
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: true });
  }

  /** What is wrong with the text as YAML. */
  syntaxMistakes(): Mistake[] {
    if (this.#excess !== null) return [this.#mistake(this.#excess.offset, this.#excess.message, 'ERR_CONFIG_INVALID')];
    return this.#document.errors.map((error) => this.#mistake(error.pos[0], error.message, 'ERR_CONFIG_INVALID'));
  }

  /** The plain values. @throws Error when an alias has no anchor, or aliases multiply beyond measure */
  values(): unknown {
    return this.#document.toJS({ maxAliasCount: ALIASES_MAX });
  }

  /** Place a mistake at the value at `path`, or at the deepest part of the path that is there. */
  mistakeAt(path: Path, message: string, code: ErrorCode = 'ERR_CONFIG_INVALID'): Mistake {
    return this.#mistake(this.#offsetOf(path, 'value'), message, code);
  }

  /** Place a mistake at the key that ends `path`. */
  mistakeAtKey(path: Path, message: string, code: ErrorCode = 'ERR_CONFIG_INVALID'): Mistake {
    return this.#mistake(this.#offsetOf(path, 'key'), message, code);
  }

  #mistake(offset: number, message: string, code: ErrorCode): Mistake {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col), message, code };
  }

  #offsetOf(path: Path, wanted: 'key' | 'value'): number {
    let node: unknown = this.#document.contents;
    let offset = startOf(node) ?? 0;
    for (const [index, step] of path.entries()) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
        if (pair === undefined) break;
        const keyOffset = startOf(pair.key) ?? offset;
        const last = index === path.length - 1;
        // A value that is not there (`size:`) has no place of its own.
        offset = last && wanted === 'key' ? keyOffset : emptyAsKey(pair.value, keyOffset);
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(step)];
        offset = startOf(node) ?? offset;
      } else {
        break;
      }
    }
    return offset;
  }
}

function findExcess(text: string): { offset: number; message: string } | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.configBytesMax)
    return { offset: 0, message: `the file has ${bytes} bytes: the largest is ${LIMITS.configBytesMax} bytes` };
  const offset = findTooDeep(text, LIMITS.configNestingMax);
  return offset === null ? null : { offset, message: `maps and lists are nested deeper than ${LIMITS.configNestingMax} levels` };
}

function startOf(node: unknown): number | undefined {
  const range = (node as { range?: readonly number[] | null } | null | undefined)?.range;
  return range?.[0];
}

function emptyAsKey(value: unknown, keyOffset: number): number {
  return isScalar(value) && value.value === null && value.source === '' ? keyOffset : (startOf(value) ?? keyOffset);
}
