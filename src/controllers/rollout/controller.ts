import { type KubeObject, type Route, refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { UnitError } from "../../api/units.ts";
import { impossibleStatus } from "../../core/rollout/impossible.ts";
import { optional } from "../../core/rollout/optional.ts";
import { planRollout, type RolloutPlan } from "../../core/rollout/plan.ts";
import { settingsOf } from "../../core/rollout/settings.ts";
import type { MetricsView, Snapshot } from "../../core/rollout/snapshot.ts";
import type { Routers } from "../../core/rollout/world.ts";
import type { Clock } from "../../kube/clock.ts";
import { ApiError, isKind } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { controllerOf, type Resources } from "../../kube/resource.ts";
import type { Store } from "../../kube/store.ts";
import { WorkQueue } from "../../kube/workqueue.ts";
import type { MetricsSource } from "../../metrics/prometheus.ts";
import type { Logger } from "../../telemetry/log.ts";
import { activeWorkers, reconcileErrors, reconcileSeconds, reconciles } from "../../telemetry/metrics.ts";
import { act } from "./act.ts";
import { Currency, type CurrencyOptions } from "./currency.ts";
import { gather } from "./gather.ts";
import { Measurements } from "./measurements.ts";
import { Preflight } from "./preflight.ts";
import { type Key, keyOf, type Sources } from "./sources.ts";
import { TemplateCheck } from "./template-check.ts";

export interface Shell {
  readonly sources: Sources;
  readonly resources: Resources;
  readonly routers: Routers;
  readonly metrics: MetricsSource | undefined;
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** Server time in milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
  readonly concurrency: number;
  /** The term for which this process leads; undefined where no other might. */
  readonly term: () => string | undefined;
  readonly watchOfRollouts: CurrencyOptions["watchOfRollouts"];
  readonly onRestoredServer: CurrencyOptions["onRestoredServer"];
}

const CONTROLLER = "rollout";
/** A cache that has not shown our own write by then is asked around. */
const CATCH_UP_MS = 50;
/** How often a status is written in which only counts change. */
const MINOR_MS = 2_000;

/** Gather, plan, act for each Rollout that something happened to. */
export class RolloutController {
  readonly #shell: Shell;
  readonly #queue: WorkQueue;
  readonly #measurements: Measurements;
  /** When status was last written, by the monotonic clock. */
  readonly #toldMs = new Map<Key, number>();
  readonly #currency: Currency;
  /** What was last thrown where something was to be decided, by Rollout. */
  readonly #faults = new Map<Key, string>();
  readonly #templates: TemplateCheck;
  readonly #preflight: Preflight;

  constructor(shell: Shell) {
    this.#shell = shell;
    this.#queue = new WorkQueue({ name: CONTROLLER, concurrency: shell.concurrency, clock: shell.clock }, (key) =>
      this.#pass(key),
    );
    this.#currency = new Currency(shell);
    this.#measurements = new Measurements(shell.metrics, shell.clock, (key) => this.#queue.add(key));
    this.#templates = new TemplateCheck(shell.resources, () => shell.clock.monotonicMs());
    this.#preflight = new Preflight(shell.metrics, (key) => this.#queue.add(key));
    this.#listen();
  }

  start(): void {
    for (const rollout of this.#shell.sources.rollouts.list()) this.#queue.add(keyOf(rollout));
    this.#queue.start();
  }

  async stop(): Promise<void> {
    await this.#queue.stop();
  }

  /** Each kind's events lead to the Rollouts that read such objects. */
  #listen(): void {
    const { sources } = this.#shell;
    const add = (key: Key) => this.#queue.add(key);
    sources.rollouts.subscribe((type, rollout) => {
      if (type === "deleted") this.#forget(keyOf(rollout));
      add(keyOf(rollout));
    });
    const owned = (object: KubeObject) => {
      const owner = controllerOf(object);
      if (owner?.kind === "Rollout") add(`${object.metadata.namespace ?? ""}/${owner.name}`);
    };
    sources.replicaSets.subscribe((_type, object) => owned(object));
    sources.revisions.subscribe((_type, object) => owned(object));
    const through = (index: string, value: (object: KubeObject) => string) => (_type: string, object: KubeObject) => {
      for (const rollout of sources.rollouts.byIndex(index, value(object))) add(keyOf(rollout));
    };
    const ownName = (object: KubeObject) => keyOf(object);
    sources.deployments.subscribe(through("workload", ownName));
    sources.services.subscribe(through("service", ownName));
    sources.slices.subscribe(
      through(
        "service",
        (slice) => `${slice.metadata.namespace ?? ""}/${slice.metadata.labels?.["kubernetes.io/service-name"] ?? ""}`,
      ),
    );
    for (const [kind, store] of sources.routes)
      (store as Store<Route>).subscribe(through("route", (route) => `${kind}/${keyOf(route)}`));
    sources.autoscalers.subscribe((_type, autoscaler) => {
      const { kind, name } = autoscaler.spec.scaleTargetRef;
      if (kind === "Rollout") add(`${autoscaler.metadata.namespace ?? ""}/${name}`);
      if (kind === "Deployment")
        for (const rollout of sources.rollouts.byIndex("workload", `${autoscaler.metadata.namespace ?? ""}/${name}`))
          add(keyOf(rollout));
    });
  }

  /** One pass. Turns every error into another try, so that one broken object never stops the queue. */
  async #pass(key: Key): Promise<void> {
    const { clock, log } = this.#shell;
    const startMs = clock.monotonicMs();
    activeWorkers.inc({ controller: CONTROLLER });
    try {
      const againInMs = await this.#reconcile(key);
      this.#queue.forget(key);
      if (againInMs !== undefined) this.#queue.addAfter(key, Math.max(1, againInMs));
      reconciles.inc({ controller: CONTROLLER, result: againInMs === undefined ? "success" : "requeue_after" });
    } catch (thrown) {
      const error = thrown instanceof Undecidable ? await this.#tellOf(key, thrown) : thrown;
      reconciles.inc({ controller: CONTROLLER, result: "error" });
      if (error !== undefined && !isKind(error, "conflict", "exists", "notFound")) {
        reconcileErrors.inc({ controller: CONTROLLER });
        log.error({ rollout: key, error: textOf(error) }, "a pass failed; it is tried again");
      }
      // A spec that cannot be read can only be mended; whatever else threw may come right by itself.
      if (thrown instanceof Undecidable && thrown.cause instanceof UnitError && error === undefined)
        this.#queue.forget(key);
      else this.#queue.addRateLimited(key);
    } finally {
      activeWorkers.dec({ controller: CONTROLLER });
      reconcileSeconds.observe({ controller: CONTROLLER }, (clock.monotonicMs() - startMs) / 1_000);
    }
  }

  async #reconcile(key: Key): Promise<number | undefined> {
    const { resources, routers, events, log, now } = this.#shell;
    if (!this.#currency.hasCaughtUp(key)) return CATCH_UP_MS;
    const nowMs = now();
    const metrics = this.#measurements.take(key);
    const gathered = deciding(() => this.#gather(key, nowMs, metrics));
    if (gathered === undefined) return undefined; // Gone; owner references clean up.
    let snapshot = gathered;
    let plan = deciding(() => planRollout(snapshot, routers));
    this.#faults.delete(key);
    const moves = plan.writes.length > 0;
    if (moves && !(await this.#currency.isCurrent(snapshot.rollout))) {
      this.#measurements.putBack(key, metrics.readings);
      return CATCH_UP_MS;
    }
    if (await this.#templates.refuses(key, snapshot.rollout, plan.unproven)) {
      const templateProblem = this.#templates.problem(key, snapshot.rollout);
      snapshot = { ...snapshot, ...optional("templateProblem", templateProblem) };
      plan = deciding(() => planRollout(snapshot, routers));
    }
    const patienceMs = this.#patienceMs(key, plan);
    if (patienceMs > 0) {
      const { status: _later, ...rest } = plan;
      plan = rest;
    }
    const { written, error } = await act(resources, snapshot, plan, log, this.#shell.term());
    this.#currency.await(key, written);
    this.#report(key, snapshot, plan, metrics);
    if (error !== undefined) {
      if (isKind(error, "conflict", "invalid", "exists")) this.#currency.doubt(key);
      this.#measurements.putBack(key, metrics.readings);
      throw error;
    }
    for (const { type, reason, message } of plan.notices) events.record(snapshot.rollout, type, reason, message);
    const askInMs = this.#measurements.keep(
      key,
      plan.memory,
      snapshot.rollout,
      settingsOf(snapshot.rollout),
      nowMs,
      routesOf(snapshot),
    );
    const again = patienceMs > 0 ? patienceMs : undefined;
    const waits = [plan.checkAgainInMs, askInMs, again].filter((ms) => ms !== undefined);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** Milliseconds for which a status that differs in counts alone may wait, so that ten pods which come up are not ten writes. */
  #patienceMs(key: Key, { status, minor }: RolloutPlan): number {
    if (status === undefined) return 0;
    const nowMs = this.#shell.clock.monotonicMs();
    const leftMs = (this.#toldMs.get(key) ?? Number.NEGATIVE_INFINITY) + MINOR_MS - nowMs;
    if (minor === true && leftMs > 0) return leftMs;
    this.#toldMs.set(key, nowMs);
    return 0;
  }

  /** What is known, what the API server said of the template, and whether the analysis can work. */
  #gather(key: Key, nowMs: number, metrics: MetricsView): Snapshot | undefined {
    const { sources } = this.#shell;
    const [namespace = "", name = ""] = key.split("/");
    const rollout = sources.rollouts.get(namespace, name);
    if (rollout === undefined) return undefined;
    const snapshot = gather(sources, key, nowMs, metrics, this.#templates.problem(key, rollout));
    if (snapshot === undefined) return undefined;
    const unusable = this.#preflight.problem(key, rollout, settingsOf(rollout), routesOf(snapshot), nowMs);
    return unusable === undefined ? snapshot : { ...snapshot, metrics: { ...metrics, source: unusable } };
  }

  /** A Rollout about which nothing can be decided is Failed and says why. Said once: by status, an Event and a line.
   * @returns what went wrong in telling; undefined where it is told */
  async #tellOf(key: Key, { cause }: Undecidable): Promise<unknown> {
    const { sources, resources, events, log, now } = this.#shell;
    const [namespace = "", name = ""] = key.split("/");
    const rollout = sources.rollouts.get(namespace, name);
    if (rollout === undefined) return undefined;
    const spec = cause instanceof UnitError;
    const reason = spec ? "SpecImpossible" : "InternalFault";
    const message = spec ? cause.message : `a fault of Zenith, please report it: ${firstLine(cause)}`;
    const status = impossibleStatus(rollout, message, now(), reason);
    if (!spec && this.#faults.get(key) !== message) log.error({ rollout: key, error: textOf(cause) }, "cannot decide");
    this.#faults.set(key, message);
    if (status === undefined) return undefined;
    try {
      const written = await resources.jsonPatch<Rollout>(
        refOf(rollout),
        [
          { op: "replace", path: "/metadata/resourceVersion", value: rollout.metadata.resourceVersion ?? "" },
          { op: "add", path: "/status", value: status },
        ],
        "status",
      );
      const { resourceVersion = "0" } = written.metadata;
      this.#currency.await(key, new Map([[key, { ref: refOf(written), version: resourceVersion }]]));
    } catch (error) {
      return error;
    }
    if (spec) log.warn({ rollout: key, error: message }, "the spec cannot be read");
    events.record(rollout, "Warning", reason, message);
    return undefined;
  }

  /** One line for each decision, none for a pass that changed nothing. */
  #report(key: Key, { rollout }: Snapshot, plan: RolloutPlan, _metrics: MetricsView): void {
    if (plan.writes.length === 0 && plan.status === undefined) return;
    const { stage, mark, phase, reason, message, weightBp } = plan.target;
    this.#shell.log.info(
      {
        rollout: key,
        phase,
        stage,
        mark,
        reason,
        weight: weightBp / 100,
        writes: plan.writes.map(({ why }) => why),
        generation: rollout.metadata.generation,
      },
      message === "" ? phase : message,
    );
  }

  #forget(key: Key): void {
    this.#toldMs.delete(key);
    this.#currency.forget(key);
    this.#faults.delete(key);
    this.#templates.forget(key);
    this.#preflight.forget(key);
    this.#measurements.forget(key);
  }
}

/** Deciding threw: it is about one object, whatever it is. */
class Undecidable extends Error {
  override readonly name = "Undecidable";
}

function deciding<T>(decide: () => T): T {
  try {
    return decide();
  } catch (cause) {
    throw new Undecidable("Nothing can be decided", { cause });
  }
}

function textOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]?.slice(0, 512) ?? "";
}

function routesOf({ routes }: Snapshot): Route[] {
  return routes.flatMap(({ object }) => (object === undefined ? [] : [object as Route]));
}
