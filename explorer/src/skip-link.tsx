/** The first stop of the Tab key: leads past the bar and the tabs. */

export function SkipLink() {
  return (
    <a
      className="skip"
      href="#main"
      onClick={(event) => {
        const editor = document.querySelector<HTMLElement>(".graphiql-query-editor textarea");
        // Without the editor, the link leads to the part of the page where it loads.
        if (!editor) return;
        event.preventDefault();
        editor.focus();
      }}
    >
      Skip to the editor
    </a>
  );
}
