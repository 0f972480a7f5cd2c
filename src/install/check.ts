import type { Rollout } from "../api/rollout.ts";
import type { Clock } from "../kube/clock.ts";
import { ApiError, isKind } from "../kube/errors.ts";
import { defineResource, type Resources } from "../kube/resource.ts";
import { readLeadership } from "./lease.ts";
import type { CheckSettings } from "./settings.ts";

defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts");

/** One thing that an install must show, and what it showed. */
export interface Finding {
  readonly ok: boolean;
  readonly what: string;
  readonly saw: string;
}

const LEADS_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 1_000;

/** Looks at an install from the inside, by dry runs and reads alone: `helm test`.
 * @param serverNow the API server's clock, in milliseconds since the epoch */
export async function check(
  settings: CheckSettings,
  { resources, clock, serverNow }: { resources: Resources; clock: Clock; serverNow: () => number },
): Promise<Finding[]> {
  return [
    await definitionsRefuse(resources, settings.namespace),
    await policyApplies(resources, settings),
    await operatorLeads(resources, settings.namespace, clock, serverNow),
  ];
}

/** The definitions are there, and their rules are at work. */
async function definitionsRefuse(resources: Resources, namespace: string): Promise<Finding> {
  const what = "the definitions refuse a bad Rollout";
  const answer = await dryRun(resources, aRollout(namespace, 150));
  return { ok: answer.kind === "refused" && answer.message.includes("steps[0].weight"), what, saw: answer.message };
}

/** A good one is taken, but where the policy stands it says that this account may not make Deployments either. */
async function policyApplies(resources: Resources, { namespace, policy }: CheckSettings): Promise<Finding> {
  const answer = await dryRun(resources, aRollout(namespace, 50));
  const byPolicy = answer.kind === "forbidden" && answer.message.includes("ValidatingAdmissionPolicy");
  return policy
    ? { ok: byPolicy, what: "the policy refuses who may not make Deployments", saw: answer.message }
    : { ok: answer.kind === "taken" || byPolicy, what: "the definitions take a good Rollout", saw: answer.message };
}

async function operatorLeads(
  resources: Resources,
  namespace: string,
  clock: Clock,
  serverNow: () => number,
): Promise<Finding> {
  const what = "an operator leads";
  for (const endMs = clock.monotonicMs() + LEADS_WITHIN_MS; ; await clock.sleep(LOOK_EVERY_MS)) {
    const lease = await readLeadership(resources, namespace);
    if (lease !== undefined && lease.holder !== "" && serverNow() - lease.renewedMs < lease.durationMs)
      return { ok: true, what, saw: lease.holder };
    if (clock.monotonicMs() > endMs)
      return { ok: false, what, saw: lease === undefined ? "no Lease" : `the Lease of "${lease.holder}" has run out` };
  }
}

type Answer = { readonly kind: "taken" | "refused" | "forbidden"; readonly message: string };

async function dryRun(resources: Resources, rollout: Rollout): Promise<Answer> {
  try {
    await resources.create(rollout, { dryRun: true, strict: true });
    return { kind: "taken", message: "taken" };
  } catch (error) {
    if (isKind(error, "invalid")) return { kind: "refused", message: error.message };
    if (isKind(error, "forbidden", "notFound") && error instanceof ApiError)
      return { kind: "forbidden", message: error.message };
    throw error;
  }
}

function aRollout(namespace: string, weight: number): Rollout {
  const labels = { app: "zenith-check" };
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "zenith-check", namespace },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "check", image: "check" }] } },
      strategy: { canary: { steps: [{ weight }] } },
    },
  };
}
