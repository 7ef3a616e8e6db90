/** A window with stacked panes: docs and history are a sheet, and a run shows its response. */

import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useRef } from "react";

/** As in editor.css. */
const STACKED = "(max-width: 899px)";

/** Scrolls to the response of a run, which is below the editor. */
export function ResponseInView() {
  const isRunning = useGraphiQL((state) => state.isFetching);
  useEffect(() => {
    if (!isRunning || !matchMedia(STACKED).matches) return;
    document.querySelector(".graphiql-response")?.scrollIntoView({ block: "nearest" });
  }, [isRunning]);
  return null;
}

/** Closes the sheet: by a button, which gets the focus, or with Escape. */
export function PluginSheet() {
  const plugin = useGraphiQL((state) => state.visiblePlugin);
  const { setVisiblePlugin } = useGraphiQLActions();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!plugin || !matchMedia(STACKED).matches) return undefined;
    const before = document.activeElement;
    button.current?.focus();
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setVisiblePlugin(null);
    };
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
      if (before instanceof HTMLElement) before.focus();
    };
  }, [plugin, setVisiblePlugin]);
  if (!plugin) return null;
  return (
    <button
      ref={button}
      type="button"
      className="close-sheet"
      onClick={() => setVisiblePlugin(null)}
    >
      Close {plugin.title}
    </button>
  );
}
