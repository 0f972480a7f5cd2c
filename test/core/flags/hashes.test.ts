import { describe, expect, test } from "vitest";
import { rampHash, servedHash } from "../../../src/core/flags/hashes.ts";
import { flagSettingsOf } from "../../../src/core/flags/settings.ts";
import { aFlag } from "./flag.ts";

const BASE = `
variants: {string: {a: "1", b: "2"}}
defaultVariant: a
rules: [{when: [{attribute: plan, in: [pro]}], serve: b}]
strategy: {canary: {variant: b, steps: [{weight: 5}, {weight: 50}]}}
`;
const hashesOf = (spec: string, more = "{}") => {
  const settings = flagSettingsOf(aFlag(spec, more));
  return { served: servedHash(settings), ramp: rampHash(settings) };
};
const base = hashesOf(BASE);

/** An edit of the spec, and which of the hashes it changes. */
const EDITS: Record<string, { spec: string; more?: string; changes: readonly ("served" | "ramp")[] }> = {
  "an owner": { spec: `${BASE}\nlifecycle: {owner: someone}`, changes: [] },
  "a description": { spec: `${BASE}\ndescription: other`, changes: [] },
  "labels and annotations": { spec: BASE, more: "metadata: {labels: {a: b}, annotations: {c: d}}", changes: [] },
  "the class": { spec: `${BASE}\nclass: ops`, changes: [] },
  "a default that is written out": { spec: `${BASE}\nsafeVariant: a\nenabled: true`, changes: [] },
  "the order of variants": { spec: BASE.replace('{a: "1", b: "2"}', '{b: "2", a: "1"}'), changes: [] },
  "a rule": { spec: BASE.replace("pro", "team"), changes: ["served"] },
  "the steps": { spec: BASE.replace("50", "60"), changes: [] },
  "the analysis": { spec: BASE.replace("variant: b,", "variant: b, analysis: {interval: 1h},"), changes: [] },
  "a schedule": { spec: `${BASE}\nschedule: {notBefore: 2027-01-01T00:00:00Z}`, changes: [] },
  "enabled: false": { spec: `${BASE}\nenabled: false`, changes: ["served"] },
  "the safe variant": { spec: `${BASE}\nsafeVariant: b`, changes: ["served"] },
  "the ramped variant": { spec: BASE.replace("variant: b, steps", "variant: a, steps"), changes: ["served", "ramp"] },
  "what a variant is": { spec: BASE.replace('"2"', '"3"'), changes: ["served", "ramp"] },
  "the seed": { spec: `${BASE}\nstickiness: {seed: other}`, changes: ["served", "ramp"] },
  "the control": { spec: BASE.replace("defaultVariant: a", "defaultVariant: b"), changes: ["served", "ramp"] },
};

describe("servedHash() and rampHash()", () => {
  test.each(Object.entries(EDITS))("of an edit of %s", (_, { spec, more, changes }) => {
    const edited = hashesOf(spec, more);
    const changed = (["served", "ramp"] as const).filter((name) => edited[name] !== base[name]);
    expect(changed).toEqual(changes);
  });

  test("new times of a progressive strategy are a new wish, and move nobody", () => {
    const progressive = (end: string) =>
      hashesOf(`strategy: {progressive: {variant: "on", start: 2027-01-01T00:00:00Z, end: ${end}}}`);
    const [one, other] = [progressive("2027-01-02T00:00:00Z"), progressive("2027-01-03T00:00:00Z")];
    expect(one.served).not.toBe(other.served);
    expect(one.ramp).toBe(other.ramp);
  });
});
