/** What the editors of GraphiQL lack: lines that wrap, and a way out with the keyboard. */

import type { editor } from "monaco-editor";

const OPTIONS: editor.IEditorOptions = {
  // A narrow editor shows whole lines, without scrolling sideways.
  wordWrap: "on",
  wrappingIndent: "indent",
  // At its end the page scrolls, where the panes are stacked.
  scrollbar: { alwaysConsumeMouseWheel: false },
  ariaLabel: "Editor. Escape, then Tab leaves it.",
};
const MODIFIERS = ["Shift", "Control", "Alt", "Meta"];

/** Configures all editors until the returned function is called. */
export function configure(monaco: typeof editor): () => void {
  monaco.getEditors().forEach(configureOne);
  const listening = monaco.onDidCreateEditor(configureOne);
  return () => listening.dispose();
}

function configureOne(each: editor.ICodeEditor): void {
  each.updateOptions(OPTIONS);
  let isLeaving = false;
  each.onKeyDown((event) => {
    const { key } = event.browserEvent;
    // The browser moves the focus if Monaco does not hear of the key.
    if (key === "Tab" && isLeaving) event.stopPropagation();
    else if (!MODIFIERS.includes(key)) isLeaving = key === "Escape";
  });
  each.onDidBlurEditorText(() => {
    isLeaving = false;
  });
}
