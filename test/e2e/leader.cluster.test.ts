import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { defineResource } from "../../src/kube/resource.ts";
import { type Operator, startOperator } from "../cluster/playground.ts";
import { QuietLab, sleep } from "./quiet-lab.ts";

/** Of several operators one acts, and each change of leaders leaves a release as if there had been one. */

defineResource("apps/v1", "ReplicaSet", "replicasets");

let lab: QuietLab;
const operators: Operator[] = [];

beforeAll(async () => {
  lab = await QuietLab.open();
  await lab.installGateway();
}, 1_200_000);

afterAll(async () => {
  for (const { running } of operators) {
    running.signal("SIGCONT");
    await running.stop();
  }
  await lab?.close();
});

async function start(): Promise<Operator> {
  const operator = await startOperator(lab.cluster);
  operators.push(operator);
  return operator;
}

const leads = (operator: Operator): boolean => operator.log().some(({ msg }) => msg === "leading");

async function termOf(name: string, revision: string): Promise<string> {
  const ref = { apiVersion: "apps/v1", kind: "ReplicaSet", namespace: "default", name: `${name}-${revision}` };
  const set = await lab.access.resources.get<KubeObject>(ref);
  return set.metadata.annotations?.["zenith.sh/term"] ?? "";
}

describe("two operators", () => {
  const steps = [{ weight: 20 }, { pause: { for: "20s" } }, { weight: 50 }];
  const canary = { steps, settle: "1s", drain: "1s", scaleDownDelay: "1s" };

  test("the leader freezes in the middle of a step: the other goes on, and the first ends when it wakes", async () => {
    const first = await start();
    await lab.until("it leads", () => leads(first));
    const second = await start();
    await lab.make("web", { replicas: 2, strategy: { canary } }, true);
    await lab.until("the first revision", () => lab.status("web").phase === "Healthy");
    const release = await lab.release("web", "2");
    await lab.until("the first step", () => lab.status("web").weights?.effective === 20);
    const revision = lab.status("web").canary?.revision ?? "";
    const before = await termOf("web", revision);
    first.running.signal("SIGSTOP");

    await lab.until("the other leads", () => leads(second), 30_000);
    await lab.until("it has gone on", () => (lab.status("web").weights?.effective ?? 0) > 20);
    first.running.signal("SIGCONT");
    expect(await first.running.ended).toBe(1);
    expect(first.log().at(-1)?.msg).toBe("the Lease was lost; ending");

    await lab.until("the promotion", () => lab.isPromoted("web"));
    const { weights, selected } = release();
    expect(weights).toEqual([0, 20, 50, 100, 0, undefined]);
    expect(selected).toEqual([revision]);
    // The second stamped the ReplicaSet with its own term before the Service moved.
    const [number, lease] = before.split("/");
    expect(await termOf("web", revision)).toBe(`${Number(number) + 1}/${lease}`);
  }, 240_000);

  test("the leader is told to stop: it gives the Lease back, and the next need not wait for it to run out", async () => {
    const [leader] = operators.slice(-1);
    const next = await start();
    await sleep(3_000);
    expect(leads(next)).toBe(false);
    leader?.running.signal("SIGTERM");
    const startMs = performance.now();
    expect(await leader?.running.ended).toBe(0);
    await lab.until("the next leads", () => leads(next), 30_000);
    expect(performance.now() - startMs).toBeLessThan(10_000); // The Lease would have held for 15 s.
  });
});
