import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { FakeClock } from "../../src/kube/clock.ts";
import { EventRecorder } from "../../src/kube/events.ts";
import { Resources } from "../../src/kube/resource.ts";
import {
  eventually,
  json,
  refusal,
  type ScriptedServer,
  type Seen,
  saysNothing,
  startScriptedServer,
} from "./scripted-server.ts";

let server: ScriptedServer;
let clock: FakeClock;
let events: EventRecorder;
beforeEach(async () => {
  server = await startScriptedServer();
  server.play(json(201, {}));
  clock = new FakeClock(1_800_000_000_123);
  events = new EventRecorder(new Resources(server.client()), "pod-1", { clock });
});
afterEach(() => server.stop());

function anObject(name = "web"): KubeObject {
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "Rollout",
    metadata: { namespace: "shop", name, uid: `uid-${name}` },
  };
}

const told = (): Record<string, unknown>[] => server.seen.map(({ body }) => JSON.parse(body));
const names = (): string[] => server.seen.map(({ body }) => (JSON.parse(body) as KubeObject).metadata?.name);
const sent = (): string[] => server.seen.map(({ method }: Seen) => method);

describe("EventRecorder", () => {
  test("writes an Event as the API server wants it", async () => {
    events.record(anObject(), "Warning", "Reverted", "errors rose");
    await events.flush();
    expect(server.seen[0]?.path).toBe("/apis/events.k8s.io/v1/namespaces/shop/events");
    expect(told()[0]).toMatchObject({
      metadata: { namespace: "shop", name: expect.stringMatching(/^web\.[a-z0-9]+$/) },
      eventTime: "2027-01-15T08:00:00.123000Z",
      reportingController: "zenith.sh/operator",
      reportingInstance: "pod-1",
      type: "Warning",
      reason: "Reverted",
      action: "Reverted",
      note: "errors rose",
      regarding: { kind: "Rollout", namespace: "shop", name: "web", uid: "uid-web" },
    });
  });

  test("never waits and never throws, whatever the server does; what cannot be written is let go", async () => {
    server.play(saysNothing);
    for (let i = 0; i < 5_000; i++) events.record(anObject(`web-${i}`), "Normal", "Started", `${i}`);
    expect(server.seen.length).toBeLessThanOrEqual(1);
    await eventually("the first is on its way", () => server.seen.length === 1);
    server.play(refusal(403, "Forbidden"), refusal(500, "InternalError"), json(201, {}));
    server.reset();
    await events.flush();
    // The one whose connection broke, and a thousand that waited behind it.
    expect(server.seen).toHaveLength(1_001);
  });

  test("tells when it happened, not when it was written", async () => {
    events.record(anObject(), "Normal", "Started", "a");
    clock.freeze(60_000);
    await events.flush();
    expect(told()[0]?.eventTime).toBe("2027-01-15T08:00:00.123000Z");
  });

  test("lets go of old news", async () => {
    server.play(saysNothing);
    events.record(anObject(), "Normal", "Started", "a");
    events.record(anObject(), "Normal", "Started", "b");
    await eventually("the first is on its way", () => server.seen.length === 1);
    clock.freeze(301_000);
    server.play(json(201, {}));
    server.reset();
    await events.flush();
    expect(server.seen).toHaveLength(1);
  });

  test("what repeats becomes a series, brought up to date once a minute", async () => {
    const say = () => events.record(anObject(), "Warning", "NoData", "holding");
    for (let second = 0; second <= 150; second += 10) {
      say();
      await events.flush();
      clock.freeze(10_000);
    }
    expect(sent()).toEqual(["POST", "PATCH", "PATCH"]);
    const [name] = names();
    expect(server.seen[1]?.path).toBe(`/apis/events.k8s.io/v1/namespaces/shop/events/${name}`);
    expect(told()[1]).toEqual({ series: { count: 7, lastObservedTime: "2027-01-15T08:01:00.123000Z" } });
    expect(told()[2]).toMatchObject({ series: { count: 13 } });
  });

  test("is another Event where the object, the reason or the sentence is another, or after a long silence", async () => {
    events.record(anObject(), "Warning", "NoData", "holding");
    events.record(anObject("api"), "Warning", "NoData", "holding");
    events.record(anObject(), "Warning", "Unsure", "holding");
    events.record(anObject(), "Warning", "NoData", "still holding");
    clock.freeze(361_000);
    await events.flush();
    server.seen.length = 0;
    events.record(anObject(), "Warning", "NoData", "holding");
    await events.flush();
    expect(sent()).toEqual(["POST"]);
  });

  test("tells anew what the API server has forgotten", async () => {
    const say = () => events.record(anObject(), "Warning", "NoData", "holding");
    say();
    await events.flush();
    clock.freeze(61_000);
    server.play(refusal(404, "NotFound"), json(201, {}));
    say();
    await events.flush();
    expect(sent()).toEqual(["POST", "PATCH", "POST"]);
  });

  test("bounds what one object may say: 25 at once, then one in 30 s; others are heard", async () => {
    const say = (count: number) => {
      for (let i = 0; i < count; i++) events.record(anObject(), "Normal", "Flapping", `${clock.now()} ${i}`);
    };
    say(100);
    events.record(anObject("api"), "Normal", "Started", "a");
    await events.flush();
    expect(server.seen).toHaveLength(26);
    clock.freeze(60_000);
    say(100);
    await events.flush();
    expect(server.seen).toHaveLength(28);
  });

  test("cuts a note at 1024 bytes, between two characters", async () => {
    events.record(anObject(), "Normal", "Long", `${"a".repeat(1_022)}ü🚀`);
    events.record(anObject(), "Normal", "Long", `${"a".repeat(1_023)}ü`);
    await events.flush();
    expect(told().map(({ note }) => note)).toEqual([`${"a".repeat(1_022)}ü`, "a".repeat(1_023)]);
  });

  test("names it after a long name, as DNS wants it", async () => {
    events.record(anObject(`${"a".repeat(199)}-b`), "Normal", "Started", "a");
    await events.flush();
    expect(names()[0]).toMatch(/^a{199}\.[a-z0-9]+$/);
  });
});
