import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseRequest } from "../../src/api/request.ts";
import { argoCd, runLua, without } from "../cluster/argo-cd.ts";
import { fragmentIn } from "../docs/yaml-of.ts";

/** What docs/gitops-argo-cd.md has people tell Argo CD, run by the Lua and the jq that it uses. */

const PATCH = parse(readFileSync("integrations/argo-cd/argocd-cm.yaml", "utf8")) as { data: Record<string, string> };
const HEALTH = PATCH.data["resource.customizations.health.zenith.sh_Rollout"] ?? "";
const ACTIONS = parse(PATCH.data["resource.customizations.actions.zenith.sh_Rollout"] ?? "") as {
  "discovery.lua": string;
  definitions: { name: string; "action.lua": string }[];
};

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "zenith-argo-cd-"));
  await argoCd();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function lua(script: string, object: unknown): Promise<unknown> {
  const path = join(folder, "script.lua");
  writeFileSync(path, script);
  return await runLua(path, object);
}

const REVISION = "5d8f6b7c9x";
function aRollout(status?: object): Record<string, unknown> {
  const metadata = { name: "web", namespace: "shop", generation: 7 };
  const wanted = { revision: REVISION };
  const seen = { observedGeneration: 7, wanted, rejected: wanted, message: "a sentence", ...status };
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata,
    spec: { replicas: 2 },
    ...(status === undefined ? {} : { status: seen }),
  };
}

const PHASES = ["Pending", "Progressing", "Paused", "Baking", "Healthy", "Reverted", "Failed"];

describe("the health of a Rollout", () => {
  /** As design and docs say. */
  const table = readFileSync("docs/gitops-argo-cd.md", "utf8").matchAll(/^\| ([A-Z][\w, ]+) \| (\w+) \| /gm);
  const wanted = [...table].flatMap(([, phases = "", health = ""]) =>
    phases.split(", ").map((phase) => [phase, health]),
  );

  test("is told for each phase", () =>
    expect(
      wanted
        .map(([phase]) => phase)
        .filter((p) => p !== "Phase")
        .sort(),
    ).toEqual([...PHASES].sort()));

  test.each(wanted.filter(([phase]) => phase !== "Phase"))("%s is %s", async (phase, health) => {
    expect(await lua(HEALTH, aRollout({ phase }))).toEqual({ status: health, message: "a sentence" });
  });

  test("is Progressing while another goes back than the one that is in Git", async () => {
    for (const rejected of [{ revision: "7c9x5d8f6b" }, undefined])
      expect(await lua(HEALTH, aRollout({ phase: "Reverted", rejected }))).toEqual({
        status: "Progressing",
        message: "a sentence",
      });
  });

  test("is Progressing while the operator has not seen the spec, or nothing at all", async () => {
    expect(await lua(HEALTH, aRollout({ phase: "Healthy", observedGeneration: 6 }))).toMatchObject({
      status: "Progressing",
    });
    expect(await lua(HEALTH, aRollout())).toMatchObject({ status: "Progressing" });
  });
});

describe("the actions on a Rollout", () => {
  const verbs = ACTIONS.definitions.map(({ name }) => name);
  const known = readFileSync("docs/verbs.md", "utf8");

  test("are offered where the verb is accepted, and greyed out where it is refused", async () => {
    const [head = ""] = known.match(/^\| Verb \|.*$/m) ?? [];
    const columns = head
      .split("|")
      .map((cell) => cell.trim())
      .slice(2, -1);
    expect(columns).toEqual(PHASES);
    for (const [i, phase] of PHASES.entries()) {
      const offered = (await lua(ACTIONS["discovery.lua"], aRollout({ phase }))) as Record<
        string,
        { disabled: boolean }
      >;
      expect(Object.keys(offered).sort()).toEqual([...verbs].sort());
      for (const verb of verbs) {
        const row = known.split("\n").find((line) => line.startsWith(`| \`${verb.replace("-full", ":full")}\` |`));
        const answer = row?.split("|")[i + 2]?.trim() ?? "";
        if (!offered[verb]?.disabled) expect(`${verb} in ${phase}: ${answer}`).toContain(": accepted");
      }
    }
    expect(((await lua(ACTIONS["discovery.lua"], aRollout())) as Record<string, unknown>).abort).toEqual({
      disabled: true,
    });
  });

  test.each(ACTIONS.definitions)(
    "$name asks for it by the annotation, and leaves the spec alone",
    async (definition) => {
      const before = aRollout({ phase: "Progressing" });
      const after = (await lua(definition["action.lua"], before)) as {
        metadata: { annotations: Record<string, string> };
      };
      const request = parseRequest(after.metadata.annotations["zenith.sh/request"] ?? "");
      const [verb, argument] = definition.name.split("-");
      expect(request).toMatchObject({ verb, hash: REVISION, ...(argument === undefined ? {} : { argument }) });
      const { annotations: _added, ...metadata } = after.metadata;
      expect({ ...after, metadata }).toEqual(before);
    },
  );
});

describe("ignoreDifferences", () => {
  interface Application {
    readonly spec: { ignoreDifferences: { kind: string; jqPathExpressions: string[] }[] };
  }
  const { spec } = fragmentIn<Application>("docs/gitops-argo-cd.md", "spec.ignoreDifferences");
  const ignored = (kind: string) =>
    spec.ignoreDifferences.find((entry) => entry.kind === kind)?.jqPathExpressions ?? [];
  const ref = (name: string, weight?: number) => ({
    group: "",
    kind: "Service",
    name,
    port: 80,
    ...(weight === undefined ? {} : { weight }),
  });

  const table: Record<string, { kind: string; git: object; live: object; changed: object }> = {
    "leaves an HTTPRoute's rules": {
      kind: "HTTPRoute",
      git: { spec: { rules: [{ backendRefs: [ref("web", 1)] }, { backendRefs: [ref("other", 1)] }] } },
      live: {
        spec: { rules: [{ backendRefs: [ref("web", 90), ref("web-canary", 10)] }, { backendRefs: [ref("other", 1)] }] },
      },
      changed: {
        spec: { rules: [{ backendRefs: [ref("api", 90), ref("web-canary", 10)] }, { backendRefs: [ref("other", 1)] }] },
      },
    },
    "leaves a Service's own selector": {
      kind: "Service",
      git: { spec: { selector: { app: "web" } } },
      live: { spec: { selector: { app: "web", "zenith.sh/rollout": "web", "zenith.sh/revision": REVISION } } },
      changed: { spec: { selector: { app: "api", "zenith.sh/rollout": "web" } } },
    },
    "leaves a Deployment's template": {
      kind: "Deployment",
      git: { spec: { template: { image: "web:2" } } },
      live: { spec: { replicas: 0, paused: true, template: { image: "web:2" } } },
      changed: { spec: { replicas: 0, paused: true, template: { image: "web:1" } } },
    },
  };
  test.each(Object.entries(table))("%s, and shows what is drift", async (_, { kind, git, live, changed }) => {
    expect(ignored(kind).length).toBeGreaterThan(0);
    const wanted = await without(ignored(kind), git);
    expect(await without(ignored(kind), live)).toEqual(wanted);
    expect(await without(ignored(kind), changed)).not.toEqual(wanted);
  });
});
