// Commands come as lines of JSON on stdin, and what a client tells goes out as lines on stdout:
// so a test in Python drives a client in Node.
import { createInterface } from "node:readline";

export function tell(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

// Runs `commands[line.do](line)` for each line; ends with stdin.
export function obey(commands) {
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const command = JSON.parse(line);
      commands[command.do](command);
    })
    .on("close", () => process.exit(0));
  tell({ event: "ready" });
}

// Reads nothing from any connection meanwhile, as a page that hangs.
export function freeze({ seconds }) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000 * seconds);
  tell({ event: "awake" });
}

// The token that is used from now on; one that is needed may be waited for.
export class Token {
  #value;
  #waiting = [];

  get current() {
    return this.#value;
  }

  set(value) {
    this.#value = value;
    for (const go of this.#waiting.splice(0)) go();
  }

  next() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
