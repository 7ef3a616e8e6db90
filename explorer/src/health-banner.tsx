/** Says that a service is away, and when it is back. */

import { health } from "./page.ts";
import { useStore } from "./store.ts";

export function HealthBanner() {
  const state = useStore(health.state);
  return (
    <div role="status" className="health" data-state={state}>
      {state === "away" && (
        <p>
          <strong>A part of Chirp does not answer.</strong> The page looks every two seconds
          whether it is back. If you run Chirp yourself, the terminal of <code>make up</code> tells
          more.
        </p>
      )}
      {state === "back" && (
        <p>
          <strong>Chirp answers again.</strong> Run the operation once more.{" "}
          <button type="button" onClick={() => health.seen()}>
            All right
          </button>
        </p>
      )}
    </div>
  );
}
