/** The fields that an operation selects, and their values in a response, by name or alias. */

import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
} from "graphql";

import { isRecord } from "./api.ts";

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

export interface Operation {
  kind: "query" | "mutation" | "subscription";
  document: DocumentNode;
  definition: OperationDefinitionNode;
  /** The names of its root fields. */
  roots: ReadonlySet<string>;
  fragments: Fragments;
}

/** Returns null for a document that is invalid or lacks the operation; the router reports why. */
export function readOperation(query: string, name?: string | null): Operation | null {
  let document: DocumentNode;
  try {
    document = parse(query, { noLocation: true });
  } catch {
    return null;
  }
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  const definition = name
    ? operations.find((node) => node.name?.value === name)
    : operations.length === 1
      ? operations[0]
      : undefined;
  if (!definition) return null;
  const fragments: Fragments = new Map(
    document.definitions
      .filter((node) => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((node) => [node.name.value, node]),
  );
  const roots = new Set(fieldsOf([definition.selectionSet], fragments).map((f) => f.name.value));
  return { kind: definition.operation, document, definition, roots, fragments };
}

/** A part of a response with the selection that requested it. */
export class Selected {
  constructor(
    readonly value: unknown,
    private readonly sets: readonly SelectionSetNode[],
    private readonly fragments: Fragments,
  ) {}

  static of(operation: Operation, data: unknown): Selected {
    return new Selected(data, [operation.definition.selectionSet], operation.fragments);
  }

  /** Returns the values of the field of this name under all aliases, without nulls. */
  all(name: string): Selected[] {
    const { value } = this;
    if (!isRecord(value)) return [];
    const byKey = new Map<string, SelectionSetNode[]>();
    for (const field of fieldsOf(this.sets, this.fragments)) {
      const key = field.alias?.value ?? field.name.value;
      if (field.name.value !== name || (value[key] ?? null) === null) continue;
      byKey.set(key, [...(byKey.get(key) ?? []), ...(field.selectionSet ? [field.selectionSet] : [])]);
    }
    return [...byKey].map(([key, sets]) => new Selected(value[key], sets, this.fragments));
  }

  child(name: string): Selected | undefined {
    return this.all(name)[0];
  }

  /** Returns the items of a list. */
  items(name: string): Selected[] {
    const list = this.child(name);
    if (!Array.isArray(list?.value)) return [];
    return list.value.map((item) => new Selected(item, list.sets, this.fragments));
  }

  text(name: string): string | null {
    const value = this.all(name).find((found) => typeof found.value === "string")?.value;
    return typeof value === "string" ? value : null;
  }
}

/** Returns the fields of selections, including those of their fragments. */
function fieldsOf(sets: readonly SelectionSetNode[], fragments: Fragments): FieldNode[] {
  const found: FieldNode[] = [];
  const entered = new Set<string>();
  const enter = (set: SelectionSetNode): void => {
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) found.push(node);
      else if (node.kind === Kind.INLINE_FRAGMENT) enter(node.selectionSet);
      else if (!entered.has(node.name.value)) {
        entered.add(node.name.value);
        const fragment = fragments.get(node.name.value);
        if (fragment) enter(fragment.selectionSet);
      }
    }
  };
  sets.forEach(enter);
  return found;
}
