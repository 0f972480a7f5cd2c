import { type CelInput, celEnv, parse as parseCel, plan } from "@bufbuild/cel";
import { describe, expect, test } from "vitest";
import type { Route } from "../../src/api/kubernetes.ts";
import { type Rollout, rolloutCrd, rolloutSpec } from "../../src/api/rollout.ts";
import { type Phase, phases, waiting } from "../core/rollout/phases.ts";
import { atRest, type Play, underWay } from "../core/rollout/play.ts";
import { fragmentIn } from "../docs/yaml-of.ts";

/** What docs/gitops-flux.md has people tell Flux, evaluated as Flux does. */

const PAGE = "docs/gitops-flux.md";

type Health = "InProgress" | "Failed" | "Current";

const HEALTH: Record<Phase, Health> = {
  Pending: "InProgress",
  Progressing: "InProgress",
  Paused: "InProgress",
  Baking: "Current",
  Healthy: "Current",
  Reverted: "Failed",
  Failed: "Failed",
};

describe("healthCheckExprs", () => {
  interface HealthCheck {
    readonly apiVersion: string;
    readonly kind: string;
    readonly current: string;
    readonly failed?: string;
    readonly inProgress?: string;
  }
  const [check, ...others] = fragmentIn<{ spec: { healthCheckExprs: HealthCheck[] } }>(PAGE, "spec.healthCheckExprs")
    .spec.healthCheckExprs;

  /** In the order of Flux: its RFC 9, and `StatusEvaluator` of fluxcd/pkg/runtime/cel. */
  function healthOf(object: Rollout): Health {
    const { metadata, status } = object;
    const observed = status?.observedGeneration;
    if (observed !== undefined && observed !== metadata.generation) return "InProgress";
    if (isTrue(check?.inProgress, object)) return "InProgress";
    if (isTrue(check?.failed, object)) return "Failed";
    return isTrue(check?.current, object) ? "Current" : "InProgress";
  }

  function isTrue(expression: string | undefined, object: Rollout): boolean {
    if (expression === undefined) return false;
    const answer = plan(celEnv(), parseCel(expression))(variablesOf(object));
    expect(typeof answer, `${expression}: ${String(answer)}`).toBe("boolean");
    return answer === true;
  }

  test("is for the Rollouts of our API, and nothing else", () => {
    const { apiVersion, kind } = atRest().rollout;
    expect([check, ...others]).toMatchObject([{ apiVersion, kind }]);
  });

  test.each(Object.entries(HEALTH))("%s is %s", (phase, health) => {
    const play = phases[phase as Phase]();
    expect([play.phase, healthOf(play.rollout)]).toEqual([phase, health]);
  });

  test("a new version is in progress from the moment it is applied until it is promoted", () => {
    const play = atRest();
    const seen = [healthOf(play.rollout)];
    play.deploy("v2");
    seen.push(healthOf(play.rollout));
    play.step();
    seen.push(healthOf(play.rollout));
    play.until("Baking");
    expect([...seen, healthOf(play.rollout)]).toEqual(["Current", "InProgress", "InProgress", "Current"]);
  });

  test("another version after a revert is no failure", () => {
    const play = phases.Reverted().settles();
    play.deploy("v3");
    play.step();
    expect(healthOf(play.rollout)).toBe("InProgress");
  });

  test("what no operator has looked at is in progress", () => {
    const { rollout } = atRest();
    expect(healthOf({ ...rollout, status: rolloutCrd.unseenStatus })).toBe("InProgress");
  });
});

/** An object's fields, as Flux names them in expressions. */
function variablesOf(object: object): Record<string, CelInput> {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, celOf(value)]));
}

function celOf(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(celOf);
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (typeof value !== "object" || value === null) return value as CelInput;
  return new Map(Object.entries(value).map(([key, member]): [string, CelInput] => [key, celOf(member)]));
}

describe("waitFor: promoted", () => {
  const { spec } = fragmentIn<{ spec: Rollout["spec"] }>(PAGE, "spec.waitFor");
  const isReconciling = (play: Play) =>
    play.status.conditions?.some(({ type, status }) => type === "Reconciling" && status === "True") ?? false;

  test("keeps kstatus in progress until the new version is promoted", () => {
    const play = underWay(25, { spec });
    expect(rolloutSpec.safeParse(play.rollout.spec).error).toBeUndefined();
    const seen = [isReconciling(play)];
    play.until("Baking");
    expect([...seen, isReconciling(play)]).toEqual([true, false]);
    expect(isReconciling(underWay(25, { spec: { ...waiting, ...spec } }).until("Paused"))).toBe(true);
  });
});

describe("ignore", () => {
  interface Rule {
    readonly paths: string[];
    readonly target: { readonly kind: string; readonly name: string };
  }
  const { ignore } = fragmentIn<{ spec: { ignore: Rule[] } }>(PAGE, "spec.ignore").spec;

  /** What Flux applies: Git's object, with what stands in the cluster at the paths, as nobody else applies these. */
  function applied(git: Route, live: Route): Route {
    const answer = structuredClone(git);
    const rules = ignore.filter(
      ({ target }) =>
        new RegExp(`^(?:${target.kind})$`).test(git.kind) && new RegExp(`^(?:${target.name})$`).test(git.metadata.name),
    );
    for (const path of rules.flatMap(({ paths }) => paths)) {
      const keys = path.split("/").slice(1);
      const parent = (object: object) => keys.slice(0, -1).reduce((at, key) => at[key] as Tree, object as Tree);
      const last = keys.at(-1) ?? "";
      expect(parent(answer)).toHaveProperty(last);
      parent(answer)[last] = parent(live)[last];
    }
    return answer;
  }
  type Tree = Record<string, unknown>;

  const git = atRest().objects.get<Route>("HTTPRoute", "web") as Route;
  const play = underWay(25);
  const live = play.objects.get<Route>("HTTPRoute", "web") as Route;

  test("what Flux applies in the middle of a release leaves the weights where they are", () => {
    expect(live.spec).not.toEqual(git.spec);
    expect(applied(git, live).spec).toEqual(live.spec);
  });

  test("any other change in Git is applied, and routes of other names are left alone", () => {
    const parentRefs = [{ name: "another" }];
    expect(applied({ ...git, spec: { ...git.spec, parentRefs } }, live).spec).toEqual({ ...live.spec, parentRefs });
    const other = { ...git, metadata: { ...git.metadata, name: "web-admin" } };
    expect(applied(other, live)).toEqual(other);
  });
});
