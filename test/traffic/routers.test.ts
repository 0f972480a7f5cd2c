import { describe, expect, test } from "vitest";
import type { Condition, ParentRef, Route, RouteRule } from "../../src/api/kubernetes.ts";
import type { RouteEffect } from "../../src/core/routing.ts";
import { routers } from "../../src/traffic/routers.ts";
import { describeContract, type Subject, web } from "./contract.ts";

const gateway: ParentRef = { name: "gateway" };
const mesh: ParentRef = { group: "", kind: "Service", name: "web", port: 80 };

for (const kind of ["HTTPRoute", "GRPCRoute"]) {
  for (const [whose, parent] of [["a Gateway", gateway] as const, ["a mesh", mesh] as const]) {
    const subject = subjectOf(kind, parent);
    describeContract(`${kind} of ${whose}`, subject);
    describe(`${kind} of ${whose}: effect()`, () => describeEffect(subject, parent));
  }
}

function subjectOf(kind: string, parent: ParentRef): Subject {
  const router = routers.get(kind);
  if (router === undefined) throw new Error(`There is no router for ${kind}`);
  const route = (rules: readonly RouteRule[]): Route => ({
    apiVersion: router.apiVersion,
    kind,
    metadata: { name: "web", namespace: "shop", generation: 3, resourceVersion: "9" },
    spec: { parentRefs: [parent], rules },
  });
  return { router, route };
}

type Told = Partial<Record<"Accepted" | "ResolvedRefs" | "PartiallyInvalid", "True" | "False" | "Unknown">>;

/** What a controller has said of a parent for a generation. */
function told(parentRef: ParentRef, conditions: Told, observedGeneration = 3, controllerName = "example.com/gateway") {
  const said = Object.entries(conditions).map(
    ([type, status]): Condition => ({
      type,
      status,
      reason: `${type}Reason`,
      message: "as it is",
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration,
    }),
  );
  return { parentRef, controllerName, conditions: said };
}

const GOOD = { Accepted: "True", ResolvedRefs: "True" } as const;
const REFUSED = { Accepted: "True", ResolvedRefs: "False" } as const;

function describeEffect({ router, route }: Subject, parent: ParentRef): void {
  const second: ParentRef = { name: "second", namespace: "infra", sectionName: "https" };
  const gone: ParentRef = { name: "gone" };
  type Parents = ReturnType<typeof told>[];
  const table: Record<string, [parents: Parents | undefined, expected: RouteEffect["kind"], words: string]> = {
    "no status at all": [undefined, "pending", "no Gateway has taken"],
    "no parents": [[], "pending", "no Gateway has taken"],
    "taken in": [[told(parent, GOOD)], "effective", ""],
    "both taken in": [[told(parent, GOOD), told(second, GOOD)], "effective", ""],
    "defaults spelled out": [
      [told(parent, GOOD), told({ ...second, group: "gateway.networking.k8s.io", kind: "Gateway" }, GOOD)],
      "effective",
      "",
    ],
    "an earlier generation": [[told(parent, GOOD, 2)], "pending", "has not said Accepted for generation 3"],
    "refused for an earlier generation": [[told(parent, REFUSED, 2)], "pending", "has not said Accepted"],
    "Accepted alone": [[told(parent, { Accepted: "True" })], "pending", "has not said ResolvedRefs"],
    "nothing known yet": [
      [told(parent, { Accepted: "Unknown", ResolvedRefs: "True" })],
      "pending",
      "not said Accepted",
    ],
    "not accepted": [[told(parent, { Accepted: "False", ResolvedRefs: "True" })], "refused", "says Accepted=False"],
    "refs unresolved": [[told(parent, REFUSED)], "refused", "ResolvedRefs=False: ResolvedRefsReason, as it is"],
    "one of two refuses": [[told(parent, GOOD), told(second, REFUSED)], "refused", `parent "second"`],
    "one refuses while the other is late": [[told(parent, GOOD, 2), told(second, REFUSED)], "refused", `"second"`],
    "one of two is late": [[told(parent, GOOD), told(second, GOOD, 2)], "pending", `parent "second"`],
    "rules left out": [[told(parent, { ...GOOD, PartiallyInvalid: "True" })], "refused", "PartiallyInvalid=True"],
    "none left out": [[told(parent, { ...GOOD, PartiallyInvalid: "False" })], "effective", ""],
    "a parent that the route has left": [[told(parent, GOOD), told(gone, REFUSED)], "effective", ""],
    "only one that it has left": [[told(gone, GOOD)], "pending", "no Gateway has taken"],
    "two controllers, one of which refuses": [
      [told(parent, GOOD), told(parent, REFUSED, 3, "example.com/other")],
      "refused",
      "ResolvedRefs=False",
    ],
  };
  test.each(Object.entries(table))("%s", (_, [parents, expected, words]) => {
    const bare = route([{ backendRefs: [web] }]);
    const spec = { ...bare.spec, parentRefs: [parent, second] };
    const effect = router.effect({ ...bare, spec, ...(parents === undefined ? {} : { status: { parents } }) } as Route);
    expect(effect.kind).toBe(expected);
    expect("message" in effect ? effect.message : "").toContain(words);
  });
}
