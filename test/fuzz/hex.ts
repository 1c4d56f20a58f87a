/** Inputs as text: hex digits, runs of one byte as `00*4000`, parts divided by `/`. What a failure prints, `--hex` reads again. */
import type { Input } from './target.ts';

const RUN_MIN = 8;

export function showInput(input: Input): string {
  return input.length === 0 ? '-' : input.map((part) => showPart(part)).join('/');
}

/** @throws Error when the text is not what `showInput` makes */
export function parseInput(text: string): Uint8Array[] {
  return text === '-' ? [] : text.split('/').map((part) => parsePart(part));
}

function showPart(part: Uint8Array): string {
  const pieces: string[] = [];
  let plain = '';
  for (let at = 0; at < part.length;) {
    let end = at + 1;
    while (end < part.length && part[end] === part[at]) end += 1;
    const byte = (part[at] ?? 0).toString(16).padStart(2, '0');
    if (end - at < RUN_MIN) {
      plain += byte.repeat(end - at);
    } else {
      if (plain !== '') pieces.push(plain);
      plain = '';
      pieces.push(`${byte}*${end - at}`);
    }
    at = end;
  }
  if (plain !== '') pieces.push(plain);
  return pieces.join(',');
}

function parsePart(text: string): Uint8Array {
  const pieces = text === '' ? [] : text.split(',');
  return Buffer.concat(
    pieces.map((piece) => {
      const match = /^([0-9a-f]{2})\*(\d+)$/.exec(piece);
      if (match !== null) return Buffer.alloc(Number(match[2]), Number.parseInt(match[1] ?? '', 16));
      if (!/^([0-9a-f]{2})+$/.test(piece)) throw new Error(`"${piece}" is neither hex digits nor a run such as 00*4000`);
      return Buffer.from(piece, 'hex');
    }),
  );
}
