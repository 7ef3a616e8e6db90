/** The query plan of an operation, which the router shows in development. */

import { type Answer, isRecord, type Request } from "./api.ts";
import type { Operation } from "./operation.ts";

/** The plan as text, or why there is none. */
export type Plan = { is: "plan"; text: string } | { is: "none"; why: string };

export type Send = (request: Request, headers: Record<string, string>) => Promise<Answer>;

/** The router plans the operation and does not run it. */
const DRY_RUN = { "apollo-expose-query-plan": "dry-run" };
/** A router that shows no plans ignores the header and runs the operation, so this one is sent first. */
const PROBE: Request = { query: "{ me { __typename } }" };

/** Returns the plan of an operation without running it. Rejects with UnreachableError. */
export async function queryPlan(
  send: Send,
  request: Request,
  operation: Operation | null,
): Promise<Plan> {
  if (operation?.kind === "subscription") return none(SUBSCRIPTION);
  if (!planIn(await send(PROBE, DRY_RUN))) return none(HIDDEN);
  const answer = await send(request, DRY_RUN);
  const plan = planIn(answer);
  if (plan !== null) return { is: "plan", text: plan };
  const reasons = (answer.body.errors ?? []).map(({ message }) => message);
  return none(reasons.length > 0 ? reasons.join("\n") : NOTHING);
}

const SUBSCRIPTION =
  "A subscription has no query plan: the edge sends it to its service, past the router.";
const HIDDEN = "This router shows no query plans. It does so in development (ROUTER_QUERY_PLANS).";
const NOTHING = "The router answers this operation itself, without a plan.";

function none(why: string): Plan {
  return { is: "none", why };
}

function planIn({ body }: Answer): string | null {
  const plan = isRecord(body.extensions) ? body.extensions["apolloQueryPlan"] : null;
  return isRecord(plan) && typeof plan["text"] === "string" ? plan["text"] : null;
}
