/** Shows that a service does not answer, and later that it answers again. */

import { health } from "./page.ts";
import { useStore } from "./store.ts";

export function HealthBanner() {
  const state = useStore(health.state);
  return (
    <div role="status" className="health" data-state={state}>
      {state === "away" && (
        <p>
          <strong>A part of Chirp does not answer.</strong> This page checks every two
          seconds. If you run Chirp yourself, see the terminal of <code>make up</code>.
        </p>
      )}
      {state === "back" && (
        <p>
          <strong>Chirp answers again.</strong> Run the operation once more.{" "}
          <button type="button" onClick={() => health.seen()}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}
