/** A part of the bar that a narrow window keeps behind a button, over the page. */

import { type ReactNode, useEffect, useId, useRef } from "react";

/** As in page.css. */
const NARROW = "(max-width: 1199px)";

interface Props {
  label: ReactNode;
  /** A message in the drawer that the user has to see: it opens the drawer. */
  message: string | null;
  children: ReactNode;
}

export function Drawer({ label, message, children }: Props) {
  const id = useId();
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (message !== null && matchMedia(NARROW).matches) panel.current?.showPopover();
  }, [message]);
  return (
    <>
      <button type="button" className="opens-drawer" popoverTarget={id}>
        {label}
      </button>
      <div ref={panel} id={id} popover="auto" className="drawer">
        {children}
      </div>
    </>
  );
}

/** Shows what a narrow window keeps behind the button. */
export function openDrawer(): void {
  const drawer = document.querySelector<HTMLElement>(".drawer:not(:popover-open)");
  if (matchMedia(NARROW).matches) drawer?.showPopover();
}
