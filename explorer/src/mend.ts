/**
 * What axe finds in GraphiQL's markup and no style sheet can mend. React sets these attributes when
 * they change, so they are looked at again whenever something does.
 */

/** Until the returned function is called. */
export function mend(container: Element): () => void {
  const observer = new MutationObserver(() => {
    mendTabs(container);
    mendHistory(container);
  });
  observer.observe(container, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["role", "aria-selected", "aria-label"],
  });
  mendTabs(container);
  mendHistory(container);
  return () => observer.disconnect();
}

/** A tab that holds buttons is none for a screen reader; a list of buttons is what it is. */
function mendTabs(container: Element): void {
  container.querySelector(".graphiql-tabs[role]")?.removeAttribute("role");
  for (const tab of container.querySelectorAll(".graphiql-tab")) {
    const selected = tab.getAttribute("aria-selected");
    if (selected === null) continue;
    tab.removeAttribute("aria-selected");
    tab.removeAttribute("role");
    tab.querySelector(".graphiql-tab-button")?.setAttribute("aria-current", selected);
  }
}

/** An entry is called what it says. */
function mendHistory(container: Element): void {
  for (const entry of container.querySelectorAll(".graphiql-history-item-label[aria-label]")) {
    entry.removeAttribute("aria-label");
  }
}
