import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { type Cluster, type CommandResult, startCluster } from "../cluster/cluster.ts";
import { applyCrds, startOperator } from "../cluster/playground.ts";

/** What people type, and what they read: the real kubectl against the real API server; pods by kwok. */
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
  await Promise.all([cluster.applyGatewayApi(), applyCrds(cluster)]);
  await startOperator(cluster);
}, 1_200_000);

afterAll(async () => await cluster?.stop());

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

function applied(text: string, ...args: string[]): Promise<CommandResult> {
  return cluster.kubectl(["apply", ...args, "-f", "-"], { input: text });
}

const WEB = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: zenith.sh/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
  strategy: {canary: {steps: [{weight: 50}, {pause: {for: 2s}}], settle: 1s, drain: 1s}}
  traffic: {service: web}
  analysis: {disabled: true}
  bake: 5s
`;

/** Rows of a table as kubectl prints it, each cell under its head. */
function rowsOf(text: string): Record<string, string>[] {
  const [head = "", ...lines] = text.split("\n");
  const starts = [...head.matchAll(/\S+\s*/g)].map(({ 0: title, index }) => ({ title: title.trim(), index }));
  return lines.map((line) =>
    Object.fromEntries(
      starts.map(({ title, index }, i) => [title, line.slice(index, starts[i + 1]?.index ?? line.length).trim()]),
    ),
  );
}

describe("kubectl", () => {
  test("apply, then wait for the promotion of the first revision", async () => {
    expect((await applied(WEB)).code).toBe(0);
    expect(await kubectl("wait", "--for=condition=Promoted", "rollout.zenith.sh/web", "--timeout=60s")).toContain(
      "condition met",
    );
  });

  test("get shows a row that says where it stands", async () => {
    await kubectl("wait", "--for=jsonpath={.status.phase}=Healthy", "rollout.zenith.sh/web", "--timeout=60s");
    const [row] = rowsOf(await kubectl("get", "rollouts.zenith.sh"));
    expect(row).toMatchObject({ NAME: "web", STATUS: "Healthy", STEP: "3/3", WEIGHT: "100%", READY: "4/4" });
    expect(Object.keys(row ?? {})).toEqual(["NAME", "STATUS", "STEP", "WEIGHT", "READY", "AGE"]);
    const [wide] = rowsOf(await kubectl("get", "zr", "-o", "wide"));
    expect(Object.keys(wide ?? {})).toEqual([
      ...["NAME", "STATUS", "STEP", "WEIGHT", "READY", "AGE"],
      ...["CANARY", "STABLE", "ANALYSIS", "MESSAGE"],
    ]);
    expect(wide?.MESSAGE).toContain("is stable, 4 of 4 pods ready");
  });

  test("wait, started right after the apply of a new version, does not take the old promotion for it", async () => {
    const next = WEB.replace("web:1", "web:2");
    expect((await applied(next)).code).toBe(0);
    await kubectl("wait", "--for=condition=Promoted", "rollout.zenith.sh/web", "--timeout=60s");
    const images = await kubectl("get", "zr", "web", "-o", "jsonpath={.status.stable.images}");
    expect(images).toBe('["web:2"]');
  });

  test("describe tells the release in events", async () => {
    await kubectl("wait", "--for=jsonpath={.status.phase}=Healthy", "rollout.zenith.sh/web", "--timeout=60s");
    const text = await kubectl("describe", "rollout.zenith.sh", "web");
    const events = text.slice(text.indexOf("Events:"));
    expect(events).toMatch(/Normal +Started +.*starts against stable/);
    expect(events).toMatch(/Normal +Promoted +.*serves all traffic/);
  });

  test("scale changes the size, and nothing else", async () => {
    await kubectl("scale", "rollout.zenith.sh/web", "--replicas=6");
    await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=6", "rollout.zenith.sh/web", "--timeout=30s");
    expect(rowsOf(await kubectl("get", "zr"))[0]).toMatchObject({ STATUS: "Healthy", READY: "6/6" });
  });

  test("explain knows every field", async () => {
    const text = await kubectl("explain", "rollout.spec.strategy.canary");
    for (const field of ["steps", "preset", "maxSurge", "settle", "drain"]) expect(text).toContain(`  ${field}\t`);
    expect(text).toMatch(/DESCRIPTION:\n +\S/);
  });

  test("apply --dry-run=server of a bad file says where, what was found and what to do", async () => {
    const bad = WEB.replace("weight: 50", "weight: 150");
    const { code, stderr } = await applied(bad, "--dry-run=server");
    expect(code).toBe(1);
    expect(stderr).toContain("spec.strategy.canary.steps[0].weight");
    expect(stderr).toContain('must be a percentage from 0 to 100, as a number or as text such as "0.5%" (got 150)');
  });
});

describe("documents", () => {
  test("every Rollout in the README is accepted by the API server", async () => {
    const blocks = [...readFileSync("README.md", "utf8").matchAll(/```yaml\n([\s\S]*?)```/g)].map((m) => m[1] ?? "");
    const rollouts = blocks.flatMap((block) => parseAllDocuments(block)).filter((doc) => doc.get("kind") === "Rollout");
    expect(rollouts.length).toBeGreaterThan(0);
    for (const doc of rollouts)
      expect(await applied(String(doc), "--dry-run=server", "-n", "kube-public")).toMatchObject({
        code: 0,
        stderr: "",
      });
  });
});
