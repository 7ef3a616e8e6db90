/** Leaves passwords, tokens and codes out of an operation that is kept or copied. */

import { type ASTNode, Kind, parse, visit } from "graphql";

import { isRecord } from "./api.ts";

/** An operation as text, with its variables as JSON. */
export interface Written {
  query: string;
  variables: string | null;
}

/**
 * The arguments and input fields that take a secret, by the end of their names. A document and the
 * keys of its variables have the schema's names, so no list of operations is needed. The tests
 * compare this with the schema.
 */
const SECRET = /(?:(?:^|_)(?:password|token|code|secret)|Password|Token|Code|Secret)s?$/;

export function isSecret(name: string): boolean {
  return SECRET.test(name);
}

/** Returns the operation with empty strings for its secrets; null if the document has a syntax error. */
export function withoutSecrets({ query, variables }: Written): Written | null {
  const ranges: (readonly [start: number, end: number])[] = [];
  const names = new Set<string>();
  const used = new Set<string>();
  /** Notes the literals and the variables in a value. */
  const note = (value: ASTNode): void => {
    visit(value, {
      enter: (node) => {
        if (node.kind === Kind.VARIABLE) names.add(node.name.value);
        else if (LITERALS.has(node.kind) && node.loc) ranges.push([node.loc.start, node.loc.end]);
      },
    });
  };
  try {
    const document = parse(query);
    const noteNamed = (node: { name: { value: string }; value: ASTNode }): void => {
      if (isSecret(node.name.value)) note(node.value);
    };
    visit(document, { Argument: noteNamed, ObjectField: noteNamed });
    visit(document, {
      VariableDefinition: ({ variable, defaultValue }) => {
        if (defaultValue && names.has(variable.name.value)) note(defaultValue);
        return false; // its variable is declared here, not used
      },
      Variable: ({ name }) => void used.add(name.value),
    });
  } catch {
    return null;
  }
  return { query: blank(query, ranges), variables: variables && cleaned(variables, names, used) };
}

const LITERALS: ReadonlySet<string> = new Set([Kind.STRING, Kind.INT, Kind.FLOAT, Kind.ENUM]);

/** Replaces the ranges of a text by empty strings; a range may be noted twice. */
function blank(text: string, ranges: readonly (readonly [number, number])[]): string {
  let result = "";
  let from = 0;
  for (const [start, end] of [...ranges].sort(([a], [b]) => a - b)) {
    if (start < from) continue;
    result += `${text.slice(from, start)}""`;
    from = end;
  }
  return result + text.slice(from);
}

/**
 * Returns the variables without secrets, or none if they are not JSON. Those that the document does
 * not use are left out: they may belong to another operation. Other text is unchanged.
 */
function cleaned(
  text: string,
  names: ReadonlySet<string>,
  used: ReadonlySet<string>,
): string | null {
  let found = false;
  const clean = (value: unknown, isIn: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item) => clean(item, isIn));
    if (isRecord(value)) {
      const entries = Object.entries(value);
      return Object.fromEntries(
        entries.map(([name, item]) => [name, clean(item, isIn || isSecret(name))]),
      );
    }
    if (!isIn || value === null || value === "") return value;
    found = true;
    return "";
  };
  try {
    const values: unknown = JSON.parse(text);
    if (!isRecord(values)) return null;
    const all = Object.entries(values);
    const kept = all.filter(([name]) => used.has(name));
    const result = kept.map(([name, value]) => [name, clean(value, names.has(name))]);
    if (found || kept.length < all.length) return JSON.stringify(Object.fromEntries(result), null, 2);
    return text;
  } catch {
    return null;
  }
}
