/**
 * Corrects accessibility problems that axe finds in GraphiQL's markup and a style sheet cannot fix.
 * React sets these attributes again when they change, so every change is observed.
 */

/** Corrects the markup until the returned function is called. */
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

/** To a screen reader, tabs that contain buttons are a list of buttons, not tabs. */
function mendTabs(container: Element): void {
  container.querySelector(".graphiql-tabs[role]")?.removeAttribute("role");
  for (const tab of container.querySelectorAll(".graphiql-tab")) {
    const selected = tab.getAttribute("aria-selected");
    if (selected === null) continue;
    tab.removeAttribute("aria-selected");
    tab.removeAttribute("role");
    tab.querySelector(".graphiql-tab-button")?.setAttribute("aria-current", selected);
    // With the keyboard, a tab is closed after it is chosen: half as many stops on the way.
    const close = tab.querySelector(".graphiql-tab-close");
    if (selected === "true") close?.removeAttribute("tabindex");
    else close?.setAttribute("tabindex", "-1");
  }
}

/** The name of a history entry is its text. */
function mendHistory(container: Element): void {
  for (const entry of container.querySelectorAll(".graphiql-history-item-label[aria-label]")) {
    entry.removeAttribute("aria-label");
  }
}
