/** The actions beside the editor: share, copy as curl, show the plan, save, download the schema. */

import { useHistory, useHistoryActions } from "@graphiql/plugin-history";
import { pick, useGraphiQL } from "@graphiql/react";
import { lazy, Suspense, useState } from "react";

import { UnreachableError } from "./api.ts";
import { curl, shortened } from "./curl.ts";
import { readOperation } from "./operation.ts";
import { post, session } from "./page.ts";
import { queryPlan } from "./plan.ts";
import { closePopover, Popover } from "./popover.tsx";
import { type Written, withoutSecrets } from "./secrets.ts";
import { linkTo } from "./share.ts";
import { opensSession } from "./sign-in.ts";
import { useStore } from "./store.ts";

const TextDialog = lazy(() => import("./text-dialog.tsx"));

interface Shown {
  title: string;
  text: string;
  note: string;
}

const LEFT_OUT = "Passwords, tokens and codes are left out.";

export function Tools() {
  const { queryEditor, variableEditor, operationName } = useGraphiQL(
    pick("queryEditor", "variableEditor", "operationName"),
  );
  const isSignedIn = useStore(session.state).is === "signed-in";
  const saved = useHistory().filter(({ favorite }) => favorite);
  const { toggleFavorite } = useHistoryActions();
  const [shown, setShown] = useState<Shown | null>(null);
  const [said, setSaid] = useState("");

  const show = (next: Shown): void => {
    closePopover();
    setShown(next);
  };

  /** Returns the operation in the editor without secrets; says why there is none. */
  const written = (): Written | null => {
    const query = queryEditor?.getValue() ?? "";
    const clean = query.trim() ? withoutSecrets({ query, variables: variableEditor?.getValue() || null }) : null;
    if (!clean) setSaid(NO_OPERATION);
    return clean;
  };

  const copy = async (what: string, text: string, note: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid(`${what} copied. ${note}`);
    } catch {
      // No permission, or a page without TLS: the text can be copied by hand.
      show({ title: what, text, note });
    }
  };

  const copyLink = (withVariables: boolean): void => {
    const clean = written();
    if (!clean) return;
    const tab = withVariables ? clean : { ...clean, variables: null };
    const note = withVariables ? LEFT_OUT : `It has no variables. ${LEFT_OUT}`;
    void copy("Link", linkTo(`${location.origin}/`, tab), note);
  };

  const copyCurl = (hasToken: boolean): void => {
    const clean = written();
    if (!clean) return;
    const operation = readOperation(clean.query, operationName);
    const { accessToken } = session.tokens ?? {};
    const isSent = accessToken !== undefined && !(operation && opensSession(operation));
    const token = isSent ? (hasToken ? shortened(accessToken) : "$TOKEN") : null;
    const request = requestOf(clean, operationName);
    const note = token === "$TOKEN" ? `Set TOKEN to your access token. ${LEFT_OUT}` : LEFT_OUT;
    const isStream = operation?.kind === "subscription";
    void copy("curl command", curl(`${location.origin}/graphql`, request, token, isStream), note);
  };

  const showPlan = async (): Promise<void> => {
    const clean = written();
    if (!clean) return;
    const operation = readOperation(clean.query, operationName);
    try {
      const plan = await queryPlan(
        (request, headers) => post(request, { headers }),
        requestOf(clean, operationName),
        operation,
      );
      show(
        plan.is === "plan"
          ? { title: "Query plan", text: plan.text, note: "The operation was planned and not run." }
          : { title: "No query plan", text: "", note: plan.why },
      );
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      show({ title: "No query plan", text: "", note: error.message });
    }
  };

  const save = (): void => {
    const clean = written();
    if (!clean) return;
    const entry = {
      query: clean.query,
      ...(clean.variables === null ? {} : { variables: clean.variables }),
      ...(operationName ? { operationName } : {}),
    };
    const isSaved = saved.some((one) => one.query === entry.query && one.variables === entry.variables);
    if (!isSaved) toggleFavorite(entry);
    setSaid(`Saved: the history on the left keeps it in this browser. ${LEFT_OUT}`);
  };

  return (
    <>
      <Popover label="Share, copy, plan, save" icon={<More />} onOpen={() => setSaid("")}>
        <ul>
          <Action name="Copy link" run={() => copyLink(false)} />
          <Action name="Copy link with variables" run={() => copyLink(true)} />
          <Action name="Copy as curl" run={() => copyCurl(false)} />
          {isSignedIn && <Action name="Copy as curl, token shortened" run={() => copyCurl(true)} />}
          <Action name="Show query plan" run={() => void showPlan()} />
          <Action name="Save operation" run={save} />
          <Action name="Download schema" run={() => void download(setSaid)} />
        </ul>
        <p role="status">{said}</p>
      </Popover>
      {shown && (
        <Suspense fallback={null}>
          <TextDialog {...shown} onClose={() => setShown(null)} />
        </Suspense>
      )}
    </>
  );
}

function requestOf({ query, variables }: Written, operationName: string | undefined) {
  return {
    query,
    ...(variables === null ? {} : { variables: JSON.parse(variables) as Record<string, unknown> }),
    ...(operationName ? { operationName } : {}),
  };
}

/** Downloads the schema that the API has published. */
async function download(say: (text: string) => void): Promise<void> {
  const response = await fetch("/schema.graphql", { credentials: "omit" }).catch(() => null);
  if (!response?.ok) {
    say("The schema is not published: GRAPHQL_INTROSPECTION is off, or the page cannot be reached.");
    return;
  }
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = "schema.graphql";
  link.click();
  URL.revokeObjectURL(url);
  say("schema.graphql is downloaded.");
}

const NO_OPERATION = "The editor is empty, or the operation has a syntax error.";

function Action({ name, run }: { name: string; run: () => void }) {
  return (
    <li>
      <button type="button" onClick={run}>
        {name}
      </button>
    </li>
  );
}

function More() {
  return (
    <svg viewBox="0 0 16 16" className="graphiql-toolbar-icon" fill="currentColor" aria-hidden="true">
      <circle cx="3" cy="8" r="1.5" />
      <circle cx="8" cy="8" r="1.5" />
      <circle cx="13" cy="8" r="1.5" />
    </svg>
  );
}
