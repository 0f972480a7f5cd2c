import type { ReplicaSet } from "../../api/kubernetes.ts";
import type { RolloutStatus } from "../../api/rollout.ts";
import type { AnalysisMemory } from "../analysis/memory.ts";
import type { Notice, Plan } from "../plan.ts";
import { analyse } from "./analyse.ts";
import { converge } from "./converge.ts";
import { decide } from "./decide.ts";
import { replicaSetOf } from "./objects.ts";
import { ordersOf } from "./requests.ts";
import { revertedMessage } from "./return.ts";
import type { Snapshot } from "./snapshot.ts";
import { isMinor, statusOf } from "./status.ts";
import type { Target } from "./target.ts";
import { conditionOf, observe, type Routers, type World } from "./world.ts";

export interface RolloutPlan extends Plan<RolloutStatus> {
  /** What the judge knows now; the shell keeps it for the next pass. */
  readonly memory?: AnalysisMemory;
  /** The status changed in what is told with the next change as well: it may be owed for `MINOR_MS`. */
  readonly minor?: boolean;
  /** What would be made of a template that nothing is known of yet: whoever carries the plan out asks the API server about
   * it first. */
  readonly unproven?: ReplicaSet;
  /** What was decided, for the dry run, the log and tests. */
  readonly target: Target;
}

/** What to do about one Rollout: `decide` says what should be, `converge` which writes lead there. Pure and total.
 * @param routers by kind of route, from src/traffic */
export function planRollout(snapshot: Snapshot, routers: Routers): RolloutPlan {
  const world = observe(snapshot, routers);
  const analysed = analyse(world);
  const orders = ordersOf(world);
  const target = decide({
    world,
    ...(analysed === undefined ? {} : { judged: analysed.judged }),
    ...(orders === undefined ? {} : { orders }),
  });
  const status = statusOf(world, target, analysed?.memory, orders);
  const unproven = unprovenSet(world, target);
  return {
    ...(unproven === undefined ? {} : { unproven }),
    writes: converge(target, world, routers),
    ...(status === undefined ? {} : { status, minor: isMinor(world, status) }),
    notices: noticesOf(world, target),
    ...(target.checkAgainInMs === undefined ? {} : { checkAgainInMs: target.checkAgainInMs }),
    ...(analysed === undefined ? {} : { memory: analysed.memory }),
    target,
  };
}

/** A Deployment's template too: a quota or a policy may take its ReplicaSet and refuse ours. A take-over that has begun goes
 * on with the template that it began with. In a breach nothing is asked. */
function unprovenSet(world: World, { urgent }: Target): ReplicaSet | undefined {
  const { wanted, settings, stable, status } = world;
  if (wanted === undefined || urgent !== undefined) return undefined;
  const takesOver = settings.workload !== undefined && stable === undefined;
  if (takesOver && status.progress?.first !== undefined) return undefined;
  if (wanted.replicaSet !== undefined || wanted.record !== undefined) return undefined;
  return replicaSetOf(world, wanted, world.replicas);
}

/** Holds that belong to every release. */
const PATIENT: readonly string[] = ["Pausing", "TooFewRequests"];

/** Events for what a person would want to have seen; none for what repeats. */
function noticesOf(world: World, target: Target): Notice[] {
  const notices: Notice[] = [];
  const before = world.status;
  const note = (type: Notice["type"], reason: string, message: string) => notices.push({ type, reason, message });
  if (target.promoted !== undefined && target.promoted !== world.stable?.hash)
    note("Normal", "Promoted", `revision ${target.promoted} serves all traffic`);
  if (target.rejected !== undefined && before.rejected?.revision !== target.rejected.revision)
    note("Warning", "Reverted", target.phase === "Reverted" ? target.message : revertedMessage(target.rejected));
  if (target.stage === "Stepping" && before.progress?.stage !== "Stepping")
    note("Normal", "Started", `revision ${target.canary} starts against stable ${target.stable}`);
  const rising =
    target.wish?.kind === "paired" && target.wish.canaryBp > world.routes.canaryBp && target.urgent === undefined;
  if (rising && target.wish?.kind === "paired")
    note("Normal", "WeightRaised", `canary ${target.canary} gets ${target.wish.canaryBp / 100} %`);
  if (target.phase === "Paused" && before.phase !== "Paused") note("Normal", "Paused", target.message);
  if (target.phase === "Failed" && before.message !== target.message) note("Warning", target.reason, target.message);
  const held = conditionOf(before, "Ready")?.reason;
  if (target.message.startsWith("holding") && held !== target.reason && !PATIENT.includes(target.reason))
    note("Warning", target.reason, target.message);
  return notices;
}
