import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCrds } from "../cluster/playground.ts";
import { blocksIn, fragmentIn, isWhole, PAGES, PARTS } from "./yaml-of.ts";

/**
 * Every YAML block of the pages is applied, as it stands, to a real API server that has our definitions; one that is a part of an
 * object, together with the rest of it. yaml.test.ts sees to it that there is no other block.
 */

const blocks = PAGES.flatMap((page) => blocksIn(readFileSync(page, "utf8"), page)).filter(
  ({ language, text }) => language === "yaml" && isWhole(text),
);

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
  await cluster.applyGatewayApi();
  await applyCrds(cluster);
  for (const namespace of new Set(blocks.flatMap(({ text }) => namespacesOf(text))))
    await cluster.kubectl(["create", "ns", namespace]);
});

/** Those that a reader is supposed to have. */
function namespacesOf(yaml: string): string[] {
  return parseAllDocuments(yaml).flatMap((document) => document.getIn(["metadata", "namespace"]) ?? []) as string[];
}
afterAll(async () => await cluster?.stop());

async function apply(yaml: string): Promise<unknown> {
  return await cluster.kubectl(["apply", "--dry-run=server", "-f", "-"], { input: yaml });
}

test("there are some", () => expect(blocks.length).toBeGreaterThan(4));

test.each(blocks)("$page:$line is accepted", async ({ text }) => {
  expect(await apply(text)).toMatchObject({ code: 0, stderr: "" });
});

test.each(PARTS)("$place of $page is accepted, as a part of its object", async ({ page, place, of }) => {
  const whole = merged(parse(stringify(of)), fragmentIn(page, place));
  expect(await apply(stringify(whole))).toMatchObject({ code: 0, stderr: "" });
});

type Tree = Record<string, unknown>;

function merged(a: Tree, b: Tree): Tree {
  const isTree = (value: unknown): value is Tree =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const members = Object.entries(b).map(([key, value]) => {
    const before = a[key];
    return [key, isTree(before) && isTree(value) ? merged(before, value) : value];
  });
  return { ...a, ...Object.fromEntries(members) };
}
