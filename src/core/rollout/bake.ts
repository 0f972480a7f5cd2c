import { unansweredBake } from "../analysis/obstacle.ts";
import type { Situation } from "./decide.ts";
import { ANOTHER_FIRST } from "./marks.ts";
import { restingAs } from "./rest.ts";
import type { Target } from "./target.ts";

/** Why a bake whose time is over goes on; undefined where it may end. */
export function overdueBake({ world, judged }: Situation): string | undefined {
  const { settings, snapshot, nowMs } = world;
  if (settings.analysis === undefined || settings.bakeMs === 0) return undefined;
  return unansweredBake(settings.analysis, snapshot.metrics.source, judged, nowMs);
}

/**
 * Of several bakes that breach at once the one promoted last goes back first, as the latest change is the likeliest cause;
 * the others are judged anew once it has, by what happens then. One that makes no progress is not waited for.
 */
export function anotherGoesBackFirst({ world, judged }: Situation): Target | undefined {
  const { stable, previous, status, settings, snapshot, nowMs } = world;
  const later = snapshot.rollingBackLater;
  const baking = status.progress?.stage === "Resting" && status.bake !== undefined && previous !== undefined;
  if (!baking || stable === undefined || later === undefined) return undefined;
  const breached = judged?.verdict.kind === "Fail" || status.progress?.mark === ANOTHER_FIRST;
  if (!breached || !(nowMs - later.sinceMs < settings.progressDeadlineMs)) return undefined;
  return {
    ...restingAs(world, stable),
    phase: "Baking",
    mark: ANOTHER_FIRST,
    reason: "AnotherGoesBackFirst",
    baking: true,
    message: `breached, but Rollout "${later.rollout}" was promoted later and goes back first; then this one is judged anew`,
    checkAgainInMs: 1_000,
  };
}
