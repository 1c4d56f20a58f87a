/** Module hook of a test process: test files that import `uvu` get `uvu-counted.ts`, which itself gets the real one. */

const counted = new URL('./uvu-counted.js', import.meta.url).href;

interface ResolveContext {
  readonly parentURL?: string;
}
interface Resolved {
  readonly url: string;
  readonly shortCircuit?: boolean;
}

export async function resolve(
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => Promise<Resolved>,
): Promise<Resolved> {
  if (specifier === 'uvu' && context.parentURL !== counted) return { url: counted, shortCircuit: true };
  return next(specifier, context);
}
