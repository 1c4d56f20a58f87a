/** The project's own sources as text, for the tidy test: comments and strings can be blanked, so that a search finds code only. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface SourceFile {
  /** From the project's root: `src/nbd/server.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments as spaces; strings stay. */
  readonly withoutComments: string;
  /** The text with comments and the insides of strings, templates and regular expressions as spaces. */
  readonly code: string;
}

/** Read the TypeScript files below some folders of the project. */
export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.c?ts$/.test(name))
      .sort()
      .map((name) => sourceFile(join(folder, name), readFileSync(join(root, folder, name), 'utf8'))),
  );
}

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, withoutComments: blank(text, ['comment']), code: blank(text, ['comment', 'string']) };
}

export interface Import {
  /** From the project's root, or the package's name. */
  readonly target: string;
  readonly line: number;
  /** What stands between the braces. */
  readonly names: string;
}

const IMPORTS =
  /\b(?:import|export)\b([^;'"]*?)\bfrom\s*'([^']+)'|\bimport\s*\(\s*'([^']+)'|\bimport\s*'([^']+)'|new URL\(\s*'([^']+\.js)'/g;

/** List all imports of a file: static, dynamic, of types, and workers named by URL. */
export function importsOf(file: SourceFile): Import[] {
  return [...file.withoutComments.matchAll(IMPORTS)].map((match) => {
    const name = match[2] ?? match[3] ?? match[4] ?? match[5] ?? '';
    const target = name.startsWith('.') ? join(dirname(file.path), name).replace(/\.js$/, '.ts') : name;
    return { target, names: match[1] ?? '', line: lineAt(file.text, match.index) };
  });
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

type Part = 'comment' | 'string';

/** Comments, strings, and regular expressions where one may stand: after an operator, a bracket or a keyword. */
const TOKEN =
  /(\/\/[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(`)|((?<=(?:^|[=(,:;!&|?{}[+\-*%<>~^]|\breturn|\bcase|\btypeof)\s*)\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[dgimsuvy]*)|([{}])/g;

/** Replace parts of TypeScript by spaces; lines stay where they are. */
function blank(text: string, parts: readonly Part[]): string {
  const tokens = new RegExp(TOKEN);
  /** Open braces inside each template that is being read. */
  const templates: number[] = [];
  let result = '';
  let position = 0;
  const take = (end: number, part: Part | 'code'): void => {
    const piece = text.slice(position, end);
    result += part !== 'code' && parts.includes(part) ? piece.replaceAll(/[^\n]/g, ' ') : piece;
    position = end;
  };
  for (let match = next(tokens, text, position); match !== null; match = next(tokens, text, position)) {
    take(match.index, 'code');
    const end = match.index + match[0].length;
    if (match[1] !== undefined) take(end, 'comment');
    else if (match[2] !== undefined || match[4] !== undefined) take(end, 'string');
    else if (match[3] !== undefined) {
      take(end, 'code');
      take(templateEnd(text, position, templates), 'string');
    } else {
      take(end, 'code');
      if (templates.length > 0 && closesHole(match[0], templates)) take(templateEnd(text, position, templates), 'string');
    }
  }
  take(text.length, 'code');
  return result;
}

function next(tokens: RegExp, text: string, position: number): RegExpExecArray | null {
  tokens.lastIndex = position;
  return tokens.exec(text);
}

/** End of the template's text: after its closing backtick, or after the `${` of its next hole, which is then open. */
function templateEnd(text: string, from: number, templates: number[]): number {
  for (let index = from; index < text.length; index++) {
    if (text[index] === '\\') index += 1;
    else if (text[index] === '`') return index + 1;
    else if (text.startsWith('${', index)) {
      templates.push(0);
      return index + 2;
    }
  }
  return text.length;
}

/** Count braces inside a template's hole; true when this one closes the hole. */
function closesHole(brace: string, templates: number[]): boolean {
  const depth = templates.pop() ?? 0;
  if (brace === '}' && depth === 0) return true;
  templates.push(depth + (brace === '{' ? 1 : -1));
  return false;
}
