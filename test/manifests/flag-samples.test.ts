import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parseAllDocuments } from "yaml";
import type { FeatureFlag } from "../../src/api/feature-flag.ts";
import type { FlagSegment } from "../../src/api/flag-segment.ts";
import type { KillSwitch } from "../../src/api/kill-switch.ts";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { keyOf } from "../../src/core/flags/settings.ts";
import { definitionOf, evaluator } from "../core/flags/evaluate.ts";

/** The sample flags: each can be served, and together they show what there is. */
const FOLDER = "manifests/samples";

function objectsIn(folder: string): KubeObject[] {
  return readdirSync(`${FOLDER}/${folder}`).flatMap((name) =>
    parseAllDocuments(readFileSync(`${FOLDER}/${folder}/${name}`, "utf8")).map((document) => {
      const object = document.toJS() as KubeObject;
      return { ...object, metadata: { ...object.metadata, namespace: "shop" } };
    }),
  );
}

const objects = objectsIn("flags");
const flags = objects.filter(({ kind }) => kind === "FeatureFlag") as FeatureFlag[];
const segments = new Map(
  objects.filter(({ kind }) => kind === "FlagSegment").map((object) => [object.metadata.name, object as FlagSegment]),
);
const others = new Map(flags.map((flag) => [keyOf(flag), flag]));
const kills = new Map(objectsIn("kill-switches").map((kill) => [kill.metadata.name, kill as KillSwitch]));

const named = (name: string) => others.get(name) as FeatureFlag;
const ask = (name: string, active: readonly KillSwitch[] = []) =>
  evaluator(definitionOf(named(name), { segments, others, kills: active }));

beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterAll(() => {
  vi.useRealTimers();
});

test("there are fifteen files, of every strategy, class, type and visibility", () => {
  expect(readdirSync(`${FOLDER}/flags`)).toHaveLength(15);
  const seen = flags.flatMap(({ spec }) => [
    ...Object.keys(spec.strategy ?? { none: {} }),
    spec.class ?? "release",
    ...Object.keys(spec.variants ?? { boolean: {} }),
    spec.visibility ?? "server",
    ...(spec.strategy?.canary === undefined ? [] : [spec.strategy.canary.onFailure]),
  ]);
  expect(new Set(seen)).toEqual(
    new Set([
      ...["none", "allAtOnce", "percentage", "progressive", "canary"],
      ...["release", "experiment", "ops", "killSwitch"],
      ...["boolean", "string", "number", "object"],
      ...["server", "client", "revert", "gracefulRevert"],
    ]),
  );
});

test("each says who owns it, and when it goes or that it stays", () => {
  for (const { spec } of flags) {
    expect(spec.lifecycle?.owner).toBeDefined();
    expect(spec.lifecycle?.expires !== undefined || spec.lifecycle?.permanent === true).toBe(true);
  }
});

describe.each(flags.map(({ metadata }) => metadata.name))("%s", (name) => {
  test("can be served, and answers whoever asks", () => {
    const one = ask(name);
    for (const context of [
      {},
      { targetingKey: "user-1" },
      { targetingKey: "user-2", plan: "pro", email: "a@example.com" },
    ])
      expect(one(context).errorCode).toBeUndefined();
  });
});

describe("the KillSwitches", () => {
  const kill = (name: string) => [kills.get(name) as KillSwitch];

  test("shut down, and let go", () => {
    expect(ask("emergency-shutdown")({})).toMatchObject({ value: false, reason: "TARGETING_MATCH" });
    expect(ask("emergency-shutdown", kill("emergency-shutdown"))({})).toMatchObject({
      value: true,
      reason: "TARGETING_MATCH",
    });
    expect(ask("read-only-mode", kill("emergency-shutdown"))({ region: "us-east-1" })).toMatchObject({
      value: "read-write",
    });
  });

  test("turn read-only mode on for all, which a rule had for one region", () => {
    expect(ask("read-only-mode")({ region: "eu-west-3" })).toMatchObject({ value: "read-only" });
    expect(ask("read-only-mode")({ region: "us-east-1" })).toMatchObject({ value: "read-write" });
    expect(ask("read-only-mode", kill("read-only-mode"))({ region: "us-east-1" })).toMatchObject({
      value: "read-only",
    });
  });

  test("make one area safe, and nothing else", () => {
    const safe = kill("checkout-safe");
    expect(ask("cache-settings")({})).toMatchObject({ variant: "large" });
    expect(ask("cache-settings", safe)({})).toMatchObject({ variant: "small" });
    expect(ask("new-checkout")({ email: "a@example.com" })).toMatchObject({ value: true });
    expect(ask("new-checkout", safe)({ email: "a@example.com" })).toMatchObject({ value: false });
    expect(ask("invoice-pdf", safe)({})).toMatchObject({ value: true });
  });
});
