/** The right word that a wrong one was probably meant to be. */

/** Find the candidate nearest to `word` by edit distance, or undefined when none is near. */
export function nearestWord(word: string, candidates: Iterable<string>): string | undefined {
  const wrong = word.toLowerCase();
  let nearest: string | undefined;
  let nearestDistance = Math.max(2, Math.floor(word.length / 2)) + 1;
  for (const candidate of candidates) {
    const right = candidate.toLowerCase();
    // A beginning or an ending of the word is a good guess however long the rest is: "listenAddress" for "listen".
    const contained =
      wrong.length >= 3 && right.length >= 3 && (wrong.startsWith(right) || right.startsWith(wrong) || wrong.endsWith(right));
    const distance = contained ? 1 : editDistance(wrong, right);
    if (distance < nearestDistance) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}

/** Count the insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
export function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let cost = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (same ? 0 : 1));
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (row > 1 && column > 1 && swapped) cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[right.length] ?? 0;
}
