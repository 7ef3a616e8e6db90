/** A dialog with a text to read or to copy. */

import { useRef, useState } from "react";

import { Dialog } from "./dialog.tsx";

interface Props {
  title: string;
  /** May be empty. */
  text: string;
  note: string;
  onClose: () => void;
}

export default function TextDialog({ title, text, note, onClose }: Props) {
  const shown = useRef<HTMLPreElement>(null);
  const [said, setSaid] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied.");
    } catch {
      if (shown.current) getSelection()?.selectAllChildren(shown.current);
      setSaid("The text is selected: copy it with the keyboard.");
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p className="note">{note}</p>
      {text && (
        <>
          <pre ref={shown} tabIndex={0} aria-label={title}>
            {text}
          </pre>
          <button type="button" onClick={() => void copy()}>
            Copy
          </button>{" "}
          <span role="status">{said}</span>
        </>
      )}
    </Dialog>
  );
}
