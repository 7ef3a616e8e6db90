/** What panels read from the API and do with it, for React; failures become messages. */

import { useEffect, useState } from "react";

import { messageOf } from "./signed.ts";

/** Runs actions one at a time. `problem` says why the last one failed, or what it returned. */
export function useAction() {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const act = async (action: () => Promise<string | null | void>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      setProblem((await action()) ?? null);
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, act };
}

/** Reads a value, and again for each other `version`. The value is null until it is read. */
export function useLoading<T>(read: () => Promise<T>, version = 0) {
  const [value, setValue] = useState<T | null>(null);
  const { problem, act } = useAction();
  useEffect(() => {
    void act(async () => setValue(await read()));
  }, [version]);
  return { value, problem, setValue };
}
