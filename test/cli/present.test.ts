import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { type Answer, json, refusal } from "../kube/scripted-server.ts";
import { PATHS, runScripted } from "./scripted.ts";

/** Generations: of what was applied, and of what status tells. */
interface Generations {
  readonly applied: number;
  readonly seen: number;
}

const BEHIND: Generations = { applied: 2, seen: 1 };
const CURRENT: Generations = { applied: 2, seen: 2 };

const metadata = { name: "web", namespace: "shop", resourceVersion: "7" };
const hashAt = (generation: number) => `revision-${generation}`;

/** A Rollout with a template of its own. */
const rollout = ({ applied, seen }: Generations) => ({
  apiVersion: "zenith.sh/v1alpha1",
  kind: "Rollout",
  metadata: { ...metadata, generation: applied },
  spec: { template: {} },
  status: { observedGeneration: seen, wanted: { revision: hashAt(seen), images: [] } },
});

/** One that refers to a Deployment, which is what was changed. */
const referring = ({ seen }: Generations) => ({
  ...rollout(CURRENT),
  spec: { workloadRef: { kind: "Deployment", name: "web" } },
  status: {
    observedGeneration: 2,
    workload: { observedGeneration: seen },
    wanted: { revision: hashAt(seen), images: [] },
  },
});
const deployment = { apiVersion: "apps/v1", kind: "Deployment", metadata: { ...metadata, generation: 2 }, spec: {} };

const flag = ({ applied, seen }: Generations) => ({
  apiVersion: "zenith.sh/v1alpha1",
  kind: "FeatureFlag",
  metadata: { ...metadata, generation: applied },
  spec: {},
  status: { observedGeneration: seen, servedHash: hashAt(seen) },
});

type Asked = ReturnType<typeof rollout> | ReturnType<typeof referring> | ReturnType<typeof flag>;

/** Runs a verb.
 * @param looks what is read of the object, in order, the last one again and again
 * @returns what was asked for, up to its nonce, and how it ended */
async function asked(argv: readonly string[], looks: readonly Asked[], ofDeployment: Answer = json(200, deployment)) {
  let watch: ServerResponse | undefined;
  let looked = 0;
  let value = "";
  const tell = (type: string, object: unknown) => watch?.write(`${JSON.stringify({ type, object })}\n`);
  const ran = await runScripted(
    (response, seen) => {
      const now = looks[Math.min(looked, looks.length - 1)] as Asked;
      if (seen.query.has("watch")) {
        watch = response.writeHead(200, { "content-type": "application/json" });
        const annotations = { "k8s.io/initial-events-end": "true" };
        tell("ADDED", now);
        tell("BOOKMARK", { ...now, metadata: { resourceVersion: metadata.resourceVersion, annotations } });
      } else if (seen.path === PATHS.deployment) ofDeployment(response, seen);
      else if (seen.method === "PATCH") {
        value = JSON.parse(seen.body).metadata.annotations["zenith.sh/request"];
        const written = { ...now.metadata, resourceVersion: "8", annotations: { "zenith.sh/request": value } };
        const lastRequest = { value, result: "accepted", at: "" };
        json(200, { ...now, metadata: written })(response, seen);
        tell("MODIFIED", { ...now, metadata: written, status: { ...now.status, lastRequest } });
      } else {
        looked++;
        json(200, now)(response, seen);
      }
    },
    [...argv, "--timeout", "3s"],
  );
  return { asked: value.split("#")[0], code: ran.code };
}

describe("a verb right after a change is about what was changed", () => {
  test.each([
    ["a Rollout", ["abort", "web"], rollout, "abort@revision-2"],
    ["a Rollout", ["rollback", "web"], rollout, "rollback@revision-2"],
    ["a Deployment", ["abort", "web"], referring, "abort@revision-2"],
    ["a flag", ["abort", "flag/web"], flag, "abort@revision-2"],
  ] as const)("of %s: %j", async (_, argv, of, value) => {
    expect(await asked(argv, [of(BEHIND), of(BEHIND), of(CURRENT)])).toEqual({ asked: value, code: 0 });
  });

  test("and about what status tells, where nobody sees the change", async () => {
    expect(await asked(["abort", "web"], [rollout(BEHIND)])).toEqual({ asked: "abort@revision-1", code: 0 });
  });

  test("and asks for no more than the Rollout where the Deployment may not be read", async () => {
    const forbidden = refusal(403, "Forbidden");
    const ran = await asked(["abort", "web"], [referring(BEHIND), referring(CURRENT)], forbidden);
    expect(ran).toEqual({ asked: "abort@revision-1", code: 0 });
  });
});
