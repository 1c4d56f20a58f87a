/**
 * Planted bugs: a few words of the compiled sources, patched in a copy of them, and simulated until a judge objects. The production code
 * has no switch for any of them; a patch that does not apply any more is a failure of the test.
 */
import type { Caught, MutantTree } from './mutant-tree.ts';

export interface Patch {
  /** A source file, `src/...` or `journals/...`, as it is named in the checkout. */
  readonly file: string;
  /** A piece of its compiled text that occurs exactly once; white space counts as one blank. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly name: string;
  readonly invariant: string;
  readonly patches: readonly Patch[];
  /** Seeds, from 1 on, within which it must be found. */
  readonly seedsMax: number;
}

/** Simulate the seeds 1, 2, ... with the bug in place; null: nobody objected. */
export async function catchMutation(tree: MutantTree, mutation: Mutation): Promise<Caught | null> {
  try {
    const texts = new Map<string, string>();
    for (const patch of mutation.patches) texts.set(patch.file, patched(texts.get(patch.file) ?? tree.textOf(patch.file), patch));
    for (const [file, text] of texts) tree.plant(file, text);
    return await tree.simulate({ to: mutation.seedsMax });
  } finally {
    tree.restore();
  }
}

function patched(text: string, { file, find, replace }: Patch): string {
  const pattern = new RegExp(
    find
      .trim()
      .split(/\s+/)
      .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('\\s+'),
    'g',
  );
  const count = [...text.matchAll(pattern)].length;
  if (count !== 1) throw new Error(`the patch of ${file} applies ${count} times, not once: ${find}`);
  return text.replace(pattern, () => replace);
}
