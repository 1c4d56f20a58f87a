/** A step of a bench that did not work: what, and what the tool said. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
