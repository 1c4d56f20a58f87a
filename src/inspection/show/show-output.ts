/**
 * Lines that leave as they are made: nothing is kept but what one read of the journal brought, and a reader that goes away (`| head`)
 * ends the work quietly.
 */
import type { Writable } from 'node:stream';
import { errnoOf } from '../../model/errors.ts';

/** The reader of the output has gone: nobody wants the rest. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

export class LineOutput {
  readonly #stream: Writable;
  #pending: (string | Uint8Array)[] = [];

  constructor(stream: Writable) {
    this.#stream = stream;
    // Without a listener a broken pipe would end the process before the write tells of it.
    stream.on('error', () => {});
  }

  line(text: string): void {
    this.#pending.push(`${text}\n`);
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  /** Bytes as they are; they must stay as they are until the next `leave` is done. */
  raw(bytes: string | Uint8Array): void {
    this.#pending.push(bytes);
  }

  /** Hand over what was gathered; null when there is nothing. @throws ReaderGone; what the stream says otherwise */
  leave(): Promise<void> | null {
    if (this.#pending.length === 0) return null;
    const parts = this.#pending;
    this.#pending = [];
    const bytes = parts.every((part) => typeof part === 'string')
      ? parts.join('')
      : Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (error == null) resolve();
        else reject(this.#isGone(error) ? new ReaderGone('the reader of the output has gone', { cause: error }) : error);
      });
    });
  }

  /** After a broken pipe a write may only be told that the stream was destroyed. */
  #isGone(error: Error): boolean {
    return errnoOf(error) === 'EPIPE' || errnoOf(this.#stream.errored) === 'EPIPE';
  }
}

/** Run what writes lines, to its end or to that of its reader. @returns null when the reader has gone */
export async function whileRead<Result>(work: () => Promise<Result>): Promise<Result | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ReaderGone) return null;
    throw error;
  }
}
