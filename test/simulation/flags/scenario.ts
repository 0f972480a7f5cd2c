import type { FeatureFlag, FeatureFlagSpec } from "../../../src/api/feature-flag.ts";
import type { Rng } from "../rng.ts";

type Canary = NonNullable<NonNullable<FeatureFlagSpec["strategy"]>["canary"]>;
export type FlagSteps = NonNullable<Canary["steps"]>;

/** What one seed is about: a flag that goes up in steps. */
export interface FlagScenario {
  readonly flag: FeatureFlag;
  readonly perSecond: number; // requests
}

export const TREATED = "new";

/** A query of a user's own, that weighs no evidence: so many answers in a row above its limit, and the flag goes back. */
export const FAILURES = { name: "failures", promql: "failures", max: 0.05, consecutive: 2 } as const;

export function flagScenarioOf(rng: Rng): FlagScenario {
  const spec: FeatureFlagSpec = {
    variants: { string: { old: "old", new: "new", plain: "plain" } },
    defaultVariant: "old",
    ...(rng.chance(0.3) ? { safeVariant: "plain" } : {}),
    lifecycle: { owner: "checkout" },
    ...(rng.chance(0.3) ? { rules: RULES } : {}),
    strategy: { canary: canaryOf(rng) },
  };
  const metadata = { name: "checkout", namespace: "shop", labels: { tier: "web" } };
  return {
    flag: { apiVersion: "zenith.sh/v1alpha1", kind: "FeatureFlag", metadata, spec },
    perSecond: rng.pick([20, 60, 200]),
  };
}

export const RULES: NonNullable<FeatureFlagSpec["rules"]> = [
  { name: "insiders", when: [{ attribute: "plan", in: ["insider"] }], serve: TREATED },
];

function canaryOf(rng: Rng): Canary {
  const errorRate = { errorRate: { max: "1%" } };
  const query = { query: FAILURES };
  return {
    variant: TREATED,
    steps: flagStepsOf(rng),
    onFailure: rng.pick(["revert", "revert", "gracefulRevert"] as const),
    bake: rng.pick(["0s", "40s", "2m"]),
    analysis: {
      interval: "15s",
      metrics: rng.pick([[errorRate], [errorRate, query], [query]]),
      ...(rng.chance(0.3) ? { onNoData: { after: "1m", then: rng.pick(["hold", "revert"] as const) } } : {}),
      onUnsure: { after: "3m", then: rng.pick(["pause", "promote", "revert"] as const) },
    },
  };
}

export function flagStepsOf(rng: Rng): FlagSteps {
  return rng.pick<FlagSteps>([
    [{ weight: 20 }, { pause: { for: "30s" } }, { weight: 50 }, { analysis: { for: "40s" } }],
    [{ weight: 10 }, { analysis: { for: "20s" } }, { weight: 40 }, { pause: {} }],
    [{ weight: 5 }, { pause: { for: "1m" } }, { weight: 25 }, { weight: 75 }],
    [{ pause: { for: "10s" } }, { weight: 1 }, { weight: 50 }, { pause: { for: "20s" } }, { weight: 80 }],
    [{ weight: 33 }, { analysis: { for: "1m" } }],
  ]);
}
