import { FlagdProvider } from "@openfeature/flagd-provider";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import {
  type Client,
  OpenFeature,
  type Provider,
  ProviderEvents,
  StandardResolutionReasons,
} from "@openfeature/server-sdk";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ClientLab, eventually, FLAG_SET, QUESTIONS, SELECTOR, SPLITS, startClientLab } from "./lab.ts";

let lab: ClientLab;
beforeAll(async () => {
  lab = await startClientLab();
  for (const [key, spec] of Object.entries(SPLITS)) lab.put(key, spec);
});
afterEach(() => OpenFeature.close());
afterAll(() => lab?.stop());

const flagd = (resolverType: "rpc" | "in-process", more: object = {}) =>
  new FlagdProvider({
    host: "127.0.0.1",
    port: resolverType === "rpc" ? lab.ports.evaluation : lab.ports.sync,
    resolverType,
    selector: SELECTOR,
    retryBackoffMaxMs: 1_000,
    deadlineMs: 5_000,
    ...more,
  });
const PROVIDERS: Readonly<Record<string, () => Provider>> = {
  "flagd, RPC": () => flagd("rpc"),
  "flagd, in process": () => flagd("in-process"),
  OFREP: () =>
    new OFREPProvider({
      baseUrl: `http://127.0.0.1:${lab.ports.ofrep}`,
      headers: [["Flagd-Selector", SELECTOR]],
    }),
};
/** Which of them hear of changes; the OFREP provider asks anew each time. */
const TOLD = ["flagd, RPC", "flagd, in process"];

async function clientOf(name: string): Promise<Client> {
  await OpenFeature.setProviderAndWait(name, PROVIDERS[name]?.() as Provider);
  return OpenFeature.getClient(name);
}

function ask(client: Client, key: string, context: { readonly [attribute: string]: string }) {
  const { variants } = SPLITS[key] ?? {};
  if (variants?.string !== undefined) return client.getStringDetails(key, "code", context);
  if (variants?.number !== undefined) return client.getNumberDetails(key, -1, context);
  return client.getBooleanDetails(key, false, context);
}

describe.each(Object.keys(PROVIDERS))("the JavaScript server SDK with %s", (name) => {
  test("gives each of ten thousand users what the server gives him", async () => {
    const client = await clientOf(name);
    for (const { key, asked } of QUESTIONS) {
      const seen = new Set<unknown>();
      for (let i = 0; i < asked.length; i += 200) {
        const some = asked.slice(i, i + 200);
        const answers = await Promise.all(some.map((user) => ask(client, key, user)));
        expect(answers.map(({ variant }) => variant)).toEqual(some.map((user) => lab.variantOf(key, user)));
        for (const { variant } of answers) seen.add(variant);
      }
      expect(seen.size).toBeGreaterThan(1); // It is a split.
    }
  });

  test("gives users whose keys are in other scripts what the server gives them", async () => {
    const client = await clientOf(name);
    for (const targetingKey of Array.from({ length: 200 }, (_, i) => `güest-${i}-🚀`))
      expect((await ask(client, "half", { targetingKey })).variant).toBe(lab.variantOf("half", { targetingKey }));
  });

  test("sees a change", async () => {
    lab.put("change", {});
    const client = await clientOf(name);
    expect(await client.getBooleanValue("change", true)).toBe(false);
    lab.put("change", { strategy: { allAtOnce: { variant: "on" } } });
    await eventually("it is on", async () => await client.getBooleanValue("change", false));
  });

  test("keeps the default of its code for a flag that is disabled or gone", async () => {
    lab.put("disabled", { enabled: false });
    const client = await clientOf(name);
    for (const fallback of [true, false]) expect(await client.getBooleanValue("disabled", fallback)).toBe(fallback);
    const gone = await client.getBooleanDetails("gone", true);
    expect([gone.value, gone.errorCode]).toEqual([true, "FLAG_NOT_FOUND"]);
  });

  test("is told where the answer comes from", async () => {
    const client = await clientOf(name);
    const { flagMetadata, reason } = await client.getBooleanDetails("half", false, { targetingKey: "ann" });
    expect(flagMetadata).toMatchObject({ flagSetId: FLAG_SET, version: lab.store.find(FLAG_SET, "half")?.version });
    expect(reason).toBe(StandardResolutionReasons.TARGETING_MATCH);
  });
});

describe.each(TOLD)("the JavaScript server SDK with %s", (name) => {
  test("is told of a change by an event", async () => {
    lab.put("told", {});
    await new Promise((resolve) => setTimeout(resolve, 100)); // That it is new has been told by now.
    const client = await clientOf(name);
    const changed: string[] = [];
    client.addHandler(
      ProviderEvents.ConfigurationChanged,
      (event) => void changed.push(...(event?.flagsChanged ?? [])),
    );
    expect(await client.getBooleanValue("told", true)).toBe(false);
    lab.put("told", { strategy: { allAtOnce: { variant: "on" } } });
    // A stream names every flag when it begins, which may be seen only now: what tells is the value, which was kept.
    await eventually("it is told", () => client.getBooleanValue("told", false));
    expect(changed).toContain("told");
  });

  test("trap 2: comes back within two seconds after a restart, with no other value meanwhile, and hears of changes again", async () => {
    lab.put("kept", { strategy: { allAtOnce: { variant: "on" } } });
    const client = await clientOf(name);
    const seen = new Set<unknown>([await client.getBooleanValue("kept", false)]);
    await lab.restart();
    const started = performance.now();
    const open = lab.delivery.connected();
    expect(open.sync + open.events).toBe(0);
    await eventually("it is back", async () => lab.delivery.connected().sync + lab.delivery.connected().events === 1);
    expect(performance.now() - started).toBeLessThan(2_000);
    seen.add(await client.getBooleanValue("kept", true));
    lab.put("kept", {});
    await eventually("it hears again", async () => !(await client.getBooleanValue("kept", true)));
    expect([...seen]).toEqual([true]);
  });

  test("never keeps a flag of class killSwitch as static", async () => {
    lab.put("emergency", { class: "killSwitch" });
    const client = await clientOf(name);
    for (let i = 0; i < 3; i++)
      expect((await client.getBooleanDetails("emergency", true)).reason).toBe(
        StandardResolutionReasons.TARGETING_MATCH,
      );
  });
});
