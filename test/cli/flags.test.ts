import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import type { FeatureFlag } from "../../src/api/feature-flag.ts";
import type { FlagSegment } from "../../src/api/flag-segment.ts";
import type { KillSwitch } from "../../src/api/kill-switch.ts";
import { contextOf } from "../../src/cli/commands/flag.ts";
import { selectorOf } from "../../src/cli/commands/kill.ts";
import { explainFlag, type Step } from "../../src/cli/flags/explain.ts";
import { evaluate, type FlagWorld, type UserContext, worldOf } from "../../src/cli/flags/world.ts";
import { styleFor } from "../../src/cli/io.ts";
import { renderExplanation, renderFlag, renderFlags } from "../../src/cli/render/flags.ts";
import { runOffline } from "./terminal.ts";

const NOW_MS = Date.parse("2026-01-01T01:00:00Z");
const PLAIN = styleFor({ isTerminal: false, environment: { LANG: "C.UTF-8" } }, true);

function flagOf(text: string): FeatureFlag {
  return { apiVersion: "zenith.sh/v1alpha1", kind: "FeatureFlag", ...parse(text) };
}

const CHECKOUT = flagOf(`
metadata: {name: new-checkout, namespace: shop, labels: {app: web}}
spec:
  variants: {string: {"new": "v2", "old": "v1", "none": ""}}
  defaultVariant: "old"
  safeVariant: "none"
  prerequisites: [{flag: new-api, variants: ["on"]}]
  targets: [{variant: "new", keys: [alice, bob]}]
  rules:
  - {name: beta, when: [{attribute: plan, in: [pro, team]}, {segment: staff}], serve: "new"}
  - {when: [{attribute: country, in: [NO]}], serve: "none"}
  strategy: {allAtOnce: {variant: "new"}}
`);
const API = flagOf(`
metadata: {name: new-api, namespace: shop}
spec: {strategy: {allAtOnce: {variant: "on"}}, rules: [{when: [{attribute: country, in: [SE]}], serve: "off"}]}
`);
const STAFF = {
  apiVersion: "zenith.sh/v1alpha1",
  kind: "FlagSegment",
  ...parse(`{metadata: {name: staff, namespace: shop}, spec: {included: [carol, dave]}}`),
} as FlagSegment;
const STOP = {
  apiVersion: "zenith.sh/v1alpha1",
  kind: "KillSwitch",
  ...parse(
    `{metadata: {name: stop, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, flags: safe, reason: fire}}`,
  ),
} as KillSwitch;

function world(flag: FeatureFlag = CHECKOUT, kills: readonly KillSwitch[] = []): FlagWorld {
  return worldOf(flag, [STAFF], [CHECKOUT, API], kills, NOW_MS);
}

function variantFor(user: UserContext, of = world()): string {
  const evaluated = evaluate(of, user);
  if (evaluated.kind === "invalid") return evaluated.message;
  return evaluated.answer.kind === "value" ? evaluated.answer.variant : evaluated.answer.kind;
}

/** What decides for a user. */
function deciding(user: UserContext, of = world()): Step | undefined {
  return explainFlag(of, user).find(({ decides }) => decides);
}

/** Users for each of which another thing decides, and what they then get. */
const USERS: Record<string, { user: UserContext; of?: FlagWorld; decides: string; variant: string }> = {
  "a KillSwitch": {
    user: { targetingKey: "alice" },
    of: world(CHECKOUT, [STOP]),
    decides: "KillSwitches",
    variant: "none",
  },
  "a prerequisite": { user: { targetingKey: "alice", country: "SE" }, decides: "needs new-api", variant: "old" },
  "a target": { user: { targetingKey: "bob", plan: "free" }, decides: "target", variant: "new" },
  "a rule with a segment": { user: { targetingKey: "carol", plan: "pro" }, decides: "rule beta", variant: "new" },
  "the second rule": { user: { targetingKey: "erin", country: "NO", plan: "pro" }, decides: "rule 2", variant: "none" },
  "the strategy": { user: { targetingKey: "erin", plan: "pro" }, decides: "strategy", variant: "new" },
};

describe("explain names what decides, and the evaluation agrees", () => {
  test.each(Object.entries(USERS))("%s", (_, { user, of = world(), decides, variant }) => {
    expect(deciding(user, of)?.what).toBe(decides);
    expect(variantFor(user, of)).toBe(variant);
  });

  test("a flag that is off", () => {
    const off = { ...CHECKOUT, spec: { ...CHECKOUT.spec, enabled: false } };
    expect(deciding({ targetingKey: "alice" }, world(off))?.what).toBe("enabled");
    expect(variantFor({ targetingKey: "alice" }, world(off))).toBe("codeDefault");
  });

  test("nothing, where nobody is asked about", () => {
    expect(explainFlag(world(), undefined).some(({ decides }) => decides !== undefined)).toBe(false);
  });
});

test("renderExplanation() reads from the top", () => {
  const user = { targetingKey: "carol", plan: "pro" };
  expect(renderExplanation(CHECKOUT, explainFlag(world(), user), user, '"new": "v2"', PLAIN).join("\n")).toBe(
    `FeatureFlag shop/new-checkout for {"targetingKey":"carol","plan":"pro"}: the first that fits decides
  1   KillSwitches    none has effect
  2   enabled         yes
  3   taken back      no
  4   needs new-api   must give "on", else "old"
  5   target          "new" for alice, bob
→ 6   rule beta       "new" where plan in pro, team and in segment staff
  7   rule 2          "none" where country in NO
  8   strategy        allAtOnce: what is served was not told yet, by targetingKey

"new": "v2"`,
  );
});

describe("flag get", () => {
  const ago = (seconds: number) => new Date(NOW_MS - seconds * 1000).toISOString();
  const ramping: FeatureFlag = {
    ...CHECKOUT,
    metadata: { ...CHECKOUT.metadata, creationTimestamp: ago(7200) },
    spec: { ...CHECKOUT.spec, lifecycle: { owner: "team-checkout", expires: "2027-03-01T00:00:00Z" } },
    status: {
      phase: "Progressing",
      message: "holding at 25 %",
      display: { serves: "new 25%, old 75%", strategy: "canary", step: "2/4", delivered: "9/10" },
      delivery: { servers: 2, clients: 10, acked: 9, p99Ms: 40 },
      analysis: {
        metrics: [{ name: "error-rate", verdict: "Pass", limit: 0.01, message: "error-rate 0 %: below 1 %" }],
      },
      history: [{ at: ago(600), what: "Edited", by: "kubectl", message: "rules" }],
      conditions: [
        { type: "Stale", status: "True", reason: "Expired", message: "it should be gone", lastTransitionTime: ago(1) },
      ],
    },
  };

  test("says what users get, how far it came, and who changed what", () => {
    expect(renderFlag(ramping, NOW_MS, PLAIN).join("\n")).toBe(`FeatureFlag shop/new-checkout: Progressing
holding at 25 %
Stale: it should be gone

Serves      new 25%, old 75%
Key         new-checkout in flag set shop
Strategy    canary, step 2/4
Delivered   to 9 of 10 clients by 2 servers, 99 % within 40 ms
Owner       team-checkout, until 2027-03-01T00:00:00Z

ANALYSIS     VERDICT   WHAT WAS SEEN
error-rate   Pass      error-rate 0 %: below 1 %

WHEN      WHAT     WHO       MORE
10m ago   Edited   kubectl   rules`);
  });

  test("has the columns of kubectl get", () => {
    expect(renderFlags([ramping], { wide: false, namespaces: false }, NOW_MS, PLAIN).join("\n")).toBe(
      `NAME           STATUS        SERVES             STRATEGY   STEP   DELIVERED   AGE
new-checkout   Progressing   new 25%, old 75%   canary     2/4    9/10        120m`,
    );
  });
});

test("contextOf() reads JSON where it is, else text", () => {
  expect(contextOf({})).toBeUndefined();
  expect(contextOf({ user: "alice", attribute: ["age=42", "plan=pro", 'tags=["a"]', "eq=a=b"] })).toEqual({
    targetingKey: "alice",
    age: 42,
    plan: "pro",
    tags: ["a"],
    eq: "a=b",
  });
  expect(() => contextOf({ attribute: ["plan"] })).toThrow('"plan" is no attribute');
});

test("eval takes the older of two prerequisites that claim one key, as flag servers do, however they are listed", () => {
  const api = (name: string, variant: string, creationTimestamp: string): FeatureFlag =>
    flagOf(`
metadata: {name: ${name}, namespace: shop, creationTimestamp: "${creationTimestamp}"}
spec: {key: api, strategy: {allAtOnce: {variant: "${variant}"}}}`);
  const web = flagOf(`
metadata: {name: web, namespace: shop}
spec: {strategy: {allAtOnce: {variant: "on"}}, prerequisites: [{flag: api, variants: ["on"]}]}`);
  const older = api("zz", "on", "2025-01-01T00:00:00Z");
  const later = api("aa", "off", "2025-06-01T00:00:00Z");
  for (const flags of [
    [older, later, web],
    [later, older, web],
  ])
    expect(evaluate(worldOf(web, [], flags, [], NOW_MS), {})).toMatchObject({ answer: { variant: "on" } });
});

describe("kill", () => {
  test("reads labels as kubectl does", () => {
    expect(selectorOf("app=web,tier!=batch, team in (a, b),beta,!old,x==y")).toEqual({
      matchLabels: { app: "web", x: "y" },
      matchExpressions: [
        { key: "tier", operator: "NotIn", values: ["batch"] },
        { key: "team", operator: "In", values: ["a", "b"] },
        { key: "beta", operator: "Exists" },
        { key: "old", operator: "DoesNotExist" },
      ],
    });
    expect(selectorOf("app=web,app=api")).toEqual({
      matchLabels: { app: "web" },
      matchExpressions: [{ key: "app", operator: "In", values: ["api"] }],
    });
    expect(JSON.stringify(selectorOf("__proto__=x"))).toBe('{"matchLabels":{"__proto__":"x"}}'); // Never {}, which is all.
    expect(() => selectorOf("app>1")).toThrow('"app>1" is no label selector');
  });

  test.each<[string[], string]>([
    [["stop"], "Error: Say what is meant: --selector or --all, one of both\n"],
    [["stop", "--all", "-l", "a=b"], "Error: Say what is meant: --selector or --all, one of both\n"],
    [["stop", "--all"], "Error: Say why, with --reason\nHint: it is shown wherever the switch has effect\n"],
    [["--all", "--reason", "fire"], "Error: Name the KillSwitch; nothing was stopped or released\n"],
    [["--release"], "Error: Name the KillSwitch; nothing was stopped or released\n"],
    [["stop", "--release", "--all"], "Error: --release and --all exclude each other\n"],
    [["", "--all", "--reason", "x"], 'Error: "" names no killswitch\n'],
    [["stop", "--all", "--reason", "x", "--rollouts", "no"], 'Error: --rollouts must be hold or abort (got "no")\n'],
  ])("%j is refused", async (args, says) => {
    const { code, err } = await runOffline(["kill", ...args]);
    expect({ code, says: err.slice(0, says.length) }).toEqual({ code: 1, says });
  });
});

describe("flag eval -f", () => {
  const folder = mkdtempSync(join(tmpdir(), "zenith-flags-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "checkout.json"), JSON.stringify(CHECKOUT));
  writeFileSync(join(folder, "rest.yaml"), [API, STAFF].map((object) => stringify(object)).join("---\n"));

  test("evaluates what stands in files, with segments and prerequisites", async () => {
    const carol = ["flag", "eval", "new-checkout", "-f", folder, "-u", "carol", "-a", "plan=pro", "-o", "json"];
    const { code, out } = await runOffline(carol);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ key: "new-checkout", flagSet: "shop", variant: "new", value: "v2" });
    expect(await runOffline(["flag", "eval", "new-checkout", "-f", folder, "-u", "x", "-a", "country=SE"])).toEqual({
      code: 0,
      out: '"old": "v1"\n',
      err: "",
    });
  });

  test("answers nothing where a file cannot be read: what stands there may decide", async () => {
    writeFileSync(join(folder, "segments.yaml"), "kind: FlagSegment\nspec: {included: [dave\n");
    const { code, err } = await runOffline(["flag", "eval", "new-checkout", "-f", folder, "-u", "dave"]);
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringMatching(/segments\.yaml:\d+: .*\n.*kubectl zenith lint/),
    });
    rmSync(join(folder, "segments.yaml"));
  });

  test("names those that there are, where one is asked for that is not", async () => {
    const { code, err } = await runOffline(["flag", "eval", "nothing", "-f", folder]);
    expect({ code, err }).toEqual({
      code: 1,
      err: `Error: There is no FeatureFlag "nothing" in ${folder}\nHint: there are new-checkout, new-api\n`,
    });
  });
});
