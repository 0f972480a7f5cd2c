import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../cluster/playground.ts";
import { type ClientLab, eventually, FLAG_SET, QUESTIONS, SELECTOR, SPLITS, startClientLab } from "./lab.ts";
import { Program } from "./program.ts";
import { ensurePython } from "./setup.ts";

const PROGRAM = join(ROOT, "test/clients/python/client.py");

let lab: ClientLab;
let python: string;
let client: Program;
beforeAll(async () => {
  python = ensurePython();
  lab = await startClientLab();
  for (const [key, spec] of Object.entries(SPLITS)) lab.put(key, spec);
});
afterEach(() => client.stop());
afterAll(() => lab?.stop());

const ANN = { targetingKey: "ann" };

describe.each([
  ["flagd, RPC", "rpc", () => lab.ports.evaluation],
  ["flagd, in process", "in-process", () => lab.ports.sync],
  ["OFREP", "ofrep", () => lab.ports.ofrep],
] as const)("the Python SDK with %s", (_, kind, port) => {
  test("gives each of ten thousand users what the server gives him", async () => {
    client = new Program(python, [PROGRAM, kind, String(port()), SELECTOR]);
    for (const { key, asked } of QUESTIONS) {
      for (let i = 0; i < asked.length; i += 1_000) {
        const some = asked.slice(i, i + 1_000);
        const answers = await client.askSplit(key, some);
        const wrong = some.filter((user, j) => answers[j]?.variant !== lab.variantOf(key, user));
        expect({ key, wrong }).toEqual({ key, wrong: [] });
      }
    }
  });

  test("sees a change; where its provider is pushed to, it is told of it", async () => {
    lab.put("change", {});
    await new Promise((resolve) => setTimeout(resolve, 100)); // That it is new has been told by now.
    client = new Program(python, [PROGRAM, kind, String(port()), SELECTOR]);
    expect(await client.ask("boolean", "change", true, [ANN])).toMatchObject([{ value: false, variant: "off" }]);
    lab.put("change", { strategy: { allAtOnce: { variant: "on" } } });
    if (kind !== "ofrep") await eventually("it is told", async () => client.changed.includes("change"));
    await eventually("it is on", async () => (await client.ask("boolean", "change", false, [ANN]))[0]?.value === true);
  });

  test("keeps the default of its code for a flag that is disabled or gone", async () => {
    lab.put("disabled", { enabled: false });
    client = new Program(python, [PROGRAM, kind, String(port()), SELECTOR]);
    for (const fallback of [true, false])
      for (const key of ["disabled", "gone"])
        expect((await client.ask("boolean", key, fallback, [ANN]))[0]?.value).toBe(fallback);
  });

  test("comes back after a restart, with no other value meanwhile, and sees changes again", async () => {
    lab.put("kept", { strategy: { allAtOnce: { variant: "on" } } });
    client = new Program(python, [PROGRAM, kind, String(port()), SELECTOR]);
    expect((await client.ask("boolean", "kept", false, [ANN]))[0]?.value).toBe(true);
    await lab.restart();
    await eventually(
      "it is served again",
      async () => (await client.ask("boolean", "kept", false, [ANN]))[0]?.value === true,
      3_000,
    );
    lab.put("kept", {});
    await eventually(
      "it sees changes",
      async () => (await client.ask("boolean", "kept", true, [ANN]))[0]?.value === false,
    );
  });

  // The RPC provider of this version keeps the metadata to itself.
  test.skipIf(kind === "rpc")("is told where the answer comes from", async () => {
    client = new Program(python, [PROGRAM, kind, String(port()), SELECTOR]);
    const [answer] = await client.ask("boolean", "half", false, [ANN]);
    expect(answer?.metadata).toMatchObject({ flagSetId: FLAG_SET, version: lab.store.find(FLAG_SET, "half")?.version });
  });
});
