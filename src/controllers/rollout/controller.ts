import type { KubeObject, PodTemplate, Route } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import type { MetricsView } from "../../core/analysis/memory.ts";
import { sameJson } from "../../core/json.ts";
import { optional } from "../../core/optional.ts";
import { LABEL_ROLLOUT } from "../../core/rollout/names.ts";
import { planRollout, type RolloutPlan } from "../../core/rollout/plan.ts";
import { settingsOf } from "../../core/rollout/settings.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import { MINOR_MS } from "../../core/rollout/status.ts";
import type { Routers } from "../../core/rollout/world.ts";
import type { Clock } from "../../kube/clock.ts";
import { isKind } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { controllerOf, type Resources } from "../../kube/resource.ts";
import type { Store } from "../../kube/store.ts";
import type { MetricsSource } from "../../metrics/prometheus.ts";
import type { Logger } from "../../telemetry/log.ts";
import { deciding, Faults } from "../faults.ts";
import { FLAG_INDEXES } from "../feature-flag/sources.ts";
import { type Key, keyOf } from "../key.ts";
import { Measurements } from "../measurements.ts";
import { Passes } from "../passes.ts";
import { Preflight } from "../preflight.ts";
import { act } from "./act.ts";
import { Contests } from "./contests.ts";
import { Currency, type CurrencyOptions } from "./currency.ts";
import { logDecision } from "./decision-log.ts";
import { GateMetrics, type GateQuestion } from "./gate-metrics.ts";
import { gather } from "./gather.ts";
import { examinedOf, inquiryOf } from "./inquiry.ts";
import { NameTaken } from "./make.ts";
import { countTurn, forgetTurns } from "./metrics.ts";
import { Refusals } from "./refusals.ts";
import type { Sources } from "./sources.ts";
import { subjectNamed } from "./subject.ts";
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
  /** Since when the Rollouts of a namespace are told without a gap of note, by the monotonic clock. */
  readonly toldSinceMs: (namespace: string) => number;
  readonly onRestoredServer: CurrencyOptions["onRestoredServer"];
}

const CONTROLLER = "rollout";
/** What a Rollout is not while nothing can be decided about it. */
const STANDING = { denied: ["Ready", "Progressing", "Paused", "Promoted"], kept: [] };
/** A cache that has not shown our own write by then is asked around. */
const CATCH_UP_MS = 50;
/** A Rollout that is gone, and that the cache still has, is asked for again so often. */
const GONE_MS = 1_000;

/** Gather, plan, act for each Rollout that something happened to. */
export class RolloutController {
  readonly #shell: Shell;
  readonly #passes: Passes<Rollout>;
  readonly #measurements: Measurements;
  /** Since when a status is owed in which only what is minor differs, by the monotonic clock. */
  readonly #owedSinceMs = new Map<Key, number>();
  readonly #currency: Currency;
  readonly #faults: Faults<Rollout>;
  readonly #templates: TemplateCheck;
  readonly #preflight: Preflight;
  readonly #contests: Contests;
  readonly #gateMetrics: GateMetrics;
  readonly #refusals: Refusals;
  /** By the server's clock. */
  #decidingSinceMs = 0;

  constructor(shell: Shell) {
    this.#shell = shell;
    this.#currency = new Currency(shell);
    this.#faults = new Faults<Rollout>({ ...shell, kind: CONTROLLER, standing: STANDING });
    this.#passes = new Passes<Rollout>({
      ...shell,
      name: CONTROLLER,
      reconcile: (key) => this.#reconcile(key),
      find: (key) => this.#rollout(key),
      faults: this.#faults,
      awaited: this.#currency,
      isExpected: (error) => error instanceof NameTaken,
    });
    this.#measurements = new Measurements(shell.metrics, shell.clock, (key) => this.#passes.add(key));
    this.#templates = new TemplateCheck(shell.resources, () => shell.clock.monotonicMs());
    this.#preflight = new Preflight(shell.metrics, (key) => this.#passes.add(key));
    this.#contests = new Contests(() => shell.clock.monotonicMs());
    this.#gateMetrics = new GateMetrics(shell.metrics, shell.clock, (key) => this.#passes.add(key));
    this.#refusals = new Refusals(shell.clock, shell.events);
    this.#listen();
  }

  start(): void {
    this.#decidingSinceMs = this.#shell.now();
    for (const rollout of this.#shell.sources.rollouts.list()) this.#passes.add(keyOf(rollout));
    this.#passes.start();
  }

  async stop(): Promise<void> {
    await this.#passes.stop();
  }

  /** Each kind's events lead to the Rollouts that read such objects. */
  #listen(): void {
    const { sources } = this.#shell;
    const add = (key: Key) => this.#passes.add(key);
    sources.rollouts.subscribe((type, rollout) => {
      if (type === "deleted") this.#forget(keyOf(rollout));
      add(keyOf(rollout));
    });
    // By owner and by label: someone may take either away, and both are put back.
    const owned = (object: KubeObject) => {
      const owner = controllerOf(object);
      if (owner?.kind === "Rollout") add(`${object.metadata.namespace ?? ""}/${owner.name}`);
      const label = object.metadata.labels?.[LABEL_ROLLOUT] ?? "";
      for (const rollout of sources.rollouts.byIndex("label", `${object.metadata.namespace ?? ""}/${label}`))
        add(keyOf(rollout));
    };
    sources.replicaSets.subscribe((_type, object) => owned(object));
    sources.revisions.subscribe((_type, object) => owned(object));
    const through = (index: string, value: (object: KubeObject) => string) => (_type: string, object: KubeObject) => {
      for (const rollout of sources.rollouts.byIndex(index, value(object))) add(keyOf(rollout));
    };
    const ownName = (object: KubeObject) => keyOf(object);
    sources.configMaps?.subscribe(through("gate", (map) => `ConfigMap/${keyOf(map)}`));
    sources.rollouts.subscribe(through("gate", (rollout) => `Rollout/${keyOf(rollout)}`));
    const flagsOf = through("gate", ({ metadata }) => `FeatureFlag/${metadata.namespace ?? ""}`);
    sources.flags.subscribe(flagsOf);
    sources.kills.subscribe(flagsOf);
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
    sources.kills.subscribe((_type, { metadata }) => {
      for (const rollout of sources.rollouts.list(metadata.namespace ?? "")) add(keyOf(rollout));
    });
    sources.flags.subscribe((_type, flag, old) => {
      if (sameJson(flag.status?.override, old?.status?.override)) return;
      for (const key of FLAG_INDEXES.rollout(flag)) add(key);
    });
    sources.autoscalers.subscribe((_type, autoscaler) => {
      const { kind, name } = autoscaler.spec.scaleTargetRef;
      if (kind === "Rollout") add(`${autoscaler.metadata.namespace ?? ""}/${name}`);
      const set =
        kind === "ReplicaSet" ? sources.replicaSets.get(autoscaler.metadata.namespace ?? "", name) : undefined;
      if (set !== undefined) owned(set);
      if (kind === "Deployment")
        for (const rollout of sources.rollouts.byIndex("workload", `${autoscaler.metadata.namespace ?? ""}/${name}`))
          add(keyOf(rollout));
    });
  }

  #rollout(key: Key): Rollout | undefined {
    const [namespace = "", name = ""] = key.split("/");
    return this.#shell.sources.rollouts.get(namespace, name);
  }

  async #reconcile(key: Key): Promise<number | undefined> {
    const { routers, now } = this.#shell;
    if (!this.#currency.hasCaughtUp(key)) return CATCH_UP_MS;
    const nowMs = now();
    const metrics = this.#measurements.take(key);
    const snapshot = deciding(() => this.#gather(key, nowMs, metrics));
    if (snapshot === undefined) {
      this.#forget(key); // Gone, perhaps while a pass was under way, which took note of more. Owner references clean up.
      return undefined;
    }
    const plan = deciding(() => planRollout(snapshot, routers));
    this.#faults.forget(key);
    let isSound = false; // Until what was judged is known to rest on the Rollout as it is.
    try {
      if (plan.writes.length > 0 && !(await this.#currency.isCurrent(snapshot.rollout)))
        return this.#currency.hasCaughtUp(key) ? GONE_MS : CATCH_UP_MS;
      isSound = true;
      return await this.#carryOut(key, snapshot, plan);
    } catch (error) {
      if (isKind(error, "conflict")) isSound = false;
      throw error;
    } finally {
      this.#goOnJudging(key, snapshot, plan, isSound);
      this.#askGates(key, snapshot, plan);
    }
  }

  /** Acts, and tells of it. @returns milliseconds until the next pass; undefined: when something changes */
  async #carryOut(key: Key, gathered: Snapshot, planned: RolloutPlan): Promise<number | undefined> {
    const { resources, routers, events, log } = this.#shell;
    let snapshot = gathered;
    let plan = planned;
    const template = this.#wantedTemplate(snapshot.rollout);
    if (await this.#templates.refuses(key, template, plan.unproven)) {
      const templateProblem = this.#templates.problem(key, template);
      snapshot = { ...snapshot, ...optional("templateProblem", templateProblem) };
      plan = deciding(() => planRollout(snapshot, routers));
    }
    const patienceMs = this.#patienceMs(key, plan);
    if (patienceMs > 0) {
      const { status: _later, ...rest } = plan;
      plan = rest;
    }
    const { rollout } = snapshot;
    const acted = await act(resources, snapshot, plan, log, this.#shell.term(), (failure) =>
      this.#refusals.note(rollout, failure),
    );
    const { written, done, error } = acted;
    this.#currency.await(key, written);
    this.#contests.note(key, snapshot, plan.writes, written);
    logDecision(log, snapshot.rollout, plan, done);
    if (error !== undefined) {
      if (isKind(error, "conflict", "invalid", "exists")) this.#currency.doubt(key);
      if (error instanceof NameTaken) events.record(snapshot.rollout, "Warning", "NameTaken", error.message);
      throw error;
    }
    this.#refusals.forget(key);
    for (const { type, reason, message } of plan.notices) {
      events.record(snapshot.rollout, type, reason, message);
      countTurn(snapshot.rollout, reason);
    }
    const again = patienceMs > 0 ? patienceMs : undefined;
    return earliest(plan.checkAgainInMs, again, this.#contests.view(key)?.leftMs);
  }

  #goOnJudging(key: Key, snapshot: Snapshot, { memory: judged }: RolloutPlan, isSound: boolean): void {
    const { rollout, metrics, nowMs } = snapshot;
    const inquiry = (memory: RolloutPlan["memory"]) =>
      inquiryOf(memory, rollout, settingsOf(rollout), nowMs, routesOf(snapshot));
    const askInMs = this.#measurements.goOn(key, metrics, judged, isSound, inquiry);
    if (askInMs !== undefined) this.#passes.addAfter(key, askInMs);
  }

  /** Gates of metrics are asked about while a release waits before them; once none does, nothing of it is remembered. */
  #askGates(key: Key, { rollout, nowMs }: Snapshot, { target, status }: RolloutPlan): void {
    const told = status ?? rollout.status;
    const question =
      target.gates === undefined ? undefined : this.#gateQuestion({ ...rollout, ...optional("status", told) });
    if (question === undefined) this.#gateMetrics.forget(key);
    else this.#gateMetrics.keep(key, question, nowMs);
  }

  /** Undefined where no gate is one of a metric. */
  #gateQuestion(rollout: Rollout): GateQuestion | undefined {
    const settings = settingsOf(rollout);
    const gates = settings.gates.filter((gate) => gate.kind === "metric");
    if (gates.length === 0) return undefined;
    const sides = { canary: rollout.status?.wanted?.revision ?? "", weightBp: 0 };
    const template = JSON.stringify(this.#wantedTemplate(rollout) ?? null);
    return { gates, subject: subjectNamed(rollout, settings, sides, []), template };
  }

  #wantedTemplate({ metadata, spec }: Rollout): PodTemplate | undefined {
    if (spec.workloadRef === undefined) return spec.template as PodTemplate | undefined;
    return this.#shell.sources.deployments.get(metadata.namespace ?? "", spec.workloadRef.name)?.spec.template;
  }

  /** Milliseconds for which a status that differs in what is minor may wait: ten pods that come up are not ten writes, and most
   * often something that matters is written meanwhile, and takes that with it. */
  #patienceMs(key: Key, { status, minor }: RolloutPlan): number {
    const nowMs = this.#shell.clock.monotonicMs();
    const sinceMs = this.#owedSinceMs.get(key) ?? nowMs;
    const leftMs = status !== undefined && minor === true ? sinceMs + MINOR_MS - nowMs : 0;
    if (leftMs > 0) this.#owedSinceMs.set(key, sinceMs);
    else this.#owedSinceMs.delete(key);
    return Math.max(0, leftMs);
  }

  /** What is known, what the API server said of the template, and whether the analysis can work. */
  #gather(key: Key, nowMs: number, metrics: MetricsView): Snapshot | undefined {
    const rollout = this.#rollout(key);
    if (rollout === undefined) return undefined;
    const problem = this.#templates.problem(key, this.#wantedTemplate(rollout));
    const answers = this.#gateMetrics.view(key, this.#gateQuestion(rollout));
    const gathered = gather(this.#shell.sources, key, nowMs, metrics, problem, answers);
    if (gathered === undefined) return undefined;
    const contested = optional("contested", this.#contests.view(key));
    const snapshot = { ...gathered, decidingSinceMs: this.#knowingSinceMs(rollout), ...contested };
    const unusable = this.#preflight.problem(key, examinedOf(rollout, settingsOf(rollout), routesOf(snapshot)), nowMs);
    return unusable === undefined ? snapshot : { ...snapshot, metrics: { ...metrics, source: unusable } };
  }

  /** By the server's clock; an outage begins it anew. */
  #knowingSinceMs({ metadata }: Rollout): number {
    const { clock, now, toldSinceMs } = this.#shell;
    const forMs = clock.monotonicMs() - toldSinceMs(metadata.namespace ?? "");
    return Math.max(this.#decidingSinceMs, now() - forMs);
  }

  #forget(key: Key): void {
    this.#owedSinceMs.delete(key);
    forgetTurns(key);
    this.#currency.forget(key);
    this.#faults.forget(key);
    this.#templates.forget(key);
    this.#preflight.forget(key);
    this.#gateMetrics.forget(key);
    this.#contests.forget(key);
    this.#refusals.forget(key);
    this.#measurements.forget(key);
  }
}

function earliest(...waits: readonly (number | undefined)[]): number | undefined {
  const known = waits.filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function routesOf({ routes }: Snapshot): Route[] {
  return routes.flatMap(({ object }) => (object === undefined ? [] : [object as Route]));
}
