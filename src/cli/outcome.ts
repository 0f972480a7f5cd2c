import type { Deployment } from "../api/kubernetes.ts";
import { parseRequest } from "../api/request.ts";
import type { Rollout } from "../api/rollout.ts";
import { conditionOf } from "../core/rollout/world.ts";
import { EXIT } from "./errors.ts";
import { type Asked, unanswered } from "./request.ts";

/** What is waited for. */
export interface Expectation {
  /** The revision; undefined until it is known which one the spec asks for. */
  readonly revision?: string;
  readonly until: "promoted" | "baked";
  /** Goes on waiting where a person is waited for. */
  readonly throughPauses: boolean;
}

export type Outcome =
  | { readonly kind: "waiting"; readonly revision?: string; readonly message: string }
  | {
      readonly kind: "promoted" | "reverted" | "failed" | "human" | "superseded";
      readonly revision: string;
      readonly message: string;
    };

export const CODES: Readonly<Record<Exclude<Outcome["kind"], "waiting">, number>> = {
  promoted: EXIT.ok,
  reverted: EXIT.reverted,
  failed: EXIT.reverted,
  human: EXIT.human,
  superseded: EXIT.superseded,
};

/** Where a release stands for whoever waits for it. Pure.
 * @param deployment the one that the Rollout refers to, where it may be read */
export function outcomeOf(rollout: Rollout, deployment: Deployment | undefined, expected: Expectation): Outcome {
  const { status } = rollout;
  const wanted = status?.wanted?.revision;
  // Nobody knows which revision is wanted where what it is made of is missing.
  if (wanted === undefined && status?.phase === "Failed" && isGenerationSeen(rollout))
    return { kind: "failed", revision: expected.revision ?? "", message: status.message ?? "" };
  if (status === undefined || wanted === undefined || !isSeen(rollout, deployment))
    return { kind: "waiting", message: "waiting until the operator has seen the latest change" };
  const revision = expected.revision ?? wanted;
  const message = status.message ?? "";
  if (revision !== wanted) return overtaken(rollout, revision, wanted);
  const { phase } = status;
  if (phase === "Reverted" && isOver(rollout, revision)) return { kind: "reverted", revision, message };
  if (phase === "Failed") return { kind: "failed", revision, message };
  if (phase === "Paused" && !expected.throughPauses) return { kind: "human", revision, message };
  const promoted = conditionOf(status, "Promoted")?.status === "True" && status.stable?.revision === revision;
  if (promoted && (expected.until === "promoted" || phase === "Healthy"))
    return { kind: "promoted", revision, message };
  return { kind: "waiting", revision, message };
}

/** Whether the revision was rejected, and nobody has asked to try it again: while one goes back, the phase says nothing of
 * another that is wanted by then. */
function isOver(rollout: Rollout, revision: string): boolean {
  if (rollout.status?.rejected?.revision !== revision) return false;
  const asked = parseRequest(unanswered(rollout) ?? "");
  return asked?.verb !== "retry" || asked.hash !== revision;
}

/** What was applied last is what the status speaks of: a status of before tells of another release. */
export function isSeen(rollout: Rollout, deployment: Deployment | undefined): boolean {
  if (!isGenerationSeen(rollout)) return false;
  const seen = rollout.status?.workload?.observedGeneration ?? 0;
  return deployment === undefined || seen >= (deployment.metadata.generation ?? 0);
}

/** As `isSeen`, of an object alone. */
export function isGenerationSeen({ metadata, status }: Asked): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
}

function overtaken({ status }: Rollout, revision: string, wanted: string): Outcome {
  if (status?.rejected?.revision === revision) return { kind: "reverted", revision, message: status.rejected.message };
  if (status?.stable?.revision === revision)
    return { kind: "promoted", revision, message: `revision ${revision} was promoted; ${wanted} is on its way by now` };
  return { kind: "superseded", revision, message: `revision ${wanted} is wanted by now instead of ${revision}` };
}
