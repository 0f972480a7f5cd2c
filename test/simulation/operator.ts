import type { JsonPatchOperation, KubeObject, ObjectRef } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { gather } from "../../src/controllers/rollout/gather.ts";
import { readFromMs } from "../../src/core/analysis/judge.ts";
import type { AnalysisMemory } from "../../src/core/analysis/memory.ts";
import type { Reading } from "../../src/core/analysis/model.ts";
import type { Write } from "../../src/core/plan.ts";
import type { planRollout, RolloutPlan } from "../../src/core/rollout/plan.ts";
import { settingsOf } from "../../src/core/rollout/settings.ts";
import type { Snapshot } from "../../src/core/rollout/snapshot.ts";
import { MINOR_MS } from "../../src/core/rollout/status.ts";
import { unfinishedStatus } from "../../src/core/rollout/unfinished.ts";
import type { Routers } from "../../src/core/rollout/world.ts";
import { isKind } from "../../src/kube/errors.ts";
import { compareVersions } from "../../src/kube/store.ts";
import { routers } from "../../src/traffic/routers.ts";
import type { Agenda } from "./agenda.ts";
import { type ApiServer, refuse } from "./cluster/api-server.ts";
import { Caches, storesOf } from "./cluster/caches.ts";
import type { Prometheus } from "./cluster/prometheus.ts";
import { refTo } from "./cluster/workloads.ts";
import type { WriteFault } from "./faults.ts";
import type { Rng } from "./rng.ts";

export const OPERATOR = "zenith";
const CATCH_UP_MS = 50;
const GONE_MS = 1_000;

/** The plan, and what it came from: what a write is checked against. */
export interface Pass {
  readonly snapshot: Snapshot;
  readonly plan: RolloutPlan;
  readonly process: number;
  readonly memory: AnalysisMemory | undefined;
  /** Whether a watch told of Rollouts as it was made. */
  readonly watched: boolean;
}

export interface Hooks {
  /** What goes wrong with the write that is about to be sent; undefined: nothing. */
  readonly fault: () => WriteFault | undefined;
  readonly onPass: (pass: Pass) => void;
  /** Right before a write reaches the API server, and after it was answered. */
  readonly onWrite: (pass: Pass, write: Write | "status", sent: "sending" | "done" | "unanswered" | "failed") => void;
  readonly onCrash: (why: string) => void;
  readonly plan: typeof planRollout;
  /** What of a write of status is really sent. */
  readonly send: (operations: readonly JsonPatchOperation[]) => readonly JsonPatchOperation[];
  /** Whether a Rollout of which something may have been missed is read live before anything is written. */
  readonly readsLive: boolean;
  /** Whether a request that nobody answers is sent until somebody does. */
  readonly insists: boolean;
}

/** One process of the operator: the real plan, within a shell that gathers and acts as the real one does. */
export class Operator {
  readonly #agenda: Agenda;
  readonly #api: ApiServer;
  readonly #prometheus: Prometheus;
  readonly #rng: Rng;
  readonly #hooks: Hooks;
  caches: Caches | undefined;
  #process = 0;
  #startedMs = 0;
  #running: Generator<number, void> | undefined;
  #dirty = false;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #stoppedUntilMs = 0;
  #pending: { ref: ObjectRef; version: string }[] = [];
  /** The watch under which the Rollout was read live. */
  #confirmed: number | undefined;
  /** Since when a status is owed in which only what is minor differs. */
  #owedSinceMs: number | undefined;
  #readings: readonly Reading[] = [];
  #memory: AnalysisMemory | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking = false;

  constructor(world: { agenda: Agenda; api: ApiServer; prometheus: Prometheus; rng: Rng; hooks: Hooks }) {
    this.#agenda = world.agenda;
    this.#api = world.api;
    this.#prometheus = world.prometheus;
    this.#rng = world.rng;
    this.#hooks = world.hooks;
    world.api.onCommit((commit) => this.caches?.take(commit));
  }

  /** Whether another leads by now. */
  isLate({ process }: Pass): boolean {
    return process !== this.#process;
  }

  get alive(): boolean {
    return this.caches !== undefined && this.#agenda.nowMs >= this.#stoppedUntilMs;
  }

  /** A new process: lists, then looks at every Rollout. */
  start(): void {
    const before = this.#process;
    const list = () => {
      if (before === this.#process) this.#begin();
    };
    this.#api.whenUp(list, () => this.#rng.int(500, 20_000));
  }

  #begin(): void {
    this.#process++;
    this.#startedMs = this.#agenda.nowMs;
    this.caches = new Caches(this.#agenda, this.#api, this.#rng.fork(), () => this.#enqueue());
    this.#enqueue();
  }

  /** All memory is lost; what was written stays. Another process starts after a while. */
  crash(why: string, downMs: number): void {
    this.#hooks.onCrash(why);
    this.caches?.close();
    this.caches = undefined;
    this.#process++;
    this.#running = undefined;
    this.#dirty = false;
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    this.#failures = 0;
    this.#pending = [];
    this.#confirmed = undefined;
    this.#owedSinceMs = undefined;
    this.#readings = [];
    this.#memory = undefined;
    this.#askedMs = Number.NEGATIVE_INFINITY;
    this.#asking = false;
    this.#agenda.after(downMs, () => {
      if (this.caches === undefined) this.start();
    });
  }

  /** The process is held up for a while, in the midst of whatever it does. */
  pause(forMs: number): void {
    this.#stoppedUntilMs = Math.max(this.#stoppedUntilMs, this.#agenda.nowMs + forMs);
  }

  #enqueue(): void {
    this.#dirty = true;
    if (this.#running === undefined) this.#wake(1);
  }

  #backOffMs(): number {
    return Math.min(30_000, 5 * 2 ** this.#failures);
  }

  #wake(inMs: number): void {
    const atMs = this.#agenda.nowMs + inMs;
    if (atMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    const mine = this.#process;
    this.#agenda.after(inMs, () => {
      if (mine !== this.#process || this.#wakeAtMs !== atMs) return;
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      if (this.#running !== undefined) {
        this.#dirty = true;
        return;
      }
      this.#dirty = false;
      this.#running = this.#pass();
      this.#advance(mine);
    });
  }

  /** Runs a pass on to its next wait. */
  #advance(mine: number): void {
    if (mine !== this.#process || this.#running === undefined) return;
    const heldMs = this.#stoppedUntilMs - this.#agenda.nowMs;
    if (heldMs > 0) {
      this.#agenda.after(heldMs, () => this.#advance(mine));
      return;
    }
    try {
      const { done, value } = this.#running.next();
      if (mine !== this.#process) return;
      if (done !== true) {
        this.#agenda.after(value, () => this.#advance(mine));
        return;
      }
      this.#failures = 0;
    } catch (error) {
      if (!isApiError(error)) throw error;
      this.#failures++;
      this.#running = undefined;
      this.#wake(this.#backOffMs());
      return;
    }
    this.#running = undefined;
    if (this.#dirty) this.#wake(1);
  }

  *#pass(): Generator<number, void> {
    const caches = this.caches as Caches;
    if (!this.#caughtUp(caches)) return this.#wake(CATCH_UP_MS);
    const nowMs = this.#agenda.nowMs;
    const readings = this.#readings;
    this.#readings = [];
    const memory = this.#memory;
    const metrics = { source: { kind: "ready" as const }, readings, ...(memory === undefined ? {} : { memory }) };
    const gathered = gather(caches.sources, KEY, nowMs, metrics, undefined);
    if (gathered === undefined) return;
    const snapshot = { ...gathered, decidingSinceMs: Math.max(this.#startedMs, caches.toldSinceMs) };
    const plan = this.#hooks.plan(snapshot, routers as Routers);
    const pass: Pass = {
      snapshot,
      plan,
      process: this.#process,
      memory,
      watched: caches.watchOfRollouts !== undefined,
    };
    this.#hooks.onPass(pass);
    let isSound = false;
    try {
      if (plan.writes.length > 0 && !(yield* this.#isCurrent(caches, snapshot)))
        return this.#wake(this.#caughtUp(caches) ? GONE_MS : CATCH_UP_MS);
      isSound = true;
      const patienceMs = this.#patienceMs(plan);
      const error = yield* this.#act(patienceMs > 0 ? { ...pass, plan: withoutStatus(plan) } : pass);
      if (this.isLate(pass)) return; // Nor does it wake another.
      if (this.isLate(pass)) return; // Another's clocks are not its to set.
      if (error !== undefined) {
        if (isKind(error, "conflict")) isSound = false;
        if (isKind(error, "conflict", "invalid", "exists")) this.#confirmed = undefined;
        throw error;
      }
      const again = patienceMs > 0 ? patienceMs : undefined;
      const waits = [plan.checkAgainInMs, again].filter((ms) => ms !== undefined);
      if (waits.length > 0) this.#wake(Math.max(1, Math.min(...waits)));
    } finally {
      // What one that is late would remember is another's now.
      if (!this.isLate(pass)) this.#goOnJudging(plan, snapshot, isSound);
    }
  }

  /** Whatever becomes of the writes, metrics are asked for, and what is known is kept. */
  #goOnJudging({ memory }: RolloutPlan, snapshot: Snapshot, isSound: boolean): void {
    const askInMs = this.#keep(isSound ? memory : (snapshot.metrics.memory ?? memory), snapshot);
    if (!isSound) this.#putBack(snapshot.metrics.readings);
    if (askInMs !== undefined) this.#wake(Math.max(1, askInMs));
  }

  /** After a start, a gap in the watch or a conflict the Rollout is read live before anything is written. */
  *#isCurrent(caches: Caches, { rollout }: Snapshot): Generator<number, boolean> {
    const watch = caches.watchOfRollouts;
    if ((watch !== undefined && this.#confirmed === watch) || !this.#hooks.readsLive) return true;
    yield this.#rng.int(2, 20);
    yield* this.#reach();
    const live = this.#api.find("Rollout", rollout.metadata.name);
    if (live === undefined) return false;
    const version = live.metadata.resourceVersion ?? "0";
    if (version !== rollout.metadata.resourceVersion) {
      this.#pending = [{ ref: refTo(live), version }];
      return false;
    }
    this.#confirmed = watch;
    return true;
  }

  /** How long a status that differs in what is minor may wait. */
  #patienceMs({ status, minor }: RolloutPlan): number {
    const sinceMs = this.#owedSinceMs ?? this.#agenda.nowMs;
    const leftMs = status !== undefined && minor === true ? sinceMs + MINOR_MS - this.#agenda.nowMs : 0;
    this.#owedSinceMs = leftMs > 0 ? sinceMs : undefined;
    return Math.max(0, leftMs);
  }

  /** Writes in order up to the first that fails; a group all at once, each on its own; status last. */
  *#act(pass: Pass): Generator<number, unknown> {
    const { plan, snapshot } = pass;
    const written: { ref: ObjectRef; version: string }[] = [];
    let error: unknown;
    let rollout: KubeObject = snapshot.rollout;
    for (const group of groupsOf(plan.writes)) {
      yield this.#rng.int(2, 25);
      for (const write of group) {
        try {
          const object = yield* this.#send(pass, write, () => this.#apply(write));
          if (object === undefined) continue;
          written.push({ ref: refTo(object), version: object.metadata.resourceVersion ?? "0" });
          if (object.kind === "Rollout") rollout = object;
        } catch (cause) {
          if (!isApiError(cause)) throw cause;
          error ??= cause;
        }
      }
      if (error !== undefined) break;
    }
    const value =
      error === undefined ? plan.status : unfinishedStatus(snapshot.rollout, plan, undefined, snapshot.nowMs);
    if (value !== undefined && plan.target.release !== true) {
      yield this.#rng.int(2, 25);
      try {
        const operations: JsonPatchOperation[] = [
          { op: "replace", path: "/metadata/resourceVersion", value: rollout.metadata.resourceVersion ?? "" },
          { op: "add", path: "/status", value },
        ];
        const send = () => this.#api.patch(OPERATOR, refTo(rollout), this.#hooks.send(operations), "status");
        const object = (yield* this.#send(pass, "status", send)) as Rollout;
        written.push({ ref: refTo(object), version: object.metadata.resourceVersion ?? "0" });
      } catch (cause) {
        if (!isApiError(cause)) throw cause;
        error ??= cause;
      }
    }
    if (written.length > 0 && !this.isLate(pass)) this.#pending = written;
    return error;
  }

  /** One write, and what may happen to it: lost before or after it took effect, or the process with it. */
  *#send(
    pass: Pass,
    write: Write | "status",
    send: () => KubeObject | undefined,
  ): Generator<number, KubeObject | undefined> {
    yield* this.#reach();
    const fault = this.isLate(pass) ? undefined : this.#hooks.fault();
    if (fault === "twoLeaders") {
      this.#fallAsleep();
      yield 0; // Goes on once it has woken.
    }
    if (fault === "crashBefore") {
      this.crash(fault, this.#rng.int(500, 20_000));
      yield 0; // The generator is dropped here.
    }
    if (fault === "errorBefore") throw refuse("server", "the API server is not available");
    if (fault === "conflict") throw refuse("conflict", "the object has been modified");
    this.#hooks.onWrite(pass, write, "sending");
    let object: KubeObject | undefined;
    try {
      object = send();
    } catch (error) {
      this.#hooks.onWrite(pass, write, "failed");
      throw error;
    }
    const isUnanswered = fault === "errorAfter" || this.#api.isDown; // It went with the answer.
    this.#hooks.onWrite(pass, write, isUnanswered ? "unanswered" : "done");
    if (fault === "crashAfter") {
      this.crash(fault, this.#rng.int(500, 20_000));
      yield 0;
    }
    if (isUnanswered) throw refuse("timeout", "no answer came");
    return object;
  }

  *#reach(): Generator<number, void> {
    while (this.#hooks.insists && this.#api.isDown) yield 1_000;
    this.#api.reach();
  }

  /** Another leads, and knows nothing of what is left of this pass. */
  #fallAsleep(): void {
    const asleep = this.#running;
    this.crash("asleep, until another leads", this.#rng.int(200, 20_000));
    if (asleep !== undefined) this.#agenda.after(this.#rng.int(1_000, 90_000), () => this.#wakeLate(asleep));
  }

  /** Does what is left of a pass, step by step: each write rests on what was read before the sleep. */
  #wakeLate(asleep: Generator<number, void>): void {
    try {
      const { done, value } = asleep.next();
      if (done !== true) this.#agenda.after(value, () => this.#wakeLate(asleep));
    } catch (error) {
      if (!isApiError(error)) throw error;
    }
  }

  #apply(write: Write): KubeObject | undefined {
    switch (write.verb) {
      case "create":
        return this.#make(write.object);
      case "jsonPatch": {
        const guard = { op: "replace" as const, path: "/metadata/resourceVersion", value: write.resourceVersion };
        return this.#api.patch(
          OPERATOR,
          write.ref,
          write.resourceVersion === "" ? write.operations : [guard, ...write.operations],
        );
      }
      case "mergePatch":
        return this.#api.merge(OPERATOR, write.ref, write.patch);
      default:
        try {
          this.#api.delete(OPERATOR, write.ref, write);
        } catch (error) {
          if (!isKind(error, "notFound")) throw error;
        }
        return undefined;
    }
  }

  /** One that is there already is as good where it is ours: our own create, whose answer was lost. */
  #make(object: KubeObject): KubeObject {
    const found = this.#api.find(object.kind, object.metadata.name);
    const owner = (of: KubeObject) => of.metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
    const isOurs = found !== undefined && object.kind !== "Service" && owner(found) === owner(object);
    return isOurs && found.metadata.deletionTimestamp === undefined ? found : this.#api.create(OPERATOR, object);
  }

  #caughtUp(caches: Caches): boolean {
    const stores = storesOf(caches.sources);
    this.#pending = this.#pending.filter(({ ref, version }) => {
      const store = stores.get(ref.kind);
      const seen = store?.get(ref.namespace, ref.name)?.metadata.resourceVersion;
      return !(
        store === undefined ||
        compareVersions(store.version(), version) >= 0 ||
        (seen !== undefined && compareVersions(seen, version) >= 0)
      );
    });
    return this.#pending.length === 0;
  }

  #putBack(readings: readonly Reading[]): void {
    if (this.#readings.length === 0) this.#readings = readings;
  }

  /** Keeps what the judge knows, and asks Prometheus again when it is time. */
  #keep(memory: AnalysisMemory | undefined, { rollout }: Snapshot): number | undefined {
    const { analysis } = settingsOf(rollout);
    if (memory === undefined || analysis === undefined) {
      this.#memory = undefined;
      this.#readings = [];
      this.#askedMs = Number.NEGATIVE_INFINITY;
      return undefined;
    }
    this.#memory = memory;
    const now = this.#agenda.nowMs;
    const leftMs = analysis.intervalMs - (now - this.#askedMs);
    if (leftMs > 0 || this.#asking) return Math.max(leftMs, 10);
    this.#askedMs = now;
    this.#asking = true;
    const stable = rollout.status?.stable?.revision;
    const mine = this.#process;
    const question = {
      canary: memory.subject,
      stable: stable === memory.subject ? rollout.status?.progress?.previous : stable,
      metrics: analysis.metrics,
      sinceMs: readFromMs(analysis, memory.state, now),
      nowMs: now,
    };
    this.#prometheus.ask(question, (readings) => {
      if (mine !== this.#process) return;
      this.#asking = false;
      if (this.#memory?.subject !== question.canary) return;
      this.#readings = readings;
      this.#enqueue();
    });
    return analysis.intervalMs;
  }
}

const KEY = "shop/web";

function withoutStatus({ status: _later, ...plan }: RolloutPlan): RolloutPlan {
  return plan;
}

function isApiError(error: unknown): boolean {
  return error instanceof Error && error.name === "ApiError";
}

function groupsOf(writes: readonly Write[]): Write[][] {
  const groups: Write[][] = [];
  for (const write of writes) {
    const last = groups.at(-1);
    if (last !== undefined && write.together !== undefined && last[0]?.together === write.together) last.push(write);
    else groups.push([write]);
  }
  return groups;
}
