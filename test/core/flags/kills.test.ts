import { describe, expect, test } from "vitest";
import { activeKills } from "../../../src/core/flags/kills.ts";
import { selects } from "../../../src/core/selector.ts";
import { compile, NOW } from "./evaluate.ts";
import { aFlag, aKillSwitch } from "./flag.ts";

const flag = aFlag("{}", "metadata: {labels: {area: checkout, tier: gold}}");
const kill = (spec: string, more?: string) => aKillSwitch(`{flags: safe, reason: test, ${spec}}`, more);

/** A KillSwitch, and whether it has effect on the flag at 2027-01-01. */
const KILLS: Record<string, readonly [ReturnType<typeof aKillSwitch>, boolean]> = {
  "of everything": [kill("selector: {}"), true],
  "by a label": [kill("selector: {matchLabels: {area: checkout}}"), true],
  "by another label": [kill("selector: {matchLabels: {area: search}}"), false],
  "by labels of which one is another": [kill("selector: {matchLabels: {area: checkout, tier: silver}}"), false],
  "of another namespace": [kill("selector: {}", "metadata: {namespace: other}"), false],
  "that is being deleted": [kill("selector: {}", "metadata: {deletionTimestamp: 2026-12-31T00:00:00Z}"), false],
  "that ends later": [kill("selector: {}, until: 2027-01-01T00:00:01Z"), true],
  "that ends now": [kill("selector: {}, until: 2027-01-01T00:00:00Z"), false],
  "whose end cannot be read": [kill("selector: {}, until: someday"), true],
};

test.each(Object.keys(KILLS))("activeKills() of one %s", (name) => {
  const [one, active] = KILLS[name] as (typeof KILLS)[string];
  expect(activeKills(flag, [one], NOW)).toEqual(active ? [one] : []);
});

test("a KillSwitch of Rollouts alone leaves flags as they are", () => {
  const rollouts = aKillSwitch("{selector: {}, rollouts: hold, reason: test}");
  expect(compile(flag, { kills: [rollouts] })).toEqual(compile(flag));
});

test("of several kills the last to end releases, and one without an end never does by time", () => {
  const [early, late, never] = [
    kill("selector: {}, until: 2027-01-01T01:00:00Z"),
    kill("selector: {}, until: 2027-01-01T02:00:00Z"),
    kill("selector: {}"),
  ];
  expect(compile(flag, { kills: [late, early] })).toMatchObject({ changesAtMs: NOW + 7_200_000 });
  expect(compile(flag, { kills: [late, never] })).not.toHaveProperty("changesAtMs");
});

describe("selects()", () => {
  const labels = { area: "checkout", tier: "gold" };
  test.each([
    ["{key: area, operator: In, values: [search, checkout]}", true],
    ["{key: area, operator: In, values: [search]}", false],
    ["{key: absent, operator: In, values: [search]}", false],
    ["{key: area, operator: NotIn, values: [search]}", true],
    ["{key: area, operator: NotIn, values: [checkout]}", false],
    ["{key: absent, operator: NotIn, values: [checkout]}", true],
    ["{key: area, operator: Exists}", true],
    ["{key: absent, operator: Exists}", false],
    ["{key: area, operator: DoesNotExist}", false],
    ["{key: absent, operator: DoesNotExist}", true],
    ["{key: constructor, operator: Exists}", false],
    ["{key: area, operator: Exists}, {key: tier, operator: In, values: [silver]}", false],
  ])("%s", (expressions, holds) => {
    const { selector } = kill(`selector: {matchExpressions: [${expressions}]}`).spec;
    expect(selects(selector, labels)).toBe(holds);
  });

  test("{} means everything, labels or not", () => expect(selects({}, undefined)).toBe(true));
});
