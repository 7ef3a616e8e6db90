/** Times as readers see them, in their language and time zone. */

export function dateOf(time: string): string {
  return new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" });
}

export function timeOf(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
