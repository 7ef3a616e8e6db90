/** Checks an API that has failed until it answers again. */

import { Store } from "./store.ts";

export type Health = "well" | "away" | "back";

export class HealthWatch {
  readonly state = new Store<Health>("well");
  #looking = false;

  constructor(
    private readonly isWell: () => Promise<boolean>,
    private readonly sleep: (milliseconds: number) => Promise<void>,
  ) {}

  /** Starts checking after a request without a response. */
  async look(): Promise<void> {
    this.state.set("away");
    if (this.#looking) return;
    this.#looking = true;
    do await this.sleep(2_000);
    while (!(await this.isWell()));
    this.#looking = false;
    this.state.set("back");
  }

  /** Records that the user has seen that the API answers again. */
  seen(): void {
    if (!this.#looking) this.state.set("well");
  }
}

export async function askHealthz(): Promise<boolean> {
  try {
    const answer = await fetch("/healthz", { cache: "no-store", credentials: "omit" });
    return answer.ok;
  } catch {
    return false;
  }
}
