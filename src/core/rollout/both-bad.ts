import { weightAt } from "../steps.ts";
import type { Situation } from "./decide.ts";
import { promotesFully } from "./gates.ts";
import { BOTH_BAD } from "./marks.ts";
import { isStranded } from "./return.ts";
import { hasRoutes, remainingMs, type Target } from "./target.ts";
import type { World } from "./world.ts";

/** Both versions bad for this long: the canary's traffic goes back, without blame. */
const BOTH_BAD_MS = 300_000;
/** How long it stays at 0 before it is tried again. */
const BOTH_BAD_REST_MS = 600_000;

/** Where both versions are bad for minutes the canary is not to blame, yet not to be trusted: its traffic goes back, and it
 * is tried again, judged anew, once stable has had time to recover or when a person promotes. */
export function bothBad(situation: Situation, target: Target): Target | undefined {
  const { world, judged, orders } = situation;
  const { status, routes } = world;
  const verdict = judged?.verdict;
  const resting = status.progress?.mark === BOTH_BAD;
  const restMs = resting ? remainingMs(world, "Stepping", BOTH_BAD, BOTH_BAD_REST_MS) : 0;
  if ((hasRoutes(routes) && isStranded(world)) || (resting && (restMs === 0 || orders?.promote === true)))
    return undefined;
  if (!resting && (verdict?.kind !== "Hold" || world.nowMs - verdict.sinceMs < BOTH_BAD_MS)) return undefined;
  return {
    ...target,
    mark: BOTH_BAD,
    reason: "BothVersionsBad",
    message: `holding at 0 %: ${resting ? "stable and canary were both bad" : (verdict?.message ?? "")}; tried again in ${Math.ceil((resting ? restMs : BOTH_BAD_REST_MS) / 60_000)} min, or on promote`,
    weightBp: 0,
    ...againFrom(situation, target),
    ...(hasRoutes(routes) ? backByRoutes(world, target) : backBySizes(world)),
    checkAgainInMs: resting ? restMs : BOTH_BAD_REST_MS,
  };
}

/** At 100 % there is no stable to compare with, and how bad it was then says nothing of now: the next try begins at the last
 * weight below. */
function againFrom(situation: Situation, { stepIndex }: Target): Pick<Target, "stepIndex" | "stepChanged"> {
  const { steps } = situation.world.settings;
  if (weightAt(steps, stepIndex) < 10_000 || promotesFully(situation)) return { stepIndex };
  const below = steps.findLastIndex((step, i) => i < stepIndex && step.kind === "weight" && step.weightBp < 10_000);
  return below === -1 ? { stepIndex } : { stepIndex: below, stepChanged: true };
}

/** The canary keeps its pods: for as long as the 0 is not effective they serve. */
function backByRoutes({ routes, canary }: World, { sizes }: Target): Pick<Target, "wish" | "sizes"> {
  const kept = canary === undefined ? {} : { [canary.hash]: Math.max(canary.size, sizes[canary.hash] ?? 0) };
  return {
    sizes: { ...sizes, ...kept },
    ...(routes.state === "rest" ? {} : { wish: { kind: "paired", canaryBp: 0 } }),
  };
}

/** Stable may have few pods left, or none: the canary's go once it is back at full size. */
function backBySizes({ stable, canary, replicas }: World): Pick<Target, "sizes" | "stepReady"> {
  const isBack = (stable?.ready ?? 0) >= replicas;
  const none = isBack && canary !== undefined ? { [canary.hash]: 0 } : {};
  return { sizes: { [stable?.hash ?? ""]: replicas, ...none }, stepReady: false };
}
