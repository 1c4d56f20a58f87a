/**
 * Make bugs by rule: every condition, comparison, step of one, statement and early return of a compiled source file gives some.
 * It works on text, not on a syntax tree: comments, strings and templates are blanked out first, and a mutant that is no
 * JavaScript any more shows itself when it is loaded.
 */

export interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  /** The line before and after. */
  readonly before: string;
  readonly after: string;
  /** The whole file with the bug. */
  readonly text: string;
}

/** A rule finds places in the blanked text; what stands there is replaced. */
interface Change {
  readonly at: number;
  readonly lengthChars: number;
  readonly replace: string;
  readonly rule: string;
}

const SWAPS: readonly (readonly [string, string])[] = [
  [' < ', ' <= '],
  [' <= ', ' < '],
  [' > ', ' >= '],
  [' >= ', ' > '],
  [' === ', ' !== '],
  [' !== ', ' === '],
  [' && ', ' || '],
  [' || ', ' && '],
  [' + 1', ''],
  [' - 1', ''],
  [' + ', ' - '],
  ['true', 'false'],
  ['false', 'true'],
  ['Math.max(', 'Math.min('],
  ['Math.min(', 'Math.max('],
  [' = 0', ' = 1'],
];

/** Statements that only tell people something, or only refuse what cannot be: without them nothing is wrong. */
const HARMLESS = /^\s*(assert\(|this\.#?log\(|log\(|import |export |\} from )|\.counters\b|unreachable\(/;

export function mutantsOf(file: string, text: string): Mutant[] {
  const code = blankOut(text);
  const lines = lineStarts(text);
  const harmless = harmlessSpans(code);
  return [...swaps(code), ...conditions(code), ...statements(code), ...earlyReturns(code)]
    .filter(({ at }) => !harmless.some(([from, to]) => at >= from && at < to) && !isField(code, lines, at))
    .toSorted((a, b) => a.at - b.at)
    .map((change) => toMutant(file, text, lines, change));
}

function toMutant(file: string, text: string, lines: readonly number[], { at, lengthChars, replace, rule }: Change): Mutant {
  const mutated = text.slice(0, at) + replace + text.slice(at + lengthChars);
  const line = lines.findLastIndex((start) => start <= at);
  const lineOf = (whole: string): string => whole.slice(lines[line] ?? 0, whole.indexOf('\n', Math.max(at, (lines[line] ?? 0) + 1))).trim();
  return { file, line: line + 1, rule, before: lineOf(text), after: lineOf(mutated), text: mutated };
}

/** Initial values of a class are overwritten by its constructor, mostly. */
function isField(code: string, lines: readonly number[], at: number): boolean {
  const start = lines[lines.findLastIndex((begin) => begin <= at)] ?? 0;
  return /^ {4}#?\w+ = [^\n]*;\n/.test(code.slice(start, start + 400));
}

function lineStarts(text: string): number[] {
  return [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
}

/** The text with every comment, string, template and pattern as blanks, so that places stay what they are. */
export function blankOut(text: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[(,=:!&|?{;]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n[])+\/\w*/g;
  return text.replace(token, (found) => found.replace(/[^\n]/g, ' '));
}

function harmlessSpans(code: string): [number, number][] {
  const spans: [number, number][] = [];
  for (const [index, start] of lineStarts(code).entries()) {
    const next = lineStarts(code)[index + 1] ?? code.length;
    if (!HARMLESS.test(code.slice(start, next))) continue;
    const open = code.indexOf('(', start);
    const end = open >= 0 && open < next ? closing(code, open) : next;
    spans.push([start, Math.max(next, end)]);
  }
  return spans;
}

/** Where the parenthesis that opens here is closed. */
function closing(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if ('([{'.includes(code[at] ?? '')) depth += 1;
    if (')]}'.includes(code[at] ?? '')) depth -= 1;
    if (depth === 0) return at;
  }
  return code.length;
}

function swaps(code: string): Change[] {
  return SWAPS.flatMap(([find, replace]) => {
    const word = /^\w+$/.test(find) ? `\\b${find}\\b` : find.replace(/[+|().]/g, '\\$&');
    const pattern = new RegExp(/\d$/.test(find) ? `${word}(?![\\w.])` : word, 'g');
    return [...code.matchAll(pattern)]
      .filter(({ index }) => find !== ' + ' || !/^ \+ 1(?![\w.])/.test(code.slice(index, index + 5)))
      .map(({ index }) => ({
        at: index,
        lengthChars: find.length,
        replace,
        rule: `${find.trim()} becomes ${replace.trim() || 'nothing'}`,
      }));
  });
}

/** A condition is turned round, always met, or never. */
function conditions(code: string): Change[] {
  return [...code.matchAll(/\b(if|while) \(/g)].flatMap(({ index, 0: found }) => {
    const open = index + found.length - 1;
    const end = closing(code, open);
    const at = open + 1;
    const lengthChars = end - at;
    const never = { at, lengthChars, replace: 'false', rule: 'condition never met' };
    if (found.startsWith('while')) return [never];
    return [never, { at, lengthChars, replace: 'true', rule: 'condition always met' }];
  });
}

/** A call, an assignment, a throw or a jump is left out. */
function statements(code: string): Change[] {
  const pattern =
    /^([ ]+)((?:await |void )?(?:this\.|[A-Za-z_$][\w$]*[.([])[^\n]*;|[A-Za-z_$][\w$]* [-+|&?]*= [^\n]*;|throw [^\n]*;|break;|continue;|return;)$/gm;
  return [...code.matchAll(pattern)]
    .filter(({ 2: statement = '' }) => !/^(const|let|return\b.|case|default|super|for|if|while)/.test(statement) && isBalanced(statement))
    .map(({ index, 1: indent = '', 2: statement = '' }) => ({
      at: index + indent.length,
      lengthChars: statement.length,
      replace: ';',
      rule: 'statement left out',
    }));
}

function isBalanced(statement: string): boolean {
  let depth = 0;
  for (const char of statement) {
    if ('([{'.includes(char)) depth += 1;
    if (')]}'.includes(char)) depth -= 1;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** A function that gives nothing back does nothing. */
function earlyReturns(code: string): Change[] {
  const pattern = /^ *(?:export )?(?:async )?(?:function )?#?[a-z]\w*\([^\n]*\) \{$/gm;
  return [...code.matchAll(pattern)]
    .filter(({ 0: head }) => !/^ *(if|for|while|switch|catch|constructor|return|else)\b/.test(head))
    .filter(({ index, 0: head }) => !/\breturn [^;]/.test(code.slice(index, closing(code, index + head.length - 1))))
    .map(({ index, 0: head }) => ({ at: index + head.length, lengthChars: 0, replace: ' return;', rule: 'does nothing' }));
}
