import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { type HttpAnswer, metricsText, readiness, serveEndpoints } from "../../src/kube/manager.ts";
import type { Reflector } from "../../src/kube/reflector.ts";
import { Store } from "../../src/kube/store.ts";
import { watchEvents } from "../../src/telemetry/metrics.ts";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const text = (code: number, body: string): HttpAnswer => ({ code, type: "text/plain", body });

async function serve(answers: Parameters<typeof serveEndpoints>[1], address = "127.0.0.1:0"): Promise<string> {
  const endpoints = await serveEndpoints(address, answers, "--health-probe-bind-address");
  if (endpoints === undefined) throw new Error("expected it to listen");
  open.push(endpoints);
  return `http://${address.replace(/:0$/, "")}:${endpoints.port}`;
}

describe("serveEndpoints()", () => {
  const table: Record<string, { given: [path: string, method?: string]; expect: [number, string] }> = {
    "a page": { given: ["/healthz"], expect: [200, "ok"] },
    "a page, with parameters": { given: ["/healthz?verbose=1"], expect: [200, "ok"] },
    "no such page": { given: ["/other"], expect: [404, "not found\n"] },
    "a name that every object has": { given: ["/constructor"], expect: [404, "not found\n"] },
    "another method": { given: ["/healthz", "POST"], expect: [404, "not found\n"] },
    "a page that fails": { given: ["/broken"], expect: [500, "a fault of ours\n"] },
  };
  for (const [name, { given, expect: expected }] of Object.entries(table))
    test(`answers ${name}`, async () => {
      const url = await serve({
        "/healthz": async () => text(200, "ok"),
        "/broken": async () => {
          throw new Error("a fault of ours");
        },
      });
      const [path, method = "GET"] = given;
      const answer = await fetch(`${url}${path}`, { method });
      expect([answer.status, await answer.text()]).toEqual(expected);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    });

  test("listens on an address of IPv6", async () => {
    const url = await serve({ "/healthz": async () => text(200, "ok") }, "[::1]:0");
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test("listens nowhere for 0 and for nothing", async () => {
    expect(await serveEndpoints("0", {}, "")).toBeUndefined();
    expect(await serveEndpoints("", {}, "")).toBeUndefined();
  });

  test("says in a sentence what is wrong with an address", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    open.push({ close: () => other.close() });
    const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const refusalOf = (address: string) => serveEndpoints(address, {}, "--metrics-bind-address");
    await expect(refusalOf(taken)).rejects.toThrow(
      `Cannot listen at --metrics-bind-address=${taken}: something else listens there; choose another port, or 0 for nowhere`,
    );
    await expect(refusalOf("192.0.2.1:0")).rejects.toThrow("this machine has no such address");
  });

  test("closes with connections open", async () => {
    const endpoints = await serveEndpoints("127.0.0.1:0", { "/healthz": async () => text(200, "ok") }, "");
    await fetch(`http://127.0.0.1:${endpoints?.port}/healthz`); // Kept alive.
    await endpoints?.close();
    await expect(fetch(`http://127.0.0.1:${endpoints?.port}/healthz`)).rejects.toThrow();
  });
});

describe("readiness()", () => {
  const reflector = (kind: string, store: Store<KubeObject>) =>
    ({ type: { kind }, store }) as unknown as Reflector<KubeObject>;

  test("names the kinds that it waits for, each once, until all have seen a whole list", async () => {
    const [pods, services] = [new Store<KubeObject>(), new Store<KubeObject>()];
    const answer = readiness([reflector("Pod", pods), reflector("Pod", pods), reflector("Service", services)]);
    expect(await answer()).toMatchObject(text(503, "waiting for Pod, Service\n"));
    pods.replace([], "1");
    expect(await answer()).toMatchObject(text(503, "waiting for Service\n"));
    services.replace([], "1");
    expect(await answer()).toMatchObject(text(200, "ok\n"));
  });
});

test("metricsText() gives what Prometheus reads, under the names that dashboards know", async () => {
  watchEvents.inc({ kind: "Pod" });
  const { code, type, body } = await metricsText();
  expect([code, type]).toEqual([200, expect.stringContaining("text/plain")]);
  for (const name of [
    "controller_runtime_reconcile_total",
    "controller_runtime_reconcile_errors_total",
    "controller_runtime_active_workers",
    "workqueue_depth",
    "leader_election_master_status",
    "rest_client_requests_total",
    "nodejs_eventloop_lag_p99_seconds",
  ])
    expect(body).toContain(`# TYPE ${name} `);
  expect(body).toMatch(/^watch_events_total\{kind="Pod"\} [1-9]/m);
});
