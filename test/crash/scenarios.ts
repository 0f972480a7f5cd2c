import { deployment, rollout, shop } from "../demo/shop.ts";

/** One whole story of a Rollout: what there is first, then acts, each with the state that ends it. */
export interface Scenario {
  readonly name: string;
  readonly setup: readonly object[];
  readonly acts: readonly Act[];
}

export interface Act {
  readonly what: string;
  /** Objects to apply, or a kubectl command. */
  readonly apply?: readonly object[];
  readonly kubectl?: readonly string[];
  /** A verb for the present canary. */
  readonly request?: string;
  /** What status must say before the next act; "gone": the Rollout is. */
  readonly until: Until | "gone";
}

export interface Until {
  readonly phase?: string;
  readonly stage?: string;
  readonly image?: string; // of stable
}

const TIMES = { settle: "1s", drain: "1s", scaleDownDelay: "1s" };
const UNJUDGED = { analysis: { disabled: true } };
/** A query that every revision breaches: real Prometheus, a constant answer. */
const BREACHED = {
  analysis: {
    interval: "1s",
    metrics: [{ query: { name: "constant", promql: "vector(1)", max: 0.5, consecutive: 2 } }],
  },
};

function own(namespace: string, spec: object): object {
  return rollout(
    { strategy: { canary: { steps: [{ weight: 50 }], ...TIMES } }, bake: "1s", ...UNJUDGED, ...spec },
    "web",
    namespace,
  );
}

function image(namespace: string, tag: string): readonly object[] {
  return [deployment({ namespace, replicas: 0, image: `shop/web:${tag}` })];
}

/** Adoption, promotion, revert, hand-over, supersede and delete, each from a Deployment that runs v1. */
export function scenarios(): Scenario[] {
  const story = (name: string, spec: object, acts: readonly Act[]): Scenario => ({
    name,
    setup: shop({ namespace: name, replicas: 2 }),
    acts: [
      {
        what: "the Deployment is adopted",
        apply: [own(name, spec)],
        until: { phase: "Healthy", image: "shop/web:v1" },
      },
      ...acts,
    ],
  });
  const set = (name: string, tag: string, what: string, until: Until): Act => ({
    what,
    apply: image(name, tag),
    until,
  });
  return [
    story("promotion", {}, [set("promotion", "v2", "v2 is promoted", { phase: "Healthy", image: "shop/web:v2" })]),
    story("breach", BREACHED, [set("breach", "v2", "v2 is reverted", { phase: "Reverted", stage: "Resting" })]),
    story("abort", { strategy: { canary: { steps: [{ weight: 50 }, { pause: {} }], ...TIMES } } }, [
      set("abort", "v2", "v2 waits at 50 %", { phase: "Paused" }),
      { what: "abort", request: "abort", until: { phase: "Reverted", stage: "Resting" } },
    ]),
    story("hand-over", {}, [
      set("hand-over", "v2", "v2 is being handed over to", { stage: "HandingOver" }),
      { what: "abort", request: "abort", until: { phase: "Reverted", stage: "Resting" } },
    ]),
    story("supersede", { strategy: { canary: { steps: [{ weight: 50 }, { pause: { for: "2s" } }], ...TIMES } } }, [
      set("supersede", "v2", "v2 is under way", { stage: "Stepping" }),
      set("supersede", "v3", "v3 takes its place", { phase: "Healthy", image: "shop/web:v3" }),
    ]),
    story("delete", {}, [
      set("delete", "v2", "v2 is under way", { stage: "Stepping" }),
      { what: "the Rollout is deleted", kubectl: ["delete", "rollout.zenith.sh/web", "--wait=false"], until: "gone" },
    ]),
  ];
}
