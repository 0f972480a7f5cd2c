import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Rollout } from "../../src/api/rollout.ts";
import { turnOf, unanswered } from "../../src/cli/request.ts";
import { asAnswered } from "../../src/core/requests.ts";
import { json, kubeConfigOf, startScriptedServer } from "../kube/scripted-server.ts";
import { runOffline } from "./terminal.ts";

const ABORT = "abort@bcdfg#1";
const PROMOTE = "promote@bcdfg#1";

describe("turnOf()", () => {
  const table: Record<string, { given: [standing: string | undefined, verb: string]; expect: string }> = {
    "writes where nothing stands": { given: [undefined, "promote"], expect: "write" },
    "waits for an abort, which nothing may be written over": { given: [ABORT, "promote"], expect: "wait" },
    "waits for what another asked before": { given: [PROMOTE, "pause"], expect: "wait" },
    "lets an abort go before everything": { given: [PROMOTE, "abort"], expect: "write" },
    "joins an abort that was asked for already": { given: [ABORT, "abort"], expect: "join" },
    "waits for what it cannot read": { given: ["nonsense", "promote"], expect: "wait" },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: turn }) => expect(turnOf(...given)).toBe(turn));
});

test("unanswered() is what status has not answered", () => {
  const rollout = (answered?: string, asked = ABORT): Rollout => ({
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { name: "web", annotations: { "zenith.sh/request": asked } },
    spec: {},
    ...(answered === undefined ? {} : { status: { lastRequest: { value: answered, result: "accepted", at: "" } } }),
  });
  expect(unanswered(rollout())).toBe(ABORT);
  expect(unanswered(rollout(PROMOTE))).toBe(ABORT);
  expect(unanswered(rollout(ABORT))).toBeUndefined();
  const long = "x".repeat(600); // By hand; status has not so much room.
  expect(unanswered(rollout(asAnswered(long), long))).toBeUndefined();
});

describe("a request, while the watch is behind", () => {
  const RETRY = "retry@bcdfg#1";
  const BEHIND_MS = 300;

  /** The Rollout at a version, with what was asked for and what was answered. */
  const web = (version: number, asked: string, answered?: string): Rollout => ({
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: {
      name: "web",
      namespace: "shop",
      generation: 1,
      resourceVersion: `${version}`,
      annotations: { "zenith.sh/request": asked },
    },
    spec: { workloadRef: { kind: "Deployment", name: "web" } },
    status: {
      observedGeneration: 1,
      workload: { observedGeneration: 1 },
      wanted: { revision: "bcdfg", images: [] },
      ...(answered === undefined ? {} : { lastRequest: { value: answered, result: "accepted", at: "" } }),
    },
  });

  /** What `kubectl zenith abort web` says when the watch shows `seen` first, and 300 ms after the write what `then` makes of it. */
  async function abort(read: Rollout, seen: Rollout, then: (ours: string) => readonly Rollout[]) {
    const server = await startScriptedServer();
    const folder = mkdtempSync(join(tmpdir(), "zenith-request-"));
    let watch: ServerResponse | undefined;
    const tell = (type: string, object: unknown) => watch?.write(`${JSON.stringify({ type, object })}\n`);
    try {
      server.play((response, { method, query, body }) => {
        if (query.has("watch")) {
          watch = response.writeHead(200, { "content-type": "application/json" });
          tell("ADDED", seen);
          const annotations = { "k8s.io/initial-events-end": "true" };
          tell("BOOKMARK", { ...seen, metadata: { resourceVersion: seen.metadata.resourceVersion, annotations } });
        } else if (method === "PATCH") {
          const ours = JSON.parse(body).metadata.annotations["zenith.sh/request"] as string;
          json(200, web(8, ours, RETRY))(response, { method, query, body, path: "", headers: {} });
          setTimeout(() => {
            for (const object of then(ours)) tell("MODIFIED", object);
          }, BEHIND_MS);
        } else json(200, read)(response, { method, query, body, path: "", headers: {} });
      });
      const config = join(folder, "kubeconfig");
      writeFileSync(config, kubeConfigOf(server.url).exportConfig());
      return await runOffline(["abort", "web", "-n", "shop", "--timeout", "5s", "--kubeconfig", config]);
    } finally {
      rmSync(folder, { recursive: true });
      await server.stop();
    }
  }

  test("is not overtaken by the one before, which was answered long ago", async () => {
    const before = web(7, RETRY, RETRY);
    const { code, out, err } = await abort(before, before, (ours) => [web(9, ours, ours)]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("abort");
  });

  test("is overtaken by one that came later, and says so", async () => {
    const before = web(7, RETRY, RETRY);
    const { code, err } = await abort(before, before, () => [web(9, PROMOTE, PROMOTE)]);
    expect(code).toBe(1);
    expect(err).toContain('Someone asked for "promote" at the same moment');
  });

  test("is answered though another's stands there by then", async () => {
    const before = web(7, RETRY, RETRY);
    const { code } = await abort(before, before, (ours) => [web(9, PROMOTE, RETRY), web(10, PROMOTE, ours)]);
    expect(code).toBe(0);
  });
});
