import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Operator, startOperator } from "../cluster/playground.ts";
import { QuietLab, sleep } from "./quiet-lab.ts";

/** What must be quiet is quiet, what comes later is seen, and what is interrupted goes on. */

let lab: QuietLab;
let operator: Operator | undefined;

beforeAll(async () => {
  lab = await QuietLab.open();
}, 1_200_000);

afterAll(async () => {
  await operator?.running.stop();
  await lab?.close();
});

describe("at rest", () => {
  test("100 promoted Rollouts that nobody touches: no request for two minutes but watches and the Lease", async () => {
    operator = await startOperator(lab.cluster);
    const names = Array.from({ length: 100 }, (_, i) => `rest-${i}`);
    for (const name of names) await lab.make(name, {}, false);
    await lab.until("all to be promoted", () => names.every((name) => lab.status(name).phase === "Healthy"));
    expect(lab.askedSince(0).rest.filter((what) => what.startsWith("create")).length).toBeGreaterThanOrEqual(200);
    await sleep(5_000); // Events, and statuses that count the last pods.
    const before = lab.audited();
    await sleep(120_000);
    const { lease, rest } = lab.askedSince(before);
    expect(rest).toEqual([]);
    expect(lease).toBeGreaterThan(30); // It is alive, and the log is being written.
  }, 300_000);
});

describe("the Gateway API is installed after the operator's start", () => {
  test("and a Rollout that waits for its route goes on by itself", async () => {
    const runs = operator?.running.pid;
    await lab.installGateway();
    await lab.make("later", { strategy: { canary: { steps: [{ weight: 50 }], settle: "1s", drain: "1s" } } }, true);
    await lab.until("the first revision", () => lab.status("later").phase === "Healthy");
    const release = await lab.release("later", "2");
    await lab.until("the promotion", () => lab.isPromoted("later"));
    expect(release().weights).toEqual([0, 50, 100, 0, undefined]);
    expect(operator?.running.pid).toBe(runs);
  });
});

/** Starts an operator again whenever it ends, as the kubelet would. */
function keepRunning(flags: readonly string[]): { stop(): Promise<void>; readonly starts: number } {
  let running: Operator | undefined;
  let starts = 0;
  let over = false;
  const loop = (async () => {
    while (!over) {
      starts++;
      running = await startOperator(lab.cluster, flags).catch(() => undefined);
      await running?.running.ended;
    }
  })();
  return {
    get starts() {
      return starts;
    },
    stop: async () => {
      over = true;
      await running?.running.stop();
      await loop;
    },
  };
}

describe("the API server is gone for 15 s in the middle of a step", () => {
  const PAUSE_MS = 25_000;
  const steps = [{ weight: 20 }, { pause: { for: "25s" } }, { weight: 50 }, { pause: { for: "2s" } }];
  const canary = { steps, settle: "1s", drain: "1s", scaleDownDelay: "1s" };

  test("an operator without a Lease goes on by itself, and one that has lost its Lease when it is started again", async () => {
    await operator?.running.stop();
    // Each sees its own namespaces alone.
    for (const namespace of ["patient", "restarted", "unseen"])
      await lab.cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const patient = keepRunning(["--namespaces=patient,default", "--leader-elect=false"]);
    const restarted = keepRunning(["--namespaces=restarted"]);
    const names = ["patient/web", "restarted/web"];
    for (const name of [...names, "unseen/web"]) await lab.make(name, { replicas: 4, strategy: { canary } }, true);
    await lab.until("the first revisions", () => names.every((name) => lab.status(name).phase === "Healthy"));
    const releases = await Promise.all(names.map((name) => lab.release(name, "2")));
    await lab.until("the first step", () => names.every((name) => lab.status(name).weights?.effective === 20));
    const startsBefore = [patient.starts, restarted.starts];

    await lab.cluster.stopApiServer();
    await sleep(15_000);
    await lab.cluster.startApiServer();

    await lab.until("the promotions", () => names.every((name) => lab.isPromoted(name)), 120_000);
    for (const release of releases) {
      const { weights, writtenMs, selected } = release();
      expect(weights).toEqual([0, 20, 50, 100, 0, undefined]);
      expect(selected).toHaveLength(1);
      expect((writtenMs[2] ?? 0) - (writtenMs[1] ?? 0)).toBeGreaterThanOrEqual(PAUSE_MS);
    }
    expect([patient.starts, restarted.starts]).toEqual([startsBefore[0], (startsBefore[1] ?? 0) + 1]);
    expect(lab.status("unseen/web")).toEqual({ observedGeneration: -1 }); // Nobody has looked at it.
    await Promise.all([patient.stop(), restarted.stop()]);
    operator = undefined;
  }, 240_000);
});
