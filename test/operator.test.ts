import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../src/config.ts";
import { systemClock } from "../src/kube/clock.ts";
import { runOperator } from "../src/operator.ts";
import { LeaseKeeper } from "./kube/lease.ts";
import { eventually, kubeConfigOf, type ScriptedServer, startScriptedServer, stream } from "./kube/scripted-server.ts";

let server: ScriptedServer;
let keeper: LeaseKeeper;
let folder: string;
let stop: AbortController;
let lines: Record<string, unknown>[];
beforeEach(async () => {
  server = await startScriptedServer();
  keeper = new LeaseKeeper();
  folder = mkdtempSync(join(tmpdir(), "zenith-operator-"));
  writeFileSync(join(folder, "kubeconfig"), kubeConfigOf(server.url).exportConfig());
  stop = new AbortController();
  lines = [];
  const end = { metadata: { resourceVersion: "10", annotations: { "k8s.io/initial-events-end": "true" } } };
  const watch = stream([`${JSON.stringify({ type: "BOOKMARK", object: end })}\n`]);
  server.play((response, seen) => (seen.path.includes("/leases") ? keeper.answer : watch)(response, seen));
});
afterEach(async () => {
  stop.abort();
  await server.stop();
  rmSync(folder, { recursive: true });
});

function operate(...flags: string[]): Promise<number> {
  const bound = ["--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=0"];
  const config = parseConfig([`--kubeconfig=${join(folder, "kubeconfig")}`, ...bound, ...flags], {});
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return runOperator(config, log, stop.signal);
}

const leads = (): boolean => lines.some(({ msg }) => msg === "leading");

/** Nothing is asked any more: what ended has ended. */
async function expectSilence(): Promise<void> {
  const before = server.seen.length;
  await systemClock.sleep(1_200); // Longer than the first wait of a watch that begins again.
  expect(server.seen.length).toBe(before);
}

describe("runOperator()", () => {
  test("leads, and gives the Lease back when it is told to stop", async () => {
    const running = operate();
    await eventually("it leads", leads);
    expect(String(keeper.holder)).not.toBe("");
    stop.abort();
    expect(await running).toBe(0);
    expect(keeper.holder).toBe("");
    await expectSilence();
  });

  test("ends with 1 where the Lease is lost, and nothing of it goes on", async () => {
    const running = operate();
    await eventually("it leads", leads);
    keeper.edit({ holderIdentity: "another" });
    expect(await running).toBe(1);
    expect(keeper.holder).toBe("another");
    expect(lines.at(-1)?.msg).toBe("the Lease was lost; ending");
    await expectSilence();
  });

  test("waits while another leads: ready, and without a write", async () => {
    const other = operate();
    await eventually("the other leads", leads);
    lines = [];
    const kubeconfig = join(folder, "of-the-second");
    writeFileSync(kubeconfig, kubeConfigOf(server.url, "second").exportConfig());
    const running = operate(`--kubeconfig=${kubeconfig}`);
    const ofTheSecond = () => server.seen.filter(({ headers }) => headers.authorization === "Bearer second");
    await eventually("it asks who leads", () => ofTheSecond().some(({ path }) => path.includes("/leases")));
    await systemClock.sleep(1_000);
    expect(leads()).toBe(false);
    expect(ofTheSecond().filter(({ method }) => method !== "GET")).toEqual([]);
    stop.abort();
    expect(await Promise.all([other, running])).toEqual([0, 0]);
  });

  test("does without a Lease where it is told so", async () => {
    const running = operate("--leader-elect=false");
    await eventually("it leads", leads);
    stop.abort();
    expect(await running).toBe(0);
    expect(server.seen.some(({ path }) => path.includes("/leases"))).toBe(false);
  });

  test("refuses an address that is taken with a sentence, and leaves nothing behind", async () => {
    const taken = await listening();
    const { port } = taken.address() as AddressInfo;
    const flag = `--health-probe-bind-address=127.0.0.1:${port}`;
    await expect(operate(flag)).rejects.toThrow(
      `Cannot listen at ${flag}: something else listens there; choose another port, or 0 for nowhere`,
    );
    await expectSilence();
    taken.close();
  });
});

async function listening(): Promise<Server> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  return other;
}
