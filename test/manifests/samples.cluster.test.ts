import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { startOperator } from "../cluster/operator.ts";
import { applyCrds } from "../cluster/playground.ts";
import type { Running } from "../cluster/processes.ts";

/** Every sample is accepted as it stands, without a warning, and comes up. */
const FOLDER = "manifests/samples";
const samples = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));

let cluster: Cluster;
let operator: Running | undefined;

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.applyGatewayApi();
  await applyCrds(cluster);
  operator = await startOperator(cluster);
});

afterAll(async () => {
  await operator?.stop();
  await cluster?.stop();
});

test("there are some", () => expect(samples.length).toBeGreaterThanOrEqual(6));

function expectTwoLines(path: string): void {
  const [first, second, third] = readFileSync(path, "utf8").split("\n");
  expect([first, second].every((line) => line?.startsWith("# ") && line.length > 40)).toBe(true);
  expect(third?.startsWith("#")).toBe(false);
}

describe.each(samples)("%s", (name) => {
  const path = `${FOLDER}/${name}`;
  const namespace = name.replace(".yaml", "");

  test("begins with two lines that say what it shows", () => expectTwoLines(path));

  test("is accepted by a dry run, and comes up", async () => {
    await cluster.kubectl(["create", "namespace", namespace]);
    const dry = await cluster.kubectl(["apply", "-n", namespace, "--dry-run=server", "-f", path]);
    expect(dry).toMatchObject({ code: 0, stderr: "" });
    const real = await cluster.kubectl(["apply", "-n", namespace, "-f", path]);
    expect(real).toMatchObject({ code: 0, stderr: "" });
    const documents = parseAllDocuments(readFileSync(path, "utf8"));
    const [rollout] = documents.filter((document) => document.get("kind") === "Rollout");
    const wait = ["wait", `rollout.zenith.sh/${rollout?.getIn(["metadata", "name"])}`, "--timeout=60s"];
    const healthy = await cluster.kubectl(["-n", namespace, ...wait, "--for=jsonpath={.status.phase}=Healthy"]);
    expect(healthy).toMatchObject({ code: 0, stderr: "" });
  });
});

const FLAGS = ["flags", "kill-switches"].flatMap((folder) =>
  readdirSync(`${FOLDER}/${folder}`).map((name) => `${folder}/${name}`),
);

describe("with all flags in one namespace", () => {
  beforeAll(async () => {
    await cluster.kubectl(["create", "namespace", "flags"]);
  });

  test.each(FLAGS)("%s begins with two lines that say what it shows, and is accepted", async (name) => {
    const path = `${FOLDER}/${name}`;
    expectTwoLines(path);
    for (const how of [["--dry-run=server"], []])
      expect(await cluster.kubectl(["apply", "-n", "flags", ...how, "-f", path])).toMatchObject({
        code: 0,
        stderr: "",
      });
  });
});
