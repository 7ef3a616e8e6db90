/** The size of a document, for limits that the router enforces without a figure. */

import { Kind, Lexer, parse, Source, TokenKind } from "graphql";

/** Limits of the router (router.yaml). */
export const MAX_TOKENS = 2000;
export const MAX_NESTING = 100;

const DEEPER: Partial<Record<TokenKind, number>> = {
  [TokenKind.BRACE_L]: 1,
  [TokenKind.BRACKET_L]: 1,
  [TokenKind.PAREN_L]: 1,
  [TokenKind.BRACE_R]: -1,
  [TokenKind.BRACKET_R]: -1,
  [TokenKind.PAREN_R]: -1,
};

/** Returns which limit of the router a document exceeds, and by how much; null if none. */
export function excessOf(query: string): string | null {
  const { tokens, nesting } = sizeOf(query);
  if (tokens > MAX_TOKENS) return `The document has ${tokens} tokens; ${MAX_TOKENS} are allowed.`;
  if (nesting > MAX_NESTING) {
    return `The document has ${nesting} levels of brackets; ${MAX_NESTING} are allowed.`;
  }
  return null;
}

/** Returns the number of operations; null for a document with a syntax error. */
export function countOperations(query: string): number | null {
  if (sizeOf(query).tokens === 0) return 0;
  try {
    const { definitions } = parse(query, { noLocation: true });
    return definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION).length;
  } catch {
    return null;
  }
}

function sizeOf(query: string): { tokens: number; nesting: number } {
  const lexer = new Lexer(new Source(query));
  let [tokens, level, nesting] = [0, 0, 0];
  try {
    for (; lexer.advance().kind !== TokenKind.EOF; tokens += 1) {
      level += DEEPER[lexer.token.kind] ?? 0;
      nesting = Math.max(nesting, level);
    }
  } catch {
    // A syntax error: what precedes it counts, as it does in the router.
  }
  return { tokens, nesting };
}
