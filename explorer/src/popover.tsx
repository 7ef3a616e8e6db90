/** A button of the editor's toolbar that opens a list of actions. */

import { type ReactNode, type ToggleEvent, useId, useRef } from "react";

interface Props {
  label: string;
  icon: ReactNode;
  /** Called when the list opens. */
  onOpen: () => void;
  children: ReactNode;
}

/** The browser closes the list at Escape or a click elsewhere, and returns the focus. */
export function Popover({ label, icon, onOpen, children }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const place = ({ newState, currentTarget: list }: ToggleEvent<HTMLElement>): void => {
    if (newState !== "open" || !button.current) return;
    onOpen();
    const { right, bottom } = button.current.getBoundingClientRect();
    const { width, height } = list.getBoundingClientRect();
    list.style.left = `${within(right - width, innerWidth - width)}px`;
    list.style.top = `${within(bottom + GAP, innerHeight - height)}px`;
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className="graphiql-un-styled graphiql-toolbar-button"
        aria-label={label}
        title={label}
        popoverTarget={id}
      >
        {icon}
      </button>
      <div id={id} popover="auto" role="group" aria-label={label} className="popover" onToggle={place}>
        {children}
      </div>
    </>
  );
}

/** Closes what a button has opened over the page, and returns the focus to the button. */
export function closePopover(): void {
  document.querySelector<HTMLElement>(":popover-open")?.hidePopover();
}

const GAP = 6;

/** Returns the position nearest to `wanted` that leaves a gap at both ends. */
function within(wanted: number, most: number): number {
  return Math.max(GAP, Math.min(wanted, most - GAP));
}
