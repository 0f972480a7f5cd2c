import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { chartCrd, settingsOf } from "../../scripts/chart.ts";

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
}

const values = readFileSync("charts/zenith/values.yaml", "utf8");
const schema = JSON.parse(readFileSync("charts/zenith/values.schema.json", "utf8")) as Schema;

/** Keys of the schema that hold a value: "operator.serviceAccount.create". */
function leaves(at: Schema, path: readonly string[] = []): string[] {
  const below = Object.entries(at.properties ?? {});
  if (below.length === 0) return [path.join(".")];
  return below.flatMap(([key, value]) => leaves(value, [...path, key]));
}

/** Paths of objects that take keys which nobody has named. */
function open(at: Schema, path: readonly string[] = []): string[] {
  const below = Object.entries(at.properties ?? {});
  const here = below.length > 0 && at.additionalProperties !== false ? [path.join(".")] : [];
  return [...here, ...below.flatMap(([key, value]) => open(value, [...path, key]))];
}

describe("the chart's values", () => {
  test("are those that the schema knows, each with a comment", () => {
    const known = leaves(schema).filter((key) => key !== "global"); // Helm's own, for charts that contain this one.
    expect(
      settingsOf(values)
        .map(({ key }) => key)
        .sort(),
    ).toEqual(known.sort());
  });

  test("are refused where they are misspelt, at every depth", () => {
    expect(open(schema)).toEqual([]);
  });
});

describe("settingsOf()", () => {
  test("reads keys, defaults and comments, at any depth", () => {
    expect(settingsOf("# One.\na: 1\nb:\n  # Two,\n  # and more.\n  c: {x: y}\n")).toEqual([
      { key: "a", value: "1", about: "One." },
      { key: "b.c", value: '{"x":"y"}', about: "Two, and more." },
    ]);
  });

  test("names a key without a comment", () => {
    expect(() => settingsOf("# One.\na: 1\nb: 2\n")).toThrow("b in values.yaml has no comment");
  });
});

test("chartCrd() keeps what it is given, and says that it stays", () => {
  const text = readFileSync("crds/zenith.sh_rollouts.yaml", "utf8");
  const lines = chartCrd(text).split("\n");
  const added = lines.filter((line) => !text.split("\n").includes(line));
  expect(added.map((line) => line.trim().split(" #")[0])).toEqual(["annotations:", "helm.sh/resource-policy: keep"]);
  expect(() => chartCrd("kind: A\n")).toThrow("no metadata");
});
