import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { KillSwitch } from "../../api/kill-switch.ts";
import type { KubeObject } from "../../api/kubernetes.ts";
import type { MetricsView } from "../../core/analysis/memory.ts";
import { type FlagPlan, planFlag, STANDING } from "../../core/flags/control/plan.ts";
import type { FlagSnapshot } from "../../core/flags/control/snapshot.ts";
import { selects } from "../../core/selector.ts";
import type { Clock } from "../../kube/clock.ts";
import { isKind } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/events.ts";
import type { Resources } from "../../kube/resource.ts";
import type { Store } from "../../kube/store.ts";
import type { MetricsSource } from "../../metrics/prometheus.ts";
import type { Logger } from "../../telemetry/log.ts";
import { Awaited, writtenAs } from "../awaited.ts";
import { deciding, Faults } from "../faults.ts";
import { type Key, keyOf } from "../key.ts";
import { Measurements } from "../measurements.ts";
import { Passes } from "../passes.ts";
import { Preflight } from "../preflight.ts";
import { writeStatus } from "../write-status.ts";
import { Deliveries, type FlagServers } from "./deliveries.ts";
import { gather } from "./gather.ts";
import { examinedOf, inquiryOf } from "./inquiry.ts";
import { Links } from "./links.ts";
import { FLAG_INDEXES, type FlagSources } from "./sources.ts";

export interface FlagShell {
  readonly sources: FlagSources;
  readonly resources: Resources;
  readonly metrics: MetricsSource | undefined;
  /** Whoever is asked how far changes have come; nobody, where it is not known where they are. */
  readonly flagServers?: FlagServers | undefined;
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** Server time in milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
  readonly concurrency: number;
  /** What decides; `planFlag` unless said. */
  readonly plan?: typeof planFlag;
}

const CONTROLLER = "flag";
/** A cache that has not shown our own write by then is asked around. */
const CATCH_UP_MS = 50;

/** Gather, plan, write the status, for each FeatureFlag that something happened to. */
export class FlagController {
  readonly #shell: FlagShell;
  readonly #passes: Passes<FeatureFlag>;
  readonly #measurements: Measurements;
  readonly #awaited: Awaited;
  readonly #faults: Faults<FeatureFlag>;
  readonly #preflight: Preflight;
  /** Segments and flags that a flag was compiled from. */
  readonly #links = new Links();
  readonly #deliveries: Deliveries;

  constructor(shell: FlagShell) {
    this.#shell = shell;
    const { flags } = shell.sources;
    this.#awaited = new Awaited((kind) =>
      kind === "FeatureFlag" ? (flags as unknown as Store<KubeObject>) : undefined,
    );
    this.#faults = new Faults<FeatureFlag>({ ...shell, kind: CONTROLLER, standing: STANDING });
    this.#passes = new Passes<FeatureFlag>({
      ...shell,
      name: CONTROLLER,
      reconcile: (key) => this.#reconcile(key),
      find: (key) => flags.get(...namesOf(key)),
      faults: this.#faults,
      awaited: this.#awaited,
    });
    this.#measurements = new Measurements(shell.metrics, shell.clock, (key) => this.#passes.add(key));
    this.#preflight = new Preflight(shell.metrics, (key) => this.#passes.add(key));
    this.#deliveries = new Deliveries(shell.flagServers, shell.clock, (key) => this.#passes.add(key));
    this.#listen();
  }

  start(): void {
    for (const flag of this.#shell.sources.flags.list()) this.#passes.add(keyOf(flag));
    this.#passes.start();
  }

  async stop(): Promise<void> {
    this.#deliveries.stop();
    await this.#passes.stop();
  }

  /** Each kind's events lead to the flags that rest on such objects. */
  #listen(): void {
    const { flags, segments, kills, rollouts } = this.#shell.sources;
    const add = (keys: readonly Key[]) => {
      for (const key of keys) this.#passes.add(key);
    };
    flags.subscribe((type, flag, old) => {
      if (type === "deleted") this.#forget(keyOf(flag));
      const places = [...FLAG_INDEXES.place(flag), ...(old === undefined ? [] : FLAG_INDEXES.place(old))];
      const claims = places.flatMap((place) => flags.byIndex("place", place));
      add([keyOf(flag), ...claims.map(keyOf), ...places.flatMap((place) => this.#links.of(`flag ${place}`))]);
    });
    segments.subscribe((_type, segment) => add(this.#links.of(`segment ${keyOf(segment)}`)));
    kills.subscribe((_type, kill, old) => add(this.#selected(kill, old)));
    rollouts.subscribe((_type, rollout) => add(flags.byIndex("rollout", keyOf(rollout)).map(keyOf)));
  }

  #selected(kill: KillSwitch, old: KillSwitch | undefined): Key[] {
    const selectors = [kill, old ?? kill].map(({ spec }) => spec.selector);
    return this.#shell.sources.flags
      .byIndex("namespace", kill.metadata.namespace ?? "")
      .filter(({ metadata }) => selectors.some((selector) => selects(selector, metadata.labels)))
      .map(keyOf);
  }

  async #reconcile(key: Key): Promise<number | undefined> {
    const { now } = this.#shell;
    if (!this.#awaited.hasCaughtUp(key)) return CATCH_UP_MS;
    const nowMs = now();
    const metrics = this.#measurements.take(key);
    const snapshot = deciding(() => this.#gather(key, nowMs, metrics));
    if (snapshot === undefined) {
      this.#forget(key); // Gone, perhaps while a pass was under way, which took note of more.
      return undefined;
    }
    const plan = deciding(() => (this.#shell.plan ?? planFlag)(snapshot));
    this.#faults.forget(key);
    this.#link(key, snapshot, plan);
    let isSound = true;
    try {
      return await this.#carryOut(key, snapshot, plan);
    } catch (error) {
      if (isKind(error, "notFound")) return undefined; // Deleted meanwhile; the cache will show it.
      if (isKind(error, "conflict")) isSound = false; // What was judged rests on a flag that is another by now.
      throw error;
    } finally {
      const inquiry = (memory: FlagPlan["memory"]) => inquiryOf(memory, snapshot.flag, nowMs);
      const askInMs = this.#measurements.goOn(key, metrics, plan.memory, isSound, inquiry);
      if (askInMs !== undefined) this.#passes.addAfter(key, askInMs);
    }
  }

  /** Writes, and tells of it. @returns milliseconds until the next pass; undefined: when something changes */
  async #carryOut(key: Key, { flag }: FlagSnapshot, plan: FlagPlan): Promise<number | undefined> {
    const { resources, events } = this.#shell;
    if (plan.status !== undefined) this.#awaited.await(key, writtenAs(await writeStatus(resources, flag, plan.status)));
    this.#deliveries.follow(key, plan.awaits);
    this.#report(key, plan);
    for (const { type, reason, message } of plan.notices) events.record(flag, type, reason, message);
    return plan.checkAgainInMs;
  }

  /** What is known, and whether the analysis can work. */
  #gather(key: Key, nowMs: number, metrics: MetricsView): FlagSnapshot | undefined {
    const snapshot = gather(this.#shell.sources, key, nowMs, metrics, this.#deliveries.of(key));
    const examined = snapshot === undefined ? undefined : examinedOf(snapshot.flag);
    if (snapshot === undefined || examined === undefined) return snapshot;
    const unusable = this.#preflight.problem(key, examined, nowMs);
    return unusable === undefined ? snapshot : { ...snapshot, metrics: { ...metrics, source: unusable } };
  }

  #link(key: Key, { flag }: FlagSnapshot, { uses }: FlagPlan): void {
    const { namespace = "" } = flag.metadata;
    const flagSet = flag.spec.flagSet ?? namespace;
    this.#links.note(key, [
      ...[...(uses?.segments ?? [])].map((name) => `segment ${namespace}/${name}`),
      ...[...(uses?.flags ?? [])].map((other) => `flag ${flagSet} ${other}`),
    ]);
  }

  /** One line for each decision, none for a pass that changed nothing. */
  #report(key: Key, { status, target }: FlagPlan): void {
    if (status === undefined) return;
    const { phase, reason, message, weightBp } = target;
    this.#shell.log.info({ flag: key, phase, reason, weight: weightBp / 100 }, message === "" ? phase : message);
  }

  #forget(key: Key): void {
    this.#awaited.forget(key);
    this.#faults.forget(key);
    this.#preflight.forget(key);
    this.#measurements.forget(key);
    this.#links.forget(key);
    this.#deliveries.forget(key);
  }
}

function namesOf(key: Key): [namespace: string, name: string] {
  const [namespace = "", name = ""] = key.split("/");
  return [namespace, name];
}
