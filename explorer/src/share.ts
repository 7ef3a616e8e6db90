/** Links that open an operation: it is in the fragment, which a browser sends to no server. */

import type { Tab } from "./story.ts";

/** Returns the path with the operation in its fragment. Variables are left out if they are null. */
export function linkTo(path: string, { query, variables }: Tab): string {
  const parts = new URLSearchParams({ query });
  if (variables !== null && variables.trim() !== "") parts.set("variables", variables);
  return `${path}#${parts}`;
}

/** Returns the operation in a fragment; null if it has none. */
export function sharedOperation(fragment: string): Tab | null {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const query = parts.get("query");
  return query?.trim() ? { query, variables: parts.get("variables") } : null;
}
