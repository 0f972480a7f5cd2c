import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { type Cluster, startCluster } from "../cluster/cluster.ts";

/** Every YAML block of the README and of docs/ is applied, as it stands, to a real API server that has our definitions. */

interface Block {
  readonly file: string;
  readonly line: number;
  readonly yaml: string;
}

function blocksOf(file: string): Block[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^```ya?ml\n(.*?)^```$/gms)].map((match) => ({
    file,
    line: text.slice(0, match.index).split("\n").length,
    yaml: match[1] ?? "",
  }));
}

const pages = readdirSync("docs", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
const blocks = ["README.md", "charts/zenith/README.md", ...pages.map((name) => `docs/${name}`)].flatMap(blocksOf);

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
  await cluster.applyGatewayApi();
  await cluster.kubectl(["apply", "-k", "crds"]);
  await cluster.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
  for (const namespace of new Set(blocks.flatMap(namespacesOf))) await cluster.kubectl(["create", "ns", namespace]);
});

/** Those that a reader is supposed to have. */
function namespacesOf({ yaml }: Block): string[] {
  return parseAllDocuments(yaml).flatMap((document) => document.getIn(["metadata", "namespace"]) ?? []) as string[];
}
afterAll(async () => await cluster?.stop());

test("there are some", () => expect(blocks.length).toBeGreaterThan(4));

test.each(blocks)("$file:$line is accepted", async ({ yaml }) => {
  const apply = ["apply", "--dry-run=server", "-f", "-"];
  expect(await cluster.kubectl(apply, { input: yaml })).toMatchObject({ code: 0, stderr: "" });
});
