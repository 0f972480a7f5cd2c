import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../cluster/playground.ts";
import { type ClientLab, eventually, FLAG_SET, QUESTIONS, SELECTOR, SPLITS, startClientLab } from "./lab.ts";
import { Program } from "./program.ts";
import { ensureGoProgram } from "./setup.ts";

/** The protocol as published: what grpc-go reads it from. */
const PROTOS = join(ROOT, "src/serving/grpc/proto");
const ANN = { targetingKey: "ann" };

let lab: ClientLab;
let program: string;
let client: Program;
beforeAll(async () => {
  program = ensureGoProgram();
  lab = await startClientLab();
  for (const [key, spec] of Object.entries(SPLITS)) lab.put(key, spec);
});
afterEach(() => client.stop());
afterAll(() => lab?.stop());

const start = (kind: string, port: number) => new Program(program, [kind, String(port), SELECTOR, PROTOS]);

// The SDK is its users'; the provider in test/clients/go is ours, in place of flagd's for Go, and speaks flagd.evaluation by
// grpc-go as that one does.
describe.each(["v1", "v2"])("the Go SDK, by %s and grpc-go", (version) => {
  test("gives each of ten thousand users what the server gives him", async () => {
    client = start(version, lab.ports.evaluation);
    for (const { key, asked } of QUESTIONS) {
      const answers = await client.askSplit(key, asked);
      const wrong = asked.filter((user, i) => answers[i]?.variant !== lab.variantOf(key, user));
      expect({ key, wrong }).toEqual({ key, wrong: [] });
    }
  });

  test("is told of a change, and sees it", async () => {
    lab.put("change", {});
    await new Promise((resolve) => setTimeout(resolve, 100)); // That it is new has been told by now.
    client = start(version, lab.ports.evaluation);
    expect(await client.ask("boolean", "change", true, [ANN])).toMatchObject([{ value: false, variant: "off" }]);
    lab.put("change", { strategy: { allAtOnce: { variant: "on" } } });
    await eventually("it is told", async () => client.changed.includes("change"));
    await eventually("it is on", async () => (await client.ask("boolean", "change", false, [ANN]))[0]?.value === true);
  });

  test("keeps the default of its code for a flag that is disabled or gone", async () => {
    lab.put("disabled", { enabled: false });
    client = start(version, lab.ports.evaluation);
    for (const fallback of [true, false])
      for (const key of ["disabled", "gone"])
        expect((await client.ask("boolean", key, fallback, [ANN]))[0]?.value).toBe(fallback);
  });

  test("is told where the answer comes from", async () => {
    client = start(version, lab.ports.evaluation);
    const [answer] = await client.ask("boolean", "half", false, [ANN]);
    expect(answer?.metadata).toMatchObject({ flagSetId: FLAG_SET, version: lab.store.find(FLAG_SET, "half")?.version });
  });

  test("comes back after a restart, with no other value meanwhile, and sees changes again", async () => {
    lab.put("kept", { strategy: { allAtOnce: { variant: "on" } } });
    client = start(version, lab.ports.evaluation);
    expect((await client.ask("boolean", "kept", false, [ANN]))[0]?.value).toBe(true);
    await lab.restart();
    expect((await client.ask("boolean", "kept", false, [ANN]))[0]?.value).toBe(true);
    lab.put("kept", {});
    await eventually("it is told", async () => client.changed.includes("kept"));
    await eventually(
      "it sees changes",
      async () => (await client.ask("boolean", "kept", true, [ANN]))[0]?.value === false,
    );
  });
});

describe("flagd.sync.v1, by grpc-go", () => {
  test("brings the whole set at once, each change as the whole set anew, and comes back after a restart", async () => {
    client = start("sync", lab.ports.sync);
    const newest = () => JSON.parse(client.sets.at(-1) ?? "{}") as object;
    const isServed = async () => client.sets.at(-1) === lab.store.flagSet(FLAG_SET).json();
    await eventually("the set is there", isServed);
    lab.put("sync", { strategy: { allAtOnce: { variant: "on" } } });
    await eventually("the change is there", isServed);
    expect(newest()).toMatchObject({ flags: { sync: { defaultVariant: "on" } } });
    await lab.restart();
    lab.put("sync", {});
    await eventually("the next change is there", isServed);
  });
});
