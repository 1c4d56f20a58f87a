/** How deep a YAML text is nested, before the parser's recursion finds out: that can end the whole process. Imports yaml, so import this file lazily. */
import { Lexer, Parser } from 'yaml';

/** What is under construction beside the collections: the document, and the scalar that is read now. */
const OTHERS = 2;

/** Find where maps and lists are nested deeper than this; null: nowhere. Reads no further than there. */
export function findTooDeep(text: string, levelsMax: number): number | null {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    // The finished tokens are of no interest, but the parser goes on only while somebody takes them.
    Array.from(parser.next(lexeme));
    if (parser.stack.length > levelsMax + OTHERS) return Math.min(parser.offset, text.length);
  }
  return null;
}
