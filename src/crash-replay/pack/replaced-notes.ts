/**
 * `replaced.json`: every checksum and chain that stands in place of another one, in the order of the files. `before` is a name for the
 * old value and not the value: a CRC of a payload, told, would let anybody test what the payload was.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface Note {
  /** Inside `crash/`. */
  readonly file: string;
  /** Byte of the file at which the checksum or chain stands. */
  readonly offset: number;
  readonly what: string;
  /** Whether the old value agreed with what it is of; null where that cannot be said. */
  readonly was: 'right' | 'wrong' | null;
  /** Keyed name of the old value: equal names, equal values. */
  readonly before: string;
  /** The new value, in hex. */
  readonly after: string;
}

export const REPLACED_FILE = 'replaced.json';

const EXPLANATION =
  'Every payload was replaced by a text that follows from its checksum, its length and a key that is stored nowhere; so every checksum and chain over it was computed anew. ' +
  'What was right is right, what was wrong is wrong. "before" is a keyed name of the old value, not the value.';

/** Writes notes one by one: a large ring has hundreds of thousands. */
export class NotesFile {
  readonly #fd: number;
  #pieces: string[] = [];
  #count = 0;

  constructor(directory: string) {
    this.#fd = openSync(join(directory, REPLACED_FILE), 'w');
    this.#pieces.push(`{\n"formatVersion": 1,\n"explanation": ${JSON.stringify(EXPLANATION)},\n"replaced": [`);
  }

  get count(): number {
    return this.#count;
  }

  readonly add = (note: Note): void => {
    this.#pieces.push(`${this.#count === 0 ? '\n' : ',\n'}${JSON.stringify(note)}`);
    this.#count += 1;
    if (this.#pieces.length > 1000) this.#write();
  };

  close(): void {
    this.#pieces.push('\n]\n}\n');
    this.#write();
    closeSync(this.#fd);
  }

  #write(): void {
    writeSync(this.#fd, this.#pieces.join(''));
    this.#pieces = [];
  }
}
