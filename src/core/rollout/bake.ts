import type { Situation } from "./decide.ts";
import { ANOTHER_FIRST } from "./marks.ts";
import { restingAs } from "./rest.ts";
import type { Target } from "./target.ts";

/** Why a bake whose time is over goes on: it ends with an answer, and neither an outage of Prometheus nor the absence of data
 * is one. Undefined where it may end. */
export function overdueBake({ world, judged }: Situation): string | undefined {
  if (world.settings.analysis === undefined || world.snapshot.metrics.source.kind !== "ready") return undefined;
  if (judged === undefined || !judged.answered) return "until Prometheus has answered";
  const { kind, message } = judged.verdict;
  if (kind === "NoData") return `until there is data: ${message}`;
  return kind === "Error" ? `until Prometheus answers again: ${message}` : undefined;
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
