import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { FakeClock } from "../../src/kube/clock.ts";
import { aPod, bookmark, FACTOR, line, list, ReflectorLab, whole } from "./reflector-lab.ts";
import { type Answer, eventually, fastClock, json, refusal, saysNothing, stream, text } from "./scripted-server.ts";

const lab = ReflectorLab.open();

describe("Reflector", () => {
  test("takes the whole as a stream, then events and bookmarks, without what nobody reads", async () => {
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}", mine: "1" };
    const pod = aPod("a", 5);
    const heavy = { ...pod, metadata: { ...pod.metadata, annotations, managedFields: [{ manager: "x" }] } };
    const events = [
      line("MODIFIED", aPod("b", 12)),
      line("DELETED", aPod("a", 13)),
      line("ADDED", aPod("c", 14)),
      bookmark(20),
    ];
    lab.server.play(stream(whole(10, [heavy as KubeObject, aPod("b", 6)], ...events)));
    const { store, told, reflector } = lab.run({ labelSelector: "zenith.sh/rollout" });
    await eventually("the bookmark is known", () => store.version() === "20");
    expect(told).toEqual(["added a 5", "added b 6", "modified b 12", "deleted a 13", "added c 14"]);
    expect(store.hasSynced()).toBe(true);
    expect(store.get("shop", "b")).toEqual(aPod("b", 12));
    expect(reflector.lastEventAgeMs()).toBeLessThan(60_000);
    const query = Object.fromEntries(lab.server.seen[0]?.query ?? []);
    expect(query).toMatchObject({
      watch: "true",
      allowWatchBookmarks: "true",
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
      labelSelector: "zenith.sh/rollout",
      timeoutSeconds: "290",
    });
  });

  test("keeps annotations of others and drops managedFields", async () => {
    const pod = aPod("a", 5);
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}", mine: "1" };
    const heavy = { ...pod, metadata: { ...pod.metadata, annotations, managedFields: [{ manager: "x" }] } };
    lab.server.play(stream(whole(10, [heavy as KubeObject])));
    const { store } = lab.run();
    await eventually("synced", () => store.hasSynced());
    expect(store.get("shop", "a")?.metadata).toEqual({ ...pod.metadata, annotations: { mine: "1" } });
  });

  test("keeps of managedFields what it is told to keep", async () => {
    const pod = aPod("a", 5);
    const managedFields = [{ manager: "x", fieldsV1: { "f:spec": { "f:a": {} } } }, { manager: "y" }];
    lab.server.play(stream(whole(10, [{ ...pod, metadata: { ...pod.metadata, managedFields } } as KubeObject])));
    const { store } = lab.run({ managers: (entries) => entries.slice(1) });
    await eventually("synced", () => store.hasSynced());
    expect(store.get("shop", "a")?.metadata.managedFields).toEqual([{ manager: "y" }]);
  });

  test("shows nothing of a whole that was cut, and all of the next one at once", async () => {
    const cut = whole(10, [aPod("a", 5)]).slice(0, 1);
    lab.server.play(stream(cut, "reset"), stream(whole(11, [aPod("b", 6)])));
    const { store, told } = lab.run();
    await eventually("synced", () => store.hasSynced());
    expect(told).toEqual(["added b 6"]);
  });

  test("knows what was changed and deleted while the whole was streamed", async () => {
    // Servers before 1.31 may send events of the moment between the whole and the bookmark that ends it.
    const events = [
      line("ADDED", aPod("a", 5)),
      line("ADDED", aPod("b", 6)),
      line("MODIFIED", aPod("b", 12)),
      line("DELETED", aPod("a", 13)),
      bookmark(13, { "k8s.io/initial-events-end": "true" }),
    ];
    lab.server.play(stream(events));
    const { store, told } = lab.run();
    await eventually("synced", () => store.hasSynced());
    expect(told).toEqual(["added b 12"]);
    expect(store.size).toBe(1);
  });

  test("takes what changed while the whole was streamed for no restored server", async () => {
    const again = [
      line("ADDED", aPod("a", 5)),
      line("MODIFIED", aPod("a", 12)),
      bookmark(13, { "k8s.io/initial-events-end": "true" }),
    ];
    lab.server.play(
      stream(whole(10, [aPod("a", 5)], line("MODIFIED", aPod("a", 12))), "close"),
      refusal(410, "Expired"),
    );
    const { store, told, restored } = lab.run();
    await eventually("refused", () => lab.server.seen.length >= 2);
    lab.server.play(list(13, []), stream(again));
    await eventually("the new whole", () => store.version() === "13");
    expect(told).toEqual(["added a 5", "modified a 12"]);
    expect(restored).toEqual([]);
  });

  test("goes on where it was after a reset, once it knows that the server is no older", async () => {
    const events = stream([line("MODIFIED", aPod("a", 11))]);
    lab.server.play(stream(whole(10, [aPod("a", 5)]), "reset"), list(10, []), events);
    const { store, told, restored } = lab.run();
    await eventually("the event after the reset", () => told.length === 2);
    expect(lab.asked()).toEqual(["whole", "how old?", "watch from 10"]);
    expect(store.get("shop", "a")?.metadata.resourceVersion).toBe("11");
    expect(restored).toEqual([]);
  });

  test("ends a watch that says nothing, and asks how old the server is before the next", async () => {
    lab.server.play(stream(whole(10, [aPod("a", 5)])), list(10, []), stream([line("DELETED", aPod("a", 12))]));
    const clock = new FakeClock();
    const { store } = lab.run({ idleMs: 2_000 }, lab.server.client({ clock }));
    await eventually("the whole", () => store.hasSynced());
    await clock.advance(2_000);
    await eventually("the event after the silence", () => store.size === 0 && store.version() === "12");
    expect(lab.asked().slice(0, 3)).toEqual(["whole", "how old?", "watch from 10"]);
  });

  test("takes silence before the first answer for a break, not for a refusal to stream", async () => {
    lab.server.play(saysNothing, stream(whole(10, [aPod("a", 5)])));
    const clock = new FakeClock();
    const { store } = lab.run({ idleMs: 2_000 }, lab.server.client({ clock }));
    await eventually("asked", () => lab.server.seen.length === 1);
    await clock.advance(2_000);
    await eventually("synced", () => store.hasSynced());
    expect(lab.asked()).toEqual(["whole", "whole"]);
  });

  const expired: Record<string, { given: Answer; expect: readonly string[] }> = {
    "as HTTP status": { given: refusal(410, "Expired"), expect: ["whole", "watch from 10", "whole"] },
    "as an event": {
      given: stream([line("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" })]),
      expect: ["whole", "watch from 10", "whole"],
    },
  };
  for (const [name, { given, expect: expected }] of Object.entries(expired))
    test(`takes the whole anew after 410 ${name}, and tells what was deleted meanwhile`, async () => {
      // The second session ends by its own time, so that its end is regular.
      lab.server.play(stream(whole(10, [aPod("a", 5), aPod("b", 6)]), "close"), list(10, []), given);
      const { told } = lab.run();
      await eventually("the watch was refused", () => lab.server.seen.length >= 3);
      lab.server.play(stream(whole(30, [aPod("b", 20), aPod("c", 21)])));
      await eventually("the new whole", () => told.includes("added c 21"));
      expect(told.slice(2)).toEqual(["deleted a 5", "modified b 20", "added c 21"]);
      expect(lab.asked().filter((what) => what !== "how old?")).toEqual(expected);
    });

  test("another ERROR event ends the session, and the next goes on from the same version", async () => {
    const fault = line("ERROR", { kind: "Status", code: 500, reason: "InternalError", message: "etcd leader changed" });
    const next = stream([line("MODIFIED", aPod("a", 11))]);
    lab.server.play(stream(whole(10, [aPod("a", 5)], fault)), list(10, []), next);
    const { told } = lab.run();
    await eventually("the event after the fault", () => told.includes("modified a 11"));
    expect(lab.asked()).toEqual(["whole", "how old?", "watch from 10"]);
  });

  test("drops half a line, which the next watch tells again", async () => {
    const event = line("ADDED", aPod("ä", 11));
    lab.server.play(stream(whole(10, [], event.slice(0, 30)), "close"), list(11, []), stream([event]));
    const { told } = lab.run();
    await eventually("the event, whole", () => told.length === 1);
    expect(told).toEqual(["added ä 11"]);
    expect(lab.asked().at(-1)).toBe("watch from 10");
  });

  const nonsense: Record<string, Answer> = {
    "HTML with 200": text(200, "<h1>Log in</h1>"),
    "an empty body": text(200, ""),
    "a line that is no JSON": stream(["hello\n"]),
    "a kind of event that nobody knows": stream([line("SHOUTED", aPod("x", 9))]),
    "JSON that is no event": stream(['null\n{"type":"ADDED"}\n']),
    "an event without an object": stream(['{"type":"ADDED","object":null}\n']),
    "an object without metadata": stream(['{"type":"ADDED","object":{"metadata":null}}\n']),
    "an object without a name": stream(['{"type":"ADDED","object":{"metadata":{}}}\n']),
    "an ERROR without a Status": stream(['{"type":"ERROR"}\n']),
  };
  for (const [name, given] of Object.entries(nonsense))
    test(`goes on after ${name} in place of a watch`, async () => {
      lab.server.play(given, stream(whole(10, [aPod("a", 5)])));
      const { told, ended } = lab.run();
      await Promise.race([ended, eventually("synced", () => told.length === 1)]);
      expect(told).toEqual(["added a 5"]);
    });

  const noLists: Record<string, Answer> = {
    "HTML with 200": text(200, "<h1>Log in</h1>"),
    "JSON that is no list": json(200, { message: "log in" }),
    "a list of something without metadata": json(200, { metadata: { resourceVersion: "9" }, items: [{}] }),
    null: json(200, null),
  };
  for (const [name, given] of Object.entries(noLists))
    test(`goes on after ${name} in place of a list`, async () => {
      lab.server.play(refusal(422, "Invalid"), given, list(10, [aPod("a", 5)]), stream([]));
      const { told, ended } = lab.run();
      await Promise.race([ended, eventually("synced", () => told.length === 1)]);
      expect(told).toEqual(["added a 5"]);
    });

  test("says which watch keeps the store current, and that none does between two and after long silence", async () => {
    lab.server.play(saysNothing);
    const clock = fastClock(FACTOR);
    const { reflector } = lab.run({ clock });
    await eventually("asked", () => lab.server.seen.length === 1);
    expect(reflector.watch()).toBeUndefined();
    lab.server.play(stream(whole(10, [])));
    lab.server.reset();
    await eventually("the first", () => reflector.watch() === 1);
    lab.server.play(list(10, []), saysNothing);
    lab.server.reset();
    await eventually("broken", () => lab.asked().at(-1) === "watch from 10");
    expect(reflector.watch()).toBeUndefined();
    lab.server.play(list(10, []), stream([])); // Open, and without a word.
    lab.server.reset();
    await eventually("the second", () => reflector.watch() === 2);
    await clock.sleep(95_000);
    expect(reflector.watch()).toBeUndefined();
  });

  test("lists in pages where the server refuses to stream the whole, and remembers that it does", async () => {
    const pages = [list(10, [aPod("a", 5)], "p2"), list(10, [aPod("b", 6)])];
    lab.server.play(refusal(422, "Invalid"), ...pages, refusal(410, "Expired"), list(12, [aPod("b", 6)]), stream([]));
    const { told } = lab.run({ pageSize: 1_000 });
    await eventually("the second watch", () => lab.asked().at(-1) === "watch from 12");
    expect(told).toEqual(["added a 5", "added b 6", "deleted a 5"]);
    expect(lab.asked()).toEqual(["whole", "list", "page p2", "watch from 10", "list", "watch from 12"]);
  });

  test("fills the kind in that lists leave out", async () => {
    lab.server.play(refusal(422, "Invalid"), list(10, [aPod("a", 5)]), stream([]));
    const { store } = lab.run();
    await eventually("synced", () => store.hasSynced());
    expect(store.get("shop", "a")).toEqual(aPod("a", 5));
  });

  test("begins again where a list in pages expires between two pages", async () => {
    const first = list(10, [aPod("a", 5)], "p2");
    const again = list(20, [aPod("b", 6)]);
    lab.server.play(refusal(422, "Invalid"), first, refusal(410, "Expired"), again, stream([]));
    const { told } = lab.run();
    await eventually("synced", () => told.length > 0);
    expect(told).toEqual(["added b 6"]);
  });

  describe("meets a restored server", () => {
    test("after a break: an answer that is older than the cache", async () => {
      lab.server.play(stream(whole(100, [aPod("a", 90)]), "reset"), list(60, []));
      const { restored, store } = lab.run();
      await eventually("told", () => restored.length > 0);
      expect(restored[0]).toBe("Pod");
      expect(store.get("shop", "a")?.metadata.resourceVersion).toBe("90");
    });

    test("after a graceful end before its time, as of a server that is stopped", async () => {
      lab.server.play(stream(whole(100, [aPod("a", 90)]), "close"), list(60, []));
      const { restored } = lab.run();
      await eventually("told", () => restored.length > 0);
    });

    test("after 410: a whole that is older, and the store stays as it is", async () => {
      const { code, reason } = { code: 410, reason: "Expired" };
      const gone = line("ERROR", { kind: "Status", code, reason });
      lab.server.play(stream(whole(100, [aPod("a", 90)], gone)), stream(whole(60, [])));
      const { restored, store, told } = lab.run();
      await eventually("told", () => restored.length > 0);
      expect(told).toEqual(["added a 90"]);
      expect(store.size).toBe(1);
    });

    test("whose version has caught up: an object that is older than the known one", async () => {
      const gone = line("ERROR", { kind: "Status", code: 410, reason: "Expired" });
      lab.server.play(stream(whole(100, [aPod("a", 90)], gone)), stream(whole(120, [aPod("a", 40)])));
      const { restored, store } = lab.run();
      await eventually("told", () => restored.length > 0);
      expect(store.get("shop", "a")?.metadata.resourceVersion).toBe("90");
    });
  });

  test("an error of a listener ends it: no watch may hide a fault of ours", async () => {
    lab.server.play(stream(whole(10, [aPod("a", 5)])));
    const { store, ended } = lab.run();
    store.subscribe(() => {
      throw new TypeError("a fault of ours");
    });
    await expect(ended).rejects.toThrow("a fault of ours");
  });

  test("ends when its signal is aborted: in a watch, in a list, and while it waits", async () => {
    for (const answer of [stream(whole(10, [])), saysNothing, refusal(500, "InternalError")]) {
      lab.stop = new AbortController();
      lab.server.play(answer);
      const before = lab.server.seen.length;
      const { ended } = lab.run();
      await eventually("asked", () => lab.server.seen.length > before);
      lab.stop.abort();
      await ended;
    }
  });
});
