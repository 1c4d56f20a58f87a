/** Make a failing input smaller: whole parts, then pieces of parts are removed, then bytes set to zero, as long as it still fails. */
import type { Input } from './target.ts';

export interface MinimiseOptions {
  readonly input: Input;
  readonly partsAreFixed: boolean;
  readonly stillFails: (input: Input) => Promise<boolean>;
  /** Tries at most, and until when by `performance.now()`. */
  readonly triesMax: number;
  readonly untilMs: number;
}

export async function minimise(options: MinimiseOptions): Promise<Input> {
  let best = options.input;
  let tries = 0;
  const attempt = async (candidate: Input): Promise<boolean> => {
    if (tries >= options.triesMax || performance.now() > options.untilMs) return false;
    tries += 1;
    if (!(await options.stillFails(candidate))) return false;
    best = candidate;
    return true;
  };
  if (!options.partsAreFixed) {
    for (let index = best.length - 1; index >= 0; index -= 1) await attempt(best.filter((_, at) => at !== index));
  }
  for (let index = 0; index < best.length; index += 1) {
    await shrinkPart(
      () => best[index] ?? new Uint8Array(0),
      (part) => attempt(best.with(index, part)),
    );
  }
  return best;
}

async function shrinkPart(current: () => Uint8Array, attempt: (part: Uint8Array) => Promise<boolean>): Promise<void> {
  for (let piece = 2 ** Math.floor(Math.log2(Math.max(1, current().length))); piece >= 1; piece /= 2) {
    for (let at = 0; at < current().length;) {
      const part = current();
      const shorter = Buffer.concat([part.subarray(0, at), part.subarray(at + piece)]);
      if (!(await attempt(shorter))) at += piece;
    }
  }
  for (let piece = 2 ** Math.floor(Math.log2(Math.max(1, current().length))); piece >= 1; piece /= 2) {
    for (let at = 0; at < current().length; at += piece) {
      const part = current();
      if (part.subarray(at, at + piece).every((byte) => byte === 0)) continue;
      await attempt(Uint8Array.from(part).fill(0, at, at + piece));
    }
  }
}
