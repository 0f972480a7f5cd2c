import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { systemClock } from "../../src/kube/clock.ts";
import { Reflector, type ReflectorOptions } from "../../src/kube/reflector.ts";
import { defineResource } from "../../src/kube/resource.ts";
import { Store } from "../../src/kube/store.ts";
import {
  type Answer,
  eventually,
  fastClock,
  hangUp,
  json,
  kubeConfigOf,
  refusal,
  type ScriptedServer,
  type Seen,
  saysNothing,
  startScriptedServer,
  stream,
  text,
} from "./scripted-server.ts";

const POD = defineResource("v1", "Pod", "pods");
/** The reflector's minutes in milliseconds of ours. */
const FACTOR = 100;

let server: ScriptedServer;
let stop: AbortController;
let runs: Promise<unknown>[];
beforeEach(async () => {
  server = await startScriptedServer();
  stop = new AbortController();
  runs = [];
});
afterEach(async () => {
  stop.abort();
  await Promise.all(runs);
  await server.stop();
});

interface Running {
  readonly store: Store<KubeObject>;
  readonly reflector: Reflector<KubeObject>;
  readonly told: string[];
  readonly restored: string[];
  readonly ended: Promise<unknown>;
}

function run(options: ReflectorOptions = {}, client = server.client({ clock: fastClock(10) })): Running {
  const store = new Store<KubeObject>();
  const told: string[] = [];
  const restored: string[] = [];
  store.subscribe((type, { metadata }) => told.push(`${type} ${metadata.name} ${metadata.resourceVersion}`));
  const reflector = new Reflector(client, POD, store, {
    clock: fastClock(FACTOR),
    random: () => 0,
    onRestoredServer: (kind) => restored.push(kind),
    ...options,
  });
  const ended = reflector.run(stop.signal);
  runs.push(ended.catch(() => undefined));
  return { store, reflector, told, restored, ended };
}

function aPod(name: string, version: number, namespace = "shop"): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace, resourceVersion: String(version) } };
}

function line(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function bookmark(version: number, annotations?: Record<string, string>): string {
  return line("BOOKMARK", { kind: "Pod", metadata: { resourceVersion: String(version), annotations } });
}

/** The whole as a stream, and what comes behind it. */
function whole(version: number, pods: readonly KubeObject[], ...then: string[]): string[] {
  const end = bookmark(version, { "k8s.io/initial-events-end": "true" });
  return [...pods.map((pod) => line("ADDED", pod)), end, ...then];
}

function list(version: number, pods: readonly KubeObject[], next?: string): Answer {
  const items = pods.map(({ metadata }) => ({ metadata })); // As lists give them: without their kind.
  return json(200, { kind: "PodList", metadata: { resourceVersion: String(version), continue: next }, items });
}

/** How a request of a reflector is meant. */
function meaning({ query }: Seen): string {
  if (query.get("sendInitialEvents") === "true") return "whole";
  if (query.get("watch") === "true") return `watch from ${query.get("resourceVersion")}`;
  if (query.get("limit") === "1") return "how old?";
  return query.has("continue") ? `page ${query.get("continue")}` : "list";
}

const asked = (): string[] => server.seen.map(meaning);

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
    server.play(stream(whole(10, [heavy as KubeObject, aPod("b", 6)], ...events)));
    const { store, told, reflector } = run({ labelSelector: "zenith.sh/rollout" });
    await eventually("the bookmark is known", () => store.version() === "20");
    expect(told).toEqual(["added a 5", "added b 6", "modified b 12", "deleted a 13", "added c 14"]);
    expect(store.hasSynced()).toBe(true);
    expect(store.get("shop", "b")).toEqual(aPod("b", 12));
    expect(reflector.lastEventAgeMs()).toBeLessThan(60_000);
    const query = Object.fromEntries(server.seen[0]?.query ?? []);
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
    server.play(stream(whole(10, [heavy as KubeObject])));
    const { store } = run();
    await eventually("synced", () => store.hasSynced());
    expect(store.get("shop", "a")?.metadata).toEqual({ ...pod.metadata, annotations: { mine: "1" } });
  });

  test("keeps of managedFields what it is told to keep", async () => {
    const pod = aPod("a", 5);
    const managedFields = [{ manager: "x", fieldsV1: { "f:spec": { "f:a": {} } } }, { manager: "y" }];
    server.play(stream(whole(10, [{ ...pod, metadata: { ...pod.metadata, managedFields } } as KubeObject])));
    const { store } = run({ managers: (entries) => entries.slice(1) });
    await eventually("synced", () => store.hasSynced());
    expect(store.get("shop", "a")?.metadata.managedFields).toEqual([{ manager: "y" }]);
  });

  test("shows nothing of a whole that was cut, and all of the next one at once", async () => {
    const cut = whole(10, [aPod("a", 5)]).slice(0, 1);
    server.play(stream(cut, "reset"), stream(whole(11, [aPod("b", 6)])));
    const { store, told } = run();
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
    server.play(stream(events));
    const { store, told } = run();
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
    server.play(stream(whole(10, [aPod("a", 5)], line("MODIFIED", aPod("a", 12))), "close"), refusal(410, "Expired"));
    const { store, told, restored } = run();
    await eventually("refused", () => server.seen.length >= 2);
    server.play(list(13, []), stream(again));
    await eventually("the new whole", () => store.version() === "13");
    expect(told).toEqual(["added a 5", "modified a 12"]);
    expect(restored).toEqual([]);
  });

  test("goes on where it was after a reset, once it knows that the server is no older", async () => {
    const events = stream([line("MODIFIED", aPod("a", 11))]);
    server.play(stream(whole(10, [aPod("a", 5)]), "reset"), list(10, []), events);
    const { store, told, restored } = run();
    await eventually("the event after the reset", () => told.length === 2);
    expect(asked()).toEqual(["whole", "how old?", "watch from 10"]);
    expect(store.get("shop", "a")?.metadata.resourceVersion).toBe("11");
    expect(restored).toEqual([]);
  });

  test("ends a watch that says nothing, and asks how old the server is before the next", async () => {
    server.play(stream(whole(10, [aPod("a", 5)])), list(10, []), stream([line("DELETED", aPod("a", 12))]));
    const { store } = run({ idleMs: 2_000 });
    await eventually("the event after the silence", () => store.size === 0 && store.version() === "12");
    expect(asked().slice(0, 3)).toEqual(["whole", "how old?", "watch from 10"]);
  });

  test("takes silence before the first answer for a break, not for a refusal to stream", async () => {
    server.play(saysNothing, stream(whole(10, [aPod("a", 5)])));
    const { store } = run({ idleMs: 2_000 });
    await eventually("synced", () => store.hasSynced());
    expect(asked()).toEqual(["whole", "whole"]);
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
      server.play(stream(whole(10, [aPod("a", 5), aPod("b", 6)]), "close"), list(10, []), given);
      const { told } = run();
      await eventually("the watch was refused", () => server.seen.length >= 3);
      server.play(stream(whole(30, [aPod("b", 20), aPod("c", 21)])));
      await eventually("the new whole", () => told.includes("added c 21"));
      expect(told.slice(2)).toEqual(["deleted a 5", "modified b 20", "added c 21"]);
      expect(asked().filter((what) => what !== "how old?")).toEqual(expected);
    });

  test("another ERROR event ends the session, and the next goes on from the same version", async () => {
    const fault = line("ERROR", { kind: "Status", code: 500, reason: "InternalError", message: "etcd leader changed" });
    const next = stream([line("MODIFIED", aPod("a", 11))]);
    server.play(stream(whole(10, [aPod("a", 5)], fault)), list(10, []), next);
    const { told } = run();
    await eventually("the event after the fault", () => told.includes("modified a 11"));
    expect(asked()).toEqual(["whole", "how old?", "watch from 10"]);
  });

  test("waits as long as Retry-After says", async () => {
    server.play(refusal(429, "TooManyRequests", { "retry-after": "20" }), stream(whole(10, [])));
    const clock = fastClock(FACTOR);
    const startMs = clock.monotonicMs();
    const { store } = run({ clock });
    await eventually("synced", () => store.hasSynced());
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(20_000);
    expect(server.seen).toHaveLength(2);
  });

  test("waits as ever where Retry-After asks for no wait at all", async () => {
    const pauses: number[] = [];
    const sleep = (ms: number, signal?: AbortSignal) => fastClock(FACTOR).sleep(pauses.push(ms) && ms, signal);
    server.play(refusal(429, "TooManyRequests", { "retry-after": "0" }));
    run({ clock: { ...fastClock(FACTOR), sleep } });
    await eventually("three refusals", () => pauses.length >= 3);
    expect(pauses.slice(0, 3)).toEqual([800, 1_600, 3_200]);
  });

  test("drops half a line, which the next watch tells again", async () => {
    const event = line("ADDED", aPod("ä", 11));
    server.play(stream(whole(10, [], event.slice(0, 30)), "close"), list(11, []), stream([event]));
    const { told } = run();
    await eventually("the event, whole", () => told.length === 1);
    expect(told).toEqual(["added ä 11"]);
    expect(asked().at(-1)).toBe("watch from 10");
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
      server.play(given, stream(whole(10, [aPod("a", 5)])));
      const { told, ended } = run();
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
      server.play(refusal(422, "Invalid"), given, list(10, [aPod("a", 5)]), stream([]));
      const { told, ended } = run();
      await Promise.race([ended, eventually("synced", () => told.length === 1)]);
      expect(told).toEqual(["added a 5"]);
    });

  test("says which watch keeps the store current, and that none does between two and after long silence", async () => {
    server.play(saysNothing);
    const clock = fastClock(FACTOR);
    const { reflector } = run({ clock });
    await eventually("asked", () => server.seen.length === 1);
    expect(reflector.watch()).toBeUndefined();
    server.play(stream(whole(10, [])));
    server.reset();
    await eventually("the first", () => reflector.watch() === 1);
    server.play(list(10, []), saysNothing);
    server.reset();
    await eventually("broken", () => asked().at(-1) === "watch from 10");
    expect(reflector.watch()).toBeUndefined();
    server.play(list(10, []), stream([])); // Open, and without a word.
    server.reset();
    await eventually("the second", () => reflector.watch() === 2);
    await clock.sleep(95_000);
    expect(reflector.watch()).toBeUndefined();
  });

  test("slows down where the server closes every watch at once, however long its other answers take", async () => {
    // In real time, but for the pauses: a watch that lives for a second on a busy machine would be a long one.
    const pauses: number[] = [];
    const sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(pauses.push(ms), signal);
    server.play(stream(whole(10, []), "close"), (response, seen) => {
      if (meaning(seen) !== "how old?") stream([], "close")(response, seen);
      else void systemClock.sleep(1_100).then(() => list(10, [])(response, seen));
    });
    run({ clock: { ...systemClock, sleep } });
    await eventually("three sessions", () => pauses.length >= 3);
    expect(pauses.slice(0, 3)).toEqual([800, 1_600, 3_200]);
  });

  test("lists in pages where the server refuses to stream the whole, and remembers that it does", async () => {
    const pages = [list(10, [aPod("a", 5)], "p2"), list(10, [aPod("b", 6)])];
    server.play(refusal(422, "Invalid"), ...pages, refusal(410, "Expired"), list(12, [aPod("b", 6)]), stream([]));
    const { told } = run({ pageSize: 1_000 });
    await eventually("the second watch", () => asked().at(-1) === "watch from 12");
    expect(told).toEqual(["added a 5", "added b 6", "deleted a 5"]);
    expect(asked()).toEqual(["whole", "list", "page p2", "watch from 10", "list", "watch from 12"]);
  });

  test("fills the kind in that lists leave out", async () => {
    server.play(refusal(422, "Invalid"), list(10, [aPod("a", 5)]), stream([]));
    const { store } = run();
    await eventually("synced", () => store.hasSynced());
    expect(store.get("shop", "a")).toEqual(aPod("a", 5));
  });

  test("begins again where a list in pages expires between two pages", async () => {
    const first = list(10, [aPod("a", 5)], "p2");
    const again = list(20, [aPod("b", 6)]);
    server.play(refusal(422, "Invalid"), first, refusal(410, "Expired"), again, stream([]));
    const { told } = run();
    await eventually("synced", () => told.length > 0);
    expect(told).toEqual(["added b 6"]);
  });

  describe("meets a restored server", () => {
    test("after a break: an answer that is older than the cache", async () => {
      server.play(stream(whole(100, [aPod("a", 90)]), "reset"), list(60, []));
      const { restored, store } = run();
      await eventually("told", () => restored.length > 0);
      expect(restored[0]).toBe("Pod");
      expect(store.get("shop", "a")?.metadata.resourceVersion).toBe("90");
    });

    test("after a graceful end before its time, as of a server that is stopped", async () => {
      server.play(stream(whole(100, [aPod("a", 90)]), "close"), list(60, []));
      const { restored } = run();
      await eventually("told", () => restored.length > 0);
    });

    test("after 410: a whole that is older, and the store stays as it is", async () => {
      const { code, reason } = { code: 410, reason: "Expired" };
      const gone = line("ERROR", { kind: "Status", code, reason });
      server.play(stream(whole(100, [aPod("a", 90)], gone)), stream(whole(60, [])));
      const { restored, store, told } = run();
      await eventually("told", () => restored.length > 0);
      expect(told).toEqual(["added a 90"]);
      expect(store.size).toBe(1);
    });

    test("whose version has caught up: an object that is older than the known one", async () => {
      const gone = line("ERROR", { kind: "Status", code: 410, reason: "Expired" });
      server.play(stream(whole(100, [aPod("a", 90)], gone)), stream(whole(120, [aPod("a", 40)])));
      const { restored, store } = run();
      await eventually("told", () => restored.length > 0);
      expect(store.get("shop", "a")?.metadata.resourceVersion).toBe("90");
    });
  });

  test("reads a rotated token after 401 and goes on", async () => {
    const folder = mkdtempSync(join(tmpdir(), "zenith-token-"));
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "old\n");
    const config = () => kubeConfigOf(server.url, undefined, { name: "tokenFile", config: { tokenFile } });
    server.play((response, seen) => {
      const known = seen.headers.authorization === "Bearer new";
      (known ? stream(whole(10, [aPod("a", 5)])) : refusal(401, "Unauthorized"))(response, seen);
    });
    const { store } = run({}, server.client({ config }));
    await eventually("refused", () => server.seen.length >= 2);
    expect(store.hasSynced()).toBe(false);
    writeFileSync(tokenFile, "new\n");
    await eventually("synced", () => store.hasSynced());
    rmSync(folder, { recursive: true });
  });

  test("is back within seconds after a server that was away for long", async () => {
    server.play(stream(whole(10, [aPod("a", 5)])));
    const { store, told } = run({}, server.client({ clock: fastClock(FACTOR) }));
    await eventually("synced", () => store.hasSynced());
    server.play(hangUp);
    server.reset();
    const clock = fastClock(FACTOR);
    await clock.sleep(90_000);
    server.play(list(11, []), stream([line("MODIFIED", aPod("a", 11))]));
    const backMs = clock.monotonicMs();
    await eventually("the event", () => told.includes("modified a 11"));
    expect(clock.monotonicMs() - backMs).toBeLessThan(15_000);
  });

  test("begins its waits anew where a server that was away for long refuses at first", async () => {
    server.play(hangUp);
    const pauses: number[] = [];
    const fast = fastClock(FACTOR);
    const sleep = (ms: number, signal?: AbortSignal) => fast.sleep(pauses.push(ms) > 0 ? ms : 0, signal);
    run({ clock: { ...fast, sleep } });
    await eventually("long waits", () => pauses.filter((ms) => ms === 4_000).length >= 4);
    server.play(refusal(503, "ServiceUnavailable"));
    const refused = () => pauses.slice(pauses.lastIndexOf(4_000) + 1);
    await eventually("waits after refusals", () => refused().length >= 3);
    expect(refused().slice(0, 3)).toEqual([800, 1_600, 3_200]);
  });

  test("has one line for an outage, however often it tries, and one for its end", async () => {
    const lines: string[] = [];
    const log = pino({ level: "info" }, { write: (text: string) => void lines.push(JSON.parse(text).msg) });
    server.play(stream(whole(10, []), "reset"), refusal(500, "InternalError"));
    const { reflector } = run({ log });
    await eventually("several tries", () => server.seen.length >= 4);
    server.play(list(10, []), stream([]));
    await eventually("the next watch", () => reflector.watch() === 2);
    expect(lines).toEqual(["a watch ended; it begins again", "the watch goes on"]);
  });

  test("says once more, and once, that the right to watch is missing where the server was away before", async () => {
    const reasons: string[] = [];
    const log = pino({ level: "info" }, { write: (text: string) => void reasons.push(JSON.parse(text).reason) });
    server.play(hangUp, hangUp, refusal(403, "Forbidden"));
    run({ log });
    await eventually("several tries", () => server.seen.length >= 6);
    expect(reasons).toEqual(["network", "forbidden"]);
  });

  test("an error of a listener ends it: no watch may hide a fault of ours", async () => {
    server.play(stream(whole(10, [aPod("a", 5)])));
    const { store, ended } = run();
    store.subscribe(() => {
      throw new TypeError("a fault of ours");
    });
    await expect(ended).rejects.toThrow("a fault of ours");
  });

  test("ends when its signal is aborted: in a watch, in a list, and while it waits", async () => {
    for (const answer of [stream(whole(10, [])), saysNothing, refusal(500, "InternalError")]) {
      stop = new AbortController();
      server.play(answer);
      const before = server.seen.length;
      const { ended } = run();
      await eventually("asked", () => server.seen.length > before);
      stop.abort();
      await ended;
    }
  });

  describe("of a kind that the cluster may lack", () => {
    const notFound = refusal(404, "NotFound");

    test("counts as full and empty until its definition comes, and then follows it", async () => {
      server.play(notFound);
      const { store, told } = run({ optional: true });
      await eventually("synced", () => store.hasSynced());
      expect(store.size).toBe(0);
      server.play(stream(whole(10, [aPod("a", 5)], line("MODIFIED", aPod("a", 11)))));
      await eventually("the object and its change", () => told.length === 2);
      expect(told).toEqual(["added a 5", "modified a 11"]);
    });

    test("asks again after half a minute to a minute, however long it was missing", async () => {
      server.play(notFound);
      const pauses: number[] = [];
      const fast = fastClock(FACTOR);
      const sleep = (ms: number, signal?: AbortSignal) => fast.sleep(pauses.push(ms) > 0 ? ms : 0, signal);
      run({ optional: true, clock: { ...fast, sleep } });
      await eventually("pauses", () => pauses.length >= 9);
      const [late, early] = [pauses.slice(6), pauses.slice(0, 4)];
      expect(Math.min(...late)).toBeGreaterThanOrEqual(30_000);
      expect(Math.max(...late)).toBeLessThanOrEqual(60_000);
      expect(Math.max(...early)).toBeLessThan(30_000);
    });

    test("is emptied where the definition is taken away, and filled when it comes back", async () => {
      server.play(stream(whole(10, [aPod("a", 5)]), "close"), notFound);
      const { told } = run({ optional: true });
      await eventually("emptied", () => told.length === 2);
      server.play(stream(whole(30, [aPod("a", 25)])));
      await eventually("filled", () => told.length === 3);
      expect(told).toEqual(["added a 5", "deleted a 5", "added a 25"]);
    });

    test("a kind that must be there is waited for instead", async () => {
      server.play(notFound, notFound, stream(whole(10, [])));
      const { store } = run();
      await eventually("asked", () => server.seen.length >= 1);
      expect(store.hasSynced()).toBe(false);
      await eventually("synced", () => store.hasSynced());
    });
  });
});
