/** What the demo shows while it runs: numbered steps, facts below them, and on a terminal one line that moves. */
import type { WriteStream } from 'node:tty';

const INDENT = '      ';
const WIDTH = 96;
/** Without a terminal, progress is a new line every so often. */
const PLAIN_PROGRESS_MS = 2_000;

export class Screen {
  readonly #stream: NodeJS.WritableStream & Partial<WriteStream>;
  readonly #terminal: boolean;
  readonly #colours: boolean;
  readonly #steps: number;
  #step = 0;
  #moving = false;
  #progressAtMs = 0;

  constructor(stream: NodeJS.WritableStream & Partial<WriteStream>, options: { steps: number }) {
    this.#stream = stream;
    this.#terminal = stream.isTTY === true;
    this.#colours = this.#terminal && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb';
    this.#steps = options.steps;
  }

  title(text: string): void {
    this.#write(`${this.#paint(text, 1)}\n\n`);
  }

  /** A paragraph over the whole width. */
  paragraph(text: string): void {
    this.#write(`${wrap(text, WIDTH).join('\n')}\n`);
  }

  step(text: string): void {
    this.#step += 1;
    this.#progressAtMs = performance.now();
    this.#write(`\n${this.#paint(`[${this.#step}/${this.#steps}]`, 36)} ${this.#paint(text, 1)}\n`);
  }

  /** A sentence below the step. */
  say(text: string): void {
    this.#write(
      wrap(text, WIDTH - INDENT.length)
        .map((line) => `${INDENT}${line}\n`)
        .join(''),
    );
  }

  /** Lines that stay as they are, below the step. */
  lines(lines: readonly string[]): void {
    this.#write(lines.map((line) => `${INDENT}${line}\n`).join(''));
  }

  /** The newest state of what goes on. */
  progress(line: string): void {
    if (!this.#terminal) {
      if (performance.now() - this.#progressAtMs < PLAIN_PROGRESS_MS) return;
      this.#progressAtMs = performance.now();
      this.#write(`${INDENT}${line}\n`);
      return;
    }
    // Never as wide as the terminal: a line that wraps cannot be written over.
    this.#stream.write(`\r\u001B[2K${`${INDENT}${line}`.slice(0, (this.#stream.columns ?? 80) - 1)}`);
    this.#moving = true;
  }

  /** The last line of all. */
  verdict(good: boolean, text: string): void {
    this.#write(`\n${this.#paint(`VERDICT: ${good ? 'GOOD' : 'BAD'}`, good ? 32 : 31)} - ${text}\n`);
  }

  #write(text: string): void {
    this.#stream.write(this.#moving ? `\n${text}` : text);
    this.#moving = false;
  }

  #paint(text: string, colour: number): string {
    return this.#colours ? `\u001B[${colour}m${text}\u001B[0m` : text;
  }
}

/** Break a text between words; a longer word stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

/** Two columns: what, and its value. */
export function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

/** `14,210` */
export function counted(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 data set`, `3 data sets` */
export function plural(count: number, noun: string): string {
  return `${counted(count)} ${noun}${count === 1 ? '' : 's'}`;
}
