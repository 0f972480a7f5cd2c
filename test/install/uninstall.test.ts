import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { uninstall } from "../../src/install/uninstall.ts";
import { Resources } from "../../src/kube/resource.ts";
import { fastClock, json, refusal, type ScriptedServer, startScriptedServer, text } from "../kube/scripted-server.ts";

let server: ScriptedServer;
beforeEach(async () => {
  server = await startScriptedServer();
});
afterEach(async () => {
  await server.stop();
});

test("uninstall() stops the operator where the definitions, and all Rollouts with them, are gone already", async () => {
  server.play((response, seen) => {
    if (seen.path.includes("/zenith.sh/")) text(404, "404 page not found\n", "text/plain")(response, seen);
    else if (seen.method === "PATCH") json(200, {})(response, seen);
    else refusal(404, "NotFound")(response, seen); // No Lease either.
  });
  const settings = { namespace: "zenith-system", operator: "zenith-operator", namespaces: [], timeoutMs: 10_000 };
  const resources = new Resources(server.client());
  await uninstall(settings, { resources, clock: fastClock(100), log: pino({ level: "silent" }) });
  expect(server.seen.filter(({ method }) => method === "PATCH").map(({ path, body }) => [path, body])).toEqual([
    ["/apis/apps/v1/namespaces/zenith-system/deployments/zenith-operator/scale", '{"spec":{"replicas":0}}'],
  ]);
});
