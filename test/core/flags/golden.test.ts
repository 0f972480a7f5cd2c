import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parse, stringify } from "yaml";
import { rampHash, servedHash } from "../../../src/core/flags/hashes.ts";
import { flagSettingsOf } from "../../../src/core/flags/settings.ts";
import { compile, definitionOf, evaluator, NOW } from "./evaluate.ts";
import { aFlag, aKillSwitch, aSegment } from "./flag.ts";

/** Each file: a spec and what stands around it, and the flagd definition that it compiles to at 2027-01-01. Written by hand. */
const FOLDER = "test/core/flags/golden";
const files = readdirSync(FOLDER);

interface Golden {
  readonly spec: object;
  readonly labels?: object;
  readonly segments?: Readonly<Record<string, object>>;
  readonly others?: Readonly<Record<string, object>>;
  readonly kills?: readonly object[];
  readonly serving?: object;
  readonly override?: object;
  readonly flagd: { readonly metadata: object };
  readonly changesAt?: string;
}

function compiledOf({ spec, labels = {}, segments = {}, others = {}, kills = [], serving, override }: Golden) {
  const yaml = stringify(spec);
  const settings = flagSettingsOf(aFlag(yaml));
  const status = {
    ...(serving === undefined ? {} : { serving: { rampHash: rampHash(settings), ...serving } }),
    ...(override === undefined ? {} : { override: { servedHash: servedHash(settings), ...override } }),
  };
  const flag = aFlag(yaml, stringify({ metadata: { labels }, status }));
  return compile(flag, {
    segments: new Map(Object.entries(segments).map(([name, s]) => [name, aSegment(name, stringify(s))])),
    others: new Map(
      Object.entries(others).map(([name, s]) => [name, aFlag(stringify(s), stringify({ metadata: { name } }))]),
    ),
    kills: kills.map((kill) => aKillSwitch(stringify(kill))),
  });
}

beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterAll(() => {
  vi.useRealTimers();
});

test("there are some", () => expect(files.length).toBeGreaterThanOrEqual(15));

describe.each(files)("compileFlag() of %s", (file) => {
  const golden = parse(readFileSync(`${FOLDER}/${file}`, "utf8")) as Golden;

  test("gives what is written", () => {
    const compiled = compiledOf(golden);
    if (compiled.kind === "invalid") throw new Error(compiled.message);
    const version = expect.stringMatching(/^[a-z0-9]{10}$/);
    expect(compiled.definition).toEqual({ ...golden.flagd, metadata: { ...golden.flagd.metadata, version } });
    expect(compiled.version).toBe(compiled.definition.metadata?.version);
    expect(compiled.changesAtMs).toBe(golden.changesAt === undefined ? undefined : Date.parse(golden.changesAt));
  });

  test("is taken by flagd's published schema, and evaluates without an error", () => {
    const compiled = compiledOf(golden);
    if (compiled.kind === "invalid") throw new Error(compiled.message);
    const [built, interpreted] = [evaluator(compiled.definition), evaluator(compiled.definition, true)];
    for (const context of [{}, { targetingKey: "alice" }, { targetingKey: "dave", plan: "pro", age: 20 }]) {
      expect(built(context, NOW)).toMatchObject({ errorCode: undefined });
      expect(interpreted(context, NOW)).toEqual(built(context, NOW));
    }
  });
});

test("compileFlag() names equal definitions alike, and others otherwise", () => {
  const version = (spec: string, more?: string) => definitionOf(aFlag(spec, more)).metadata?.version;
  expect(version("{description: a}")).toBe(version("{lifecycle: {owner: b}}", "metadata: {labels: {c: d}}"));
  expect(version("{}")).not.toBe(version("{flagSet: shop/a}"));
});
