/** What a fuzz target is: inputs to begin with, ways to make more, and a judge. */
import type fc from 'fast-check';
import type { Random } from '../../src/simulation/random.ts';

/** An input: one piece of bytes, or several (the messages of a link, the chunks of a socket, edits of files). */
export type Input = readonly Uint8Array[];

export interface Target {
  readonly name: string;
  /** What it must never do, in one sentence. */
  readonly property: string;
  /** Inputs that are right, or nearly: tried first as they are, then mutated. */
  readonly golden: readonly Input[];
  /** Inputs made from a structure; they are mutated too, half of the time. */
  readonly generator?: fc.Arbitrary<Input>;
  /** Make checksums right again, so that what was mutated gets past them. */
  readonly fix?: (part: Uint8Array, random: Random) => void;
  /** Most mutations of one input; 0: inputs are only generated. Default 6. */
  readonly mutationsMax?: number;
  /** The number of parts means something: parts are neither added nor removed. */
  readonly partsAreFixed?: boolean;
  /** Bytes are only changed where they stand, at most a sector of them. */
  readonly inPlace?: boolean;
  /** Where mutations take pieces from; default: the golden inputs. */
  readonly donors?: readonly Input[];
  /** Longest part that a mutation may make. Default 64 KiB. */
  readonly partBytesMax?: number;
  /** Inputs in `npm test`, for each of its seeds. */
  readonly testInputs: number;
  /** Outcomes that `npm test` must reach: a target that only ever bounces off the first check proves nothing. */
  readonly mustReach: readonly string[];
  /**
   * Feed one input and judge what came of it; returns a short word for the outcome, which is counted.
   * @throws Broken, or whatever the code under test throws: both are findings
   */
  run(input: Input): string | Promise<string>;
}

/** A property that does not hold. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** @throws Broken */
export function must(condition: boolean, sentence: string | (() => string)): asserts condition {
  if (!condition) throw new Broken(typeof sentence === 'string' ? sentence : sentence());
}
