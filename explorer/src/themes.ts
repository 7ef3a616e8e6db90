/** GraphiQL's colours for the editors, with enough contrast (WCAG AA) on this page. */

import type { editor } from "monaco-editor";

const LIGHT = {
  ground: "#ffffff",
  text: "#1a2436",
  quiet: "#55627a",
  comment: "#3d6b35",
  keyword: "#0b4fb3",
  type: "#0d6660",
  field: "#7a3510",
  string: "#0b5394",
  number: "#0a6344",
};

const DARK = {
  ground: "#1a2433",
  text: "#e8edf5",
  quiet: "#9fb0c8",
  comment: "#97c58a",
  keyword: "#7db4ff",
  type: "#6fd9cb",
  field: "#f0b48c",
  string: "#9fd0ff",
  number: "#8fdcb4",
};

/** Defines the themes under the names of GraphiQL's own. */
export function defineThemes(define: typeof editor.defineTheme): void {
  define("graphiql-LIGHT", theme("vs", LIGHT));
  define("graphiql-DARK", theme("vs-dark", DARK));
}

function theme(base: editor.BuiltinTheme, colours: typeof LIGHT): editor.IStandaloneThemeData {
  const { ground, text, quiet, comment, keyword, type, field, string, number } = colours;
  const rules = {
    "comment.gql": comment,
    comment,
    keyword,
    "keyword.gql": keyword,
    "type.identifier.gql": type,
    "key.identifier.gql": field,
    "argument.identifier.gql": field,
    "string.key.json": field,
    "string.value.json": string,
    string,
    number,
    "number.json": number,
    "number.gql": number,
  };
  return {
    base,
    inherit: true,
    rules: Object.entries(rules).map(([token, foreground]) => ({ token, foreground })),
    colors: {
      "editor.background": "#ffffff00",
      "editorWidget.background": ground,
      "editorHoverWidget.background": ground,
      "editorSuggestWidget.background": ground,
      "editorSuggestWidget.selectedBackground": `${keyword}22`,
      "editorSuggestWidget.selectedForeground": text,
      "editorSuggestWidget.highlightForeground": keyword,
      "editorSuggestWidget.focusHighlightForeground": keyword,
      "textLink.foreground": keyword,
      "textLink.activeForeground": keyword,
      focusBorder: keyword,
      "editor.foreground": text,
      "editorLineNumber.foreground": quiet,
      "editorLineNumber.activeForeground": text,
      "editorLineNumber.dimmedForeground": quiet,
      "editorBracketHighlight.foreground1": keyword,
      "editorBracketHighlight.foreground2": type,
      "editorBracketHighlight.foreground3": field,
    },
  };
}
