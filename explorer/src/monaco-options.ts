/** Options of the editors that GraphiQL does not set. */

import type { editor } from "monaco-editor";

const OPTIONS: editor.IEditorOptions = {
  // A narrow editor shows whole lines, without scrolling sideways.
  wordWrap: "on",
  wrappingIndent: "indent",
  // At its end the page scrolls, where the panes are stacked.
  scrollbar: { alwaysConsumeMouseWheel: false },
};

/** Sets the options of all editors until the returned function is called. */
export function configure(monaco: typeof editor): () => void {
  for (const each of monaco.getEditors()) each.updateOptions(OPTIONS);
  const listening = monaco.onDidCreateEditor((created) => created.updateOptions(OPTIONS));
  return () => listening.dispose();
}
