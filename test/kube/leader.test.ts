import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonPatchOperation, KubeObject, ObjectRef } from "../../src/api/kubernetes.ts";
import { presenceOf } from "../../src/cli/cluster/operator.ts";
import { FakeClock } from "../../src/kube/clock.ts";
import { Elector, type ElectorOptions, isLaterTerm } from "../../src/kube/leader.ts";
import { Resources } from "../../src/kube/resource.ts";
import { LeaseKeeper } from "./lease.ts";
import { type Answer, refusal, type ScriptedServer, saysNothing, startScriptedServer } from "./scripted-server.ts";

let server: ScriptedServer;
let keeper: LeaseKeeper;
let stop: AbortController;
beforeEach(async () => {
  server = await startScriptedServer();
  stop = new AbortController();
  keeper = new LeaseKeeper();
  server.play(keeper.answer);
});
afterEach(async () => {
  stop.abort();
  await server.stop();
});

const holder = (): unknown => keeper.holder;

/** Knows when all answers are in, so that a clock may go on. */
class Watched extends Resources {
  underWay = 0;
  override get<T extends KubeObject>(ref: ObjectRef): Promise<T> {
    return this.#counted(super.get<T>(ref));
  }
  override create<T extends KubeObject>(object: T): Promise<T> {
    return this.#counted(super.create(object));
  }
  override jsonPatch<T extends KubeObject>(ref: ObjectRef, operations: readonly JsonPatchOperation[]): Promise<T> {
    return this.#counted(super.jsonPatch<T>(ref, operations));
  }
  #counted<T>(answer: Promise<T>): Promise<T> {
    this.underWay++;
    return answer.finally(() => this.underWay--);
  }
}

class Candidate {
  readonly clock: FakeClock;
  readonly elector: Elector;
  leads = false;
  end: string | undefined;
  readonly #resources: Watched;

  constructor(identity: string, options: Partial<ElectorOptions> = {}, clock = new FakeClock()) {
    this.clock = clock;
    const client = server.client();
    this.#resources = new Watched(client);
    const names = { namespace: "zenith-system", name: "zenith-operator", identity };
    this.elector = new Elector(this.#resources, { ...names, clock: this.clock, random: () => 1, ...options });
    client.fence(() => {
      if (this.leads && !this.elector.mayWrite()) throw new Error("no longer leading");
    });
  }

  run(): this {
    void this.elector.acquire(stop.signal).then(async () => {
      this.leads = true;
      this.end = await this.elector.hold(stop.signal);
    });
    return this;
  }

  /** Lets time pass, all answers being quick. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= 250) {
      await this.settle();
      await this.clock.advance(Math.min(250, leftMs));
      await this.settle();
    }
  }

  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet = this.#resources.underWay === 0 ? quiet + 1 : 0)
      await new Promise((resolve) => setImmediate(resolve));
  }
}

async function together(ms: number, ...candidates: readonly Candidate[]): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= 250)
    for (const candidate of candidates) await candidate.pass(Math.min(250, leftMs));
}

describe("Elector", () => {
  test("makes the Lease where there is none, leads, and renews it", async () => {
    const a = new Candidate("a").run();
    await a.pass(250);
    expect(a.leads).toBe(true);
    expect(a.elector.mayWrite()).toBe(true);
    expect(keeper.lease?.spec).toMatchObject({ holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 0 });
    expect(keeper.lease?.spec.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const { acquireTime, renewTime } = keeper.lease?.spec ?? {};
    await a.pass(60_000);
    expect(keeper.lease?.spec.acquireTime).toBe(acquireTime);
    expect(keeper.lease?.spec.renewTime).not.toBe(renewTime);
    expect(server.seen.filter(({ method }) => method === "PATCH").length).toBeGreaterThanOrEqual(25);
    expect(a.elector.mayWrite()).toBe(true);
  });

  test("waits while another renews, whatever that one's clock says", async () => {
    const a = new Candidate("a").run();
    await a.pass(250);
    const b = new Candidate("b", {}, new FakeClock(0)).run(); // Decades behind.
    const c = new Candidate("c", {}, new FakeClock(3_000_000_000_000)).run();
    await together(30_000, a, b, c);
    expect([a.leads, b.leads, c.leads]).toEqual([true, false, false]);
    expect([b.elector.mayWrite(), b.elector.term()]).toEqual([false, undefined]);
  });

  test("says by the server's clock when it renewed, as whoever asks whether it runs compares it with that", async () => {
    const clock = new FakeClock(1_700_000_000_000);
    const serverNow = () => clock.now() + 60_000; // The machine is a minute behind.
    const a = new Candidate("a", { now: serverNow }, clock).run();
    await a.pass(10_000);
    expect(presenceOf([keeper.lease as KubeObject], serverNow())).toMatchObject({ kind: "running", holder: "a" });
  });

  test("takes over 15 s after it saw the last renewal; the frozen one may not write by then, nor when it wakes", async () => {
    const a = new Candidate("a").run();
    await a.pass(5_000);
    const b = new Candidate("b").run();
    await together(2_000, a, b);
    const term = a.elector.term() ?? "";
    for (let ms = 0; ms < 20_000 && !b.leads; ms += 250) {
      a.clock.freeze(250);
      await b.pass(250);
      expect(a.elector.mayWrite() && b.elector.mayWrite()).toBe(false);
    }
    expect(b.leads).toBe(true);
    expect(holder()).toBe("b");
    expect(keeper.lease?.spec.leaseTransitions).toBe(1);
    expect(isLaterTerm(b.elector.term() ?? "", term)).toBe(true);
    await a.pass(250);
    expect(a.end).toBe("lost");
    expect(a.elector.mayWrite()).toBe(false);
    await together(10_000, a, b);
    expect(holder()).toBe("b");
  });

  test("who wakes late does not take the Lease up again, even where nobody else did", async () => {
    const a = new Candidate("a").run();
    await a.pass(1_000);
    const version = keeper.lease?.metadata.resourceVersion;
    a.clock.freeze(30_000);
    await a.pass(250);
    expect(a.end).toBe("lost");
    expect(keeper.lease?.metadata.resourceVersion).toBe(version);
  });

  test("one of two takes a Lease that has run out", async () => {
    const old = new Candidate("old").run();
    await old.pass(1_000);
    const [a, b] = [new Candidate("a").run(), new Candidate("b").run()];
    for (let ms = 0; ms < 20_000; ms += 250) await Promise.all([a.pass(250), b.pass(250)]);
    expect([a.leads, b.leads].filter(Boolean)).toHaveLength(1);
    expect(keeper.lease?.spec.leaseTransitions).toBe(1);
  });

  test("gives the Lease back, and the next leads within 2 s", async () => {
    const a = new Candidate("a").run();
    await a.pass(1_000);
    const b = new Candidate("b").run();
    await together(4_000, a, b);
    await a.elector.release();
    expect(a.elector.mayWrite()).toBe(false);
    expect(holder()).toBe("");
    await b.pass(2_000);
    expect(b.leads).toBe(true);
    expect(isLaterTerm(b.elector.term() ?? "", a.elector.term() ?? "")).toBe(true);
  });

  test("gives back nothing that is another's", async () => {
    const a = new Candidate("a").run();
    await a.pass(250);
    keeper.edit({ holderIdentity: "b" });
    await a.elector.release();
    expect(holder()).toBe("b");
  });

  const taken: Record<string, string> = { "is another's now": "b", "was another's, who gave it back": "" };
  for (const [name, holderIdentity] of Object.entries(taken))
    test(`is over at once where the Lease ${name}`, async () => {
      const a = new Candidate("a").run();
      await a.pass(3_000);
      keeper.edit({ holderIdentity, leaseTransitions: 7 });
      await a.pass(2_000);
      expect(a.end).toBe("lost");
      expect(a.elector.mayWrite()).toBe(false);
      expect(holder()).toBe(holderIdentity);
    });

  test("makes a Lease that was deleted anew, and its term is another", async () => {
    const a = new Candidate("a").run();
    await a.pass(1_000);
    const term = a.elector.term();
    keeper.lease = undefined;
    await a.pass(2_000);
    expect(a.end).toBeUndefined();
    expect(holder()).toBe("a");
    expect(a.elector.term()).not.toBe(term);
  });

  const outages: Record<string, Answer> = {
    refuses: refusal(500, "InternalError"),
    forbids: refusal(403, "Forbidden"),
    "always finds a conflict": (response, seen) =>
      seen.method === "GET" ? keeper.answer(response, seen) : refusal(409, "Conflict")(response, seen),
  };
  for (const [name, given] of Object.entries(outages))
    test(`is over 10 s after the last renewal where the server ${name}`, async () => {
      const a = new Candidate("a").run();
      await a.pass(4_250); // Renewed at 4 s.
      server.play(given);
      await a.pass(9_000);
      expect([a.end, a.elector.mayWrite()]).toEqual([undefined, true]);
      await a.pass(3_000);
      expect([a.end, a.elector.mayWrite()]).toEqual(["lost", false]);
    });

  test("is over in time where no answer comes, and stays so when a late one does", async () => {
    const a = new Candidate("a").run();
    await a.pass(4_250);
    const late: (() => void)[] = [];
    server.play((response, seen) => void late.push(() => keeper.answer(response, seen)));
    for (let ms = 0; ms < 11_000; ms += 250) await a.clock.advance(250);
    expect([a.end, a.elector.mayWrite()]).toEqual(["lost", false]);
    server.play(keeper.answer);
    for (const answer of late) answer();
    await a.settle();
    expect(a.elector.mayWrite()).toBe(false);
  });

  test("lives through an outage that is shorter than that", async () => {
    const a = new Candidate("a").run();
    await a.pass(4_250);
    server.play(refusal(500, "InternalError"));
    await a.pass(7_000);
    server.play(keeper.answer);
    await a.pass(10_000);
    expect([a.end, a.elector.mayWrite()]).toEqual([undefined, true]);
  });

  test("stops when it is told to: while it waits, and while it holds", async () => {
    const a = new Candidate("a").run();
    await a.pass(1_000);
    const b = new Candidate("b");
    const waiting = b.elector.acquire(stop.signal);
    await b.settle(); // It knows that it waits.
    server.play(saysNothing);
    await a.clock.advance(2_000); // Its renewal is under way.
    stop.abort();
    server.play(keeper.answer);
    await waiting;
    await a.clock.advance(0);
    expect(a.end).toBe("stopped");
    expect(b.elector.mayWrite()).toBe(false);
  });
});

describe("isLaterTerm()", () => {
  const table: Record<string, { given: [string, string]; expect: boolean }> = {
    "of one Lease, by number": { given: ["10/a", "9/a"], expect: true },
    "the same": { given: ["9/a", "9/a"], expect: false },
    "an earlier one": { given: ["8/a", "9/a"], expect: false },
    "of another Lease": { given: ["10/b", "9/a"], expect: false },
    "what is no term": { given: ["", "9/a"], expect: false },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) => expect(isLaterTerm(...given)).toBe(wanted));
});
