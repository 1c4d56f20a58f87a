/**
 * The chains of a ring whose payloads are replaced. A chain is a hash over header checksums, and each of those over a payload's: as it
 * stands it would let a guess be tested. So every chain gets another value, the same one wherever it stands; where a data set's chain
 * agrees with its records and the chain before it, the new one does too, and where it does not, the new one does not.
 */
import { CHAIN_START, type Chain } from '../../model/ids.ts';
import { hashChain } from '../../record/record.ts';
import type { DataKey } from './data-key.ts';

/** A data set with its sync command, as one journal holds it. */
export interface ChainedSet {
  readonly chain: Chain;
  readonly incarnation: string;
  /** Header checksums of its writes in sequence order, before and after. */
  readonly before: Uint32Array;
  readonly after: Uint32Array;
}

const CHAIN_DIGITS = 32;

export class ReplacedChains {
  readonly #key: DataKey;
  readonly #sets = new Map<Chain, ChainedSet>();
  readonly #known = new Set<Chain>([CHAIN_START]);
  readonly #replaced = new Map<Chain, Chain>([[CHAIN_START, CHAIN_START]]);

  constructor(key: DataKey) {
    this.#key = key;
  }

  /** A chain that stands somewhere: the one before a data set may be among them. */
  add(chain: Chain): void {
    this.#known.add(chain);
  }

  addSet(set: ChainedSet): void {
    this.#known.add(set.chain);
    if (!this.#sets.has(set.chain)) this.#sets.set(set.chain, set);
  }

  /** The chain that stands in place of this one. Call it when all were added. */
  replace(chain: Chain): Chain {
    const known = this.#replaced.get(chain);
    if (known !== undefined) return known;
    const replaced = this.#compute(chain) ?? this.#key.tag('chain', chain, CHAIN_DIGITS);
    this.#replaced.set(chain, replaced);
    return replaced;
  }

  /** The chain anew, if it follows from a known one; null if not. */
  #compute(chain: Chain): Chain | null {
    const set = this.#sets.get(chain);
    if (set === undefined) return null;
    for (const previous of this.#known) {
      if (hashChain(previous, set.before, set.incarnation) === chain) return hashChain(this.replace(previous), set.after, set.incarnation);
    }
    return null;
  }
}
