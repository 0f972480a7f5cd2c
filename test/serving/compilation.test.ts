import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { FeatureFlag } from "../../src/api/feature-flag.ts";
import type { FlagSegment } from "../../src/api/flag-segment.ts";
import type { KillSwitch } from "../../src/api/kill-switch.ts";
import { FakeClock } from "../../src/kube/clock.ts";
import { Store } from "../../src/kube/store.ts";
import { Compilation, DELETED_IS_SERVED_MS } from "../../src/serving/compilation.ts";
import { FlagStore, type SetChange } from "../../src/serving/store.ts";

let version = 1;

function object(kind: string, name: string, spec: string, metadata = "{}") {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind,
    metadata: { namespace: "shop", name, resourceVersion: String(version++), ...parse(metadata) },
    spec: parse(spec),
  };
}
const flag = (name: string, spec = "{}", metadata = "{}") => object("FeatureFlag", name, spec, metadata) as FeatureFlag;
const segment = (name: string, spec: string) => object("FlagSegment", name, spec) as FlagSegment;
const kill = (name: string, spec: string) => object("KillSwitch", name, spec) as KillSwitch;
const ON = '{strategy: {allAtOnce: {variant: "on"}}}';
const STOP = "{selector: {matchLabels: {team: web}}, flags: safe, reason: test}";

async function aCompilation(...flags: FeatureFlag[]) {
  const clock = new FakeClock(Date.UTC(2027, 0, 1));
  const store = new FlagStore({ clock });
  const sources = {
    flags: new Store<FeatureFlag>(),
    segments: new Store<FlagSegment>(),
    kills: new Store<KillSwitch>(),
  };
  for (const one of flags) sources.flags.set(one);
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const compilation = new Compilation({ sources, store, clock, nowMs: () => clock.now(), log });
  const changes: SetChange[] = [];
  store.subscribe((change) => void changes.push(change));
  const value = (key: string, context: object = { targetingKey: "ann" }, flagSet = "shop") => {
    const answer = store.find(flagSet, key)?.evaluate(context as never);
    return answer?.kind === "value" ? answer.variant : answer?.kind;
  };
  return { clock, store, sources, compilation, lines, changes, value };
}

async function started(...flags: FeatureFlag[]) {
  const lab = await aCompilation(...flags);
  await lab.compilation.start();
  await lab.clock.advance(50);
  lab.changes.length = 0;
  return lab;
}

describe("Compilation", () => {
  test("serves nothing before it is started, and everything once it is", async () => {
    const lab = await aCompilation(flag("a", ON), flag("b"));
    await lab.clock.advance(100);
    expect(lab.store.size).toBe(0);
    await lab.compilation.start();
    expect([lab.value("a"), lab.value("b")]).toEqual(["on", "off"]);
  });

  test("compiles the flag that changed, and tells of no other", async () => {
    const lab = await started(flag("a", ON), flag("b"));
    const before = lab.store.find("shop", "b");
    lab.sources.flags.set(flag("a", "{}"));
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("off");
    expect(lab.store.find("shop", "b")).toBe(before);
    expect(lab.changes.map(({ keys }) => [...keys])).toEqual([["a"]]);
  });

  test("tells nothing of an edit that changes nothing of what is served", async () => {
    const lab = await started(flag("a", ON));
    lab.sources.flags.set(flag("a", '{strategy: {allAtOnce: {variant: "on"}}, lifecycle: {owner: ann}}'));
    await lab.clock.advance(50);
    expect(lab.changes).toEqual([]);
  });

  test("keeps a flag as it was while it cannot be compiled, and says why", async () => {
    const lab = await started(flag("a", ON));
    lab.sources.flags.set(flag("a", '{rules: [{when: [{segment: nobody}], serve: "on"}]}'));
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("on");
    expect([...lab.compilation.invalid.values()].join()).toContain("SegmentMissing");
    expect(lab.lines.filter((line) => line.includes("cannot be served"))).toHaveLength(1);
    lab.sources.segments.set(segment("nobody", "{included: [bob]}"));
    await lab.clock.advance(50);
    expect([lab.value("a"), lab.value("a", { targetingKey: "bob" })]).toEqual(["off", "on"]);
    expect(lab.compilation.invalid.size).toBe(0);
  });

  test("keeps what a snapshot held of a flag that cannot be compiled, until it is deleted", async () => {
    const good = await started(flag("a", ON));
    const kept = good.store.find("shop", "a");
    const lab = await aCompilation(flag("a", '{rules: [{when: [{segment: nobody}], serve: "on"}]}'));
    const definition = JSON.parse(kept?.json ?? "");
    lab.store.put({ key: "a", flagSet: "shop", version: "kept", visibility: "server", byClock: false, definition });
    lab.store.put({ key: "gone", flagSet: "shop", version: "kept", visibility: "server", byClock: false, definition });
    await lab.compilation.start();
    expect([lab.value("a"), lab.value("gone")]).toEqual(["on", undefined]);
    lab.sources.flags.remove(flag("a"));
    await lab.clock.advance(DELETED_IS_SERVED_MS + 50);
    expect(lab.value("a")).toBe(undefined);
  });

  test("compiles the flags that name a segment when it changes, and those alone", async () => {
    const rule = '{rules: [{when: [{segment: staff}], serve: "on"}]}';
    const lab = await aCompilation(flag("a", rule), flag("b"));
    lab.sources.segments.set(segment("staff", "{included: [bob]}"));
    await lab.compilation.start();
    await lab.clock.advance(50);
    lab.changes.length = 0;
    lab.sources.segments.set(segment("staff", "{included: [ann]}"));
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("on");
    expect(lab.changes.map(({ keys }) => [...keys])).toEqual([["a"]]);
  });

  test("compiles the flags whose prerequisite changes, appears, or is killed", async () => {
    const lab = await started(
      flag("a", '{prerequisites: [{flag: base, variants: ["on"]}], strategy: {allAtOnce: {variant: "on"}}}'),
    );
    expect(lab.value("a")).toBe(undefined);
    lab.sources.flags.set(flag("base", ON, "{labels: {team: web}}"));
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("on");
    lab.sources.flags.set(flag("base", "{}", "{labels: {team: web}}"));
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("off");
    lab.sources.flags.set(flag("base", ON, "{labels: {team: web}}"));
    await lab.clock.advance(50);
    lab.sources.kills.set(kill("stop", STOP));
    await lab.clock.advance(50);
    expect([lab.value("base"), lab.value("a")]).toEqual(["off", "off"]);
  });

  test("makes every flag safe that a KillSwitch matches, in one message and at once, and lets go when it is deleted", async () => {
    const many = Array.from({ length: 50 }, (_, i) => flag(`f${i}`, ON, "{labels: {team: web}}"));
    const lab = await started(...many, flag("other", ON));
    const stop = kill("stop", STOP);
    lab.sources.kills.set(stop);
    await lab.clock.advance(1); // No waiting for what else may come.
    expect(many.map(({ metadata }) => lab.value(metadata.name)).every((v) => v === "off")).toBe(true);
    expect(lab.value("other")).toBe("on");
    expect(lab.changes.map(({ keys }) => keys.size)).toEqual([50]);
    lab.sources.kills.remove({ ...stop, metadata: { ...stop.metadata, resourceVersion: String(version++) } });
    await lab.clock.advance(50);
    expect(many.map(({ metadata }) => lab.value(metadata.name)).every((v) => v === "on")).toBe(true);
  });

  test("lets go of what a KillSwitch no longer matches when it is edited", async () => {
    const lab = await started(flag("a", ON, "{labels: {team: web}}"), flag("b", ON, "{labels: {team: pay}}"));
    lab.sources.kills.set(kill("stop", STOP));
    await lab.clock.advance(50);
    lab.sources.kills.set(kill("stop", "{selector: {matchLabels: {team: pay}}, flags: safe, reason: test}"));
    await lab.clock.advance(50);
    expect([lab.value("a"), lab.value("b")]).toEqual(["on", "off"]);
  });

  test("starts killed where a KillSwitch stands", async () => {
    const lab = await aCompilation(flag("a", ON, "{labels: {team: web}}"));
    lab.sources.kills.set(kill("stop", STOP));
    await lab.compilation.start();
    expect(lab.value("a")).toBe("off");
  });

  test("lets go by itself when a KillSwitch's time has come, without being told by anyone", async () => {
    const lab = await started(flag("a", ON, "{labels: {team: web}}"));
    const until = new Date(lab.clock.now() + 60_000).toISOString();
    lab.sources.kills.set(kill("stop", STOP.replace("}, flags", `}, until: "${until}", flags`)));
    await lab.clock.advance(59_000);
    expect(lab.value("a")).toBe("off");
    await lab.clock.advance(2_000);
    expect(lab.value("a")).toBe("on");
  });

  test("steps a stepped ramp by time alone", async () => {
    const start = Date.UTC(2027, 0, 1);
    const [from, to] = [start, start + 3_600_000].map((ms) => new Date(ms).toISOString());
    const ramp = `{strategy: {progressive: {variant: "on", start: "${from}", end: "${to}", mode: stepped}}}`;
    const lab = await started(flag("a", ramp));
    const treated = () =>
      Array.from({ length: 200 }, (_, i) => lab.value("a", { targetingKey: `user-${i}` })).filter((v) => v === "on")
        .length;
    const counts = [treated()];
    for (let i = 0; i < 5; i++) {
      await lab.clock.advance(12 * 60_000 + 500);
      counts.push(treated());
    }
    expect(counts[0]).toBeLessThan(20);
    expect(counts.at(-1)).toBe(200);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(new Set(counts).size).toBeGreaterThan(4);
  });

  test("serves the older of two objects that claim a key, and the other one once that is gone", async () => {
    const lab = await started(flag("younger", "{key: a}", '{creationTimestamp: "2027-01-02T00:00:00Z"}'));
    const older = flag("older", `{key: a, ${ON.slice(1)}`, '{creationTimestamp: "2027-01-01T00:00:00Z"}');
    expect(lab.value("a")).toBe("off");
    lab.sources.flags.set(older);
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("on");
    lab.sources.flags.set(flag("younger", "{key: a}", '{creationTimestamp: "2027-01-02T00:00:00Z", labels: {x: y}}'));
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("on");
    lab.sources.flags.remove({ ...older, metadata: { ...older.metadata, resourceVersion: String(version++) } });
    await lab.clock.advance(50);
    expect(lab.value("a")).toBe("off");
  });

  test("serves a deleted flag on for a moment: who replaces an object deletes it first", async () => {
    const lab = await started(flag("a", ON), flag("b", ON));
    lab.sources.flags.remove(flag("a"));
    lab.sources.flags.remove(flag("b"));
    await lab.clock.advance(DELETED_IS_SERVED_MS - 1_000);
    expect([lab.value("a"), lab.value("b")]).toEqual(["on", "on"]);
    lab.sources.flags.set(flag("a", ON));
    await lab.clock.advance(5_000);
    expect([lab.value("a"), lab.value("b")]).toEqual(["on", undefined]);
  });

  test("moves a flag to another set, and does not follow it into another namespace's", async () => {
    const lab = await started(flag("a", ON));
    lab.sources.flags.set(flag("a", `{flagSet: shop/web, ${ON.slice(1)}`));
    await lab.clock.advance(DELETED_IS_SERVED_MS + 50);
    expect([lab.value("a"), lab.value("a", {}, "shop/web")]).toEqual([undefined, "on"]);
    lab.sources.flags.set(flag("a", "{flagSet: pay}"));
    await lab.clock.advance(DELETED_IS_SERVED_MS + 50);
    expect([lab.value("a", {}, "pay"), lab.value("a", {}, "shop/web")]).toEqual([undefined, "on"]);
    expect([...lab.compilation.invalid.values()].join()).toContain("FlagSetForeign");
  });
});
