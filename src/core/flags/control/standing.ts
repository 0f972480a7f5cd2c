import type { Condition } from "../../../api/kubernetes.ts";
import { percent } from "../../analysis/sentences.ts";
import { conditionsSaying, type Said } from "../../conditions.ts";
import type { Delivered } from "./delivered.ts";
import { isMismatch, type SampleRatio } from "./sample-ratio.ts";
import { staleness } from "./staleness.ts";
import type { FlagPhase, FlagTarget } from "./target.ts";
import type { FlagWorld } from "./world.ts";

type Truth = "True" | "False";
type Row = Readonly<Record<"Ready" | "Progressing" | "Promoted", Truth>>;

/** One row a phase: what Helm, Flux, Argo CD and `kubectl wait` read. A flag is ready when users get what those in charge want
 * them to get: also what is safe, while a KillSwitch says so. */
const CONDITIONS: Readonly<Record<FlagPhase, Row>> = {
  Progressing: { Ready: "True", Progressing: "True", Promoted: "False" },
  Paused: { Ready: "True", Progressing: "False", Promoted: "False" },
  Baking: { Ready: "True", Progressing: "True", Promoted: "True" },
  Healthy: { Ready: "True", Progressing: "False", Promoted: "True" },
  Reverted: { Ready: "False", Progressing: "False", Promoted: "False" },
  Killed: { Ready: "True", Progressing: "False", Promoted: "False" },
  Disabled: { Ready: "True", Progressing: "False", Promoted: "False" },
  Failed: { Ready: "False", Progressing: "False", Promoted: "False" },
};

/** kstatus reads Stalled (will not go on by itself); absent is false. */
export function conditionsOf(
  world: FlagWorld,
  target: FlagTarget,
  ratio: SampleRatio | undefined,
  delivered: Delivered,
): Condition[] {
  const { status, flag, nowMs } = world;
  const { phase, reason, message } = target;
  const stalled = phase === "Reverted" || phase === "Failed";
  const states: Record<string, Truth> = { ...CONDITIONS[phase], ...(stalled ? { Stalled: "True" } : {}) };
  const said = Object.entries(states).map(([type, truth]) => [type, { status: truth, reason, message }] as const);
  const own: Record<string, Said> = {
    ...Object.fromEntries(said),
    Killed: killedSaid(world),
    Stale: staleSaid(world),
    ...(delivered.kind === "untold" ? {} : { Delivered: delivered.said }),
    ...mismatchSaid(ratio),
  };
  return conditionsSaying(own, status.conditions, flag.metadata.generation ?? 0, new Date(nowMs).toISOString());
}

function killedSaid({ kills }: FlagWorld): Said {
  const [kill] = kills;
  if (kill === undefined) return { status: "False", reason: "NotKilled", message: "no KillSwitch selects it" };
  const others = kills.length > 1 ? `, and ${kills.length - 1} more` : "";
  return {
    status: "True",
    reason: "Killed",
    message: `KillSwitch "${kill.metadata.name}"${others}: ${kill.spec.reason}`,
  };
}

function staleSaid(world: FlagWorld): Said {
  const stale = staleness(world, promotedSince(world));
  if (stale !== undefined) return { status: "True", ...stale };
  return { status: "False", reason: "InUse", message: "it may stay in the code" };
}

/** Since when everyone is treated, as status had it. */
export function promotedSince({ status }: FlagWorld): string | undefined {
  const promoted = status.conditions?.find(({ type }) => type === "Promoted");
  return promoted?.status === "True" ? promoted.lastTransitionTime : undefined;
}

function mismatchSaid(ratio: SampleRatio | undefined): Record<string, Said> {
  if (ratio === undefined) return {};
  const { wanted, seen, requests } = ratio;
  const counts = `${percent(seen)} of ${requests} requests came with the variant, and ${percent(wanted)} of the users should get it`;
  if (!isMismatch(ratio)) return { SampleRatioMismatch: { status: "False", reason: "AsWeighted", message: counts } };
  const message = `${counts}: do requests lack the sticky attribute, does something cache, or do users leave?`;
  return { SampleRatioMismatch: { status: "True", reason: "SampleRatioMismatch", message } };
}
