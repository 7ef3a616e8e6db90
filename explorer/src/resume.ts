/** A subscription to the feed that can be resumed after its last event. */

import {
  type ArgumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  print,
  type SelectionNode,
} from "graphql";

import { isRecord, type Request } from "./api.ts";
import type { Operation } from "./operation.ts";

const FEED = "tweetFeed";
/** The alias under which the page selects the cursor, which the user may not have selected. */
const CURSOR = "resumeCursor";

export class Resumable {
  #cursor: string | null;
  readonly #seen = new Set<string>();

  /** `cursor` is that of an event before, to resume after it. */
  constructor(
    private readonly operation: Operation,
    /** The request as the user made it. */
    readonly request: Request,
    cursor: string | null = null,
  ) {
    this.#cursor = cursor;
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  /** Whether an event has arrived: without one there is no cursor to resume from. */
  get canResume(): boolean {
    return this.#cursor !== null;
  }

  /** Returns the request to send: as the user wrote it, or after the last event. */
  next(): Request {
    const { document } = this.operation;
    const definitions = document.definitions.map((node) =>
      node === this.operation.definition ? this.#rewrite(node as OperationDefinitionNode) : node,
    );
    const request: Request = { ...this.request, query: print({ ...document, definitions }) };
    const variable = this.#variable();
    if (this.#cursor !== null && variable) {
      request.variables = { ...this.request.variables, [variable]: this.#cursor };
    }
    return request;
  }

  /** Returns the event without the added cursor; null for a repeated event. */
  take<T extends { data?: unknown }>(event: T): T | null {
    const { data } = event;
    const field = this.#field();
    const key = field?.alias?.value ?? field?.name.value;
    const item = key !== undefined && isRecord(data) ? data[key] : undefined;
    if (key === undefined || !isRecord(data) || !isRecord(item)) return event;
    const { [CURSOR]: cursor, ...rest } = item;
    if (typeof cursor === "string") {
      if (this.#seen.has(cursor)) return null;
      this.#seen.add(cursor);
      this.#cursor = cursor;
    }
    return { ...event, data: { ...data, [key]: rest } };
  }

  /** Returns the feed's field, if it is the root field itself and not in a fragment. */
  #field(): FieldNode | undefined {
    return this.operation.definition.selectionSet.selections.find(isFeed);
  }

  /** Returns the name of the variable that is passed as `after`. */
  #variable(): string | null {
    const value = this.#field()?.arguments?.find(isAfter)?.value;
    return value?.kind === Kind.VARIABLE ? value.name.value : null;
  }

  #rewrite(definition: OperationDefinitionNode): OperationDefinitionNode {
    const { selectionSet } = definition;
    const selections = selectionSet.selections.map((node) =>
      isFeed(node) ? this.#withCursor(node) : node,
    );
    return { ...definition, selectionSet: { ...selectionSet, selections } };
  }

  #withCursor(field: FieldNode): FieldNode {
    const asked: FieldNode = {
      kind: Kind.FIELD,
      alias: { kind: Kind.NAME, value: CURSOR },
      name: { kind: Kind.NAME, value: "cursor" },
    };
    const selections = [...(field.selectionSet?.selections ?? []), asked];
    const selectionSet = { kind: Kind.SELECTION_SET, selections } as const;
    if (this.#cursor === null || this.#variable()) return { ...field, selectionSet };
    const after: ArgumentNode = {
      kind: Kind.ARGUMENT,
      name: { kind: Kind.NAME, value: "after" },
      value: { kind: Kind.STRING, value: this.#cursor },
    };
    const others = (field.arguments ?? []).filter((node) => !isAfter(node));
    return { ...field, selectionSet, arguments: [...others, after] };
  }
}

function isFeed(node: SelectionNode): node is FieldNode {
  return node.kind === Kind.FIELD && node.name.value === FEED;
}

function isAfter(node: ArgumentNode): boolean {
  return node.name.value === "after";
}
