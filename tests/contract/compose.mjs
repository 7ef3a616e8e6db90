// Runs copies of router/compose.mjs in one process: loading the composers takes a second.
//
// Each line of the input, {"root": …, "options": […]}, is answered by {"status", "stdout", "stderr"}.
import { pathToFileURL } from "node:url";
import { createInterface } from "node:readline";

let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { root, options } = JSON.parse(line);
  const script = `${root}/router/compose.mjs`;
  const written = { log: [], error: [] };
  const { log, error } = console;
  console.log = (text) => written.log.push(text);
  console.error = (text) => written.error.push(text);
  process.argv = [process.argv[0], script, ...options];
  process.exitCode = 0;
  try {
    // A module runs once for each address.
    await import(`${pathToFileURL(script)}?${number++}`);
  } finally {
    Object.assign(console, { log, error });
  }
  const answer = { status: process.exitCode, stdout: written.log.join("\n"), stderr: written.error.join("\n") };
  process.exitCode = 0;
  console.log(JSON.stringify(answer));
}
