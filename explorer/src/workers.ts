/** Monaco's workers; each is loaded when its language is first used. */

self.MonacoEnvironment = {
  getWorker(_: string, label: string): Worker {
    if (label === "graphql") {
      return new Worker(new URL("./graphql.worker.ts", import.meta.url), { type: "module" });
    }
    if (label === "json") {
      return new Worker(new URL("./json.worker.ts", import.meta.url), { type: "module" });
    }
    return new Worker(new URL("./editor.worker.ts", import.meta.url), { type: "module" });
  },
};

export {};
