import type { FeatureFlag, FeatureFlagSpec, FeatureFlagStatus } from "../../../../src/api/feature-flag.ts";
import type { FlagSegment } from "../../../../src/api/flag-segment.ts";
import type { KillSwitch, KillSwitchSpec } from "../../../../src/api/kill-switch.ts";
import type { Rollout, RolloutStatus } from "../../../../src/api/rollout.ts";
import { readFromMs } from "../../../../src/core/analysis/judge.ts";
import type { AnalysisMemory } from "../../../../src/core/analysis/memory.ts";
import type { Reading, SideCounters } from "../../../../src/core/analysis/model.ts";
import { compileFlag } from "../../../../src/core/flags/compile.ts";
import { type FlagPlan, planFlag } from "../../../../src/core/flags/control/plan.ts";
import type { FlagSnapshot } from "../../../../src/core/flags/control/snapshot.ts";
import { observe } from "../../../../src/core/flags/control/world.ts";
import type { Delivery } from "../../../../src/core/flags/delivery.ts";
import { servedHash } from "../../../../src/core/flags/hashes.ts";
import { flagSettingsOf } from "../../../../src/core/flags/settings.ts";
import { optional } from "../../../../src/core/optional.ts";

export const START_MS = Date.parse("2026-01-12T09:00:00Z"); // A Monday.
const SCRAPE_MS = 5_000;
const MAX_PASSES = 2_000;

type Canary = NonNullable<NonNullable<FeatureFlagSpec["strategy"]>["canary"]>;

/** Steps of minutes, judged every 15 s. */
export const STEPS: Canary = {
  variant: "on",
  steps: [{ weight: 5 }, { pause: { for: "2m" } }, { weight: 25 }, { pause: { for: "2m" } }],
  analysis: { interval: "15s", metrics: [{ errorRate: { max: "1%" } }] },
  bake: "5m",
};

/**
 * One flag on a stage, with a clock that jumps to where something happens:
 *
 *     snapshot ─▶ planFlag ─▶ status ─▶ users meet what it says, and are counted ─▶ news, or the next alarm
 */
export class FlagPlay {
  flag: FeatureFlag;
  nowMs = START_MS;
  kills: KillSwitch[] = [];
  segments = new Map<string, FlagSegment>();
  others = new Map<string, FeatureFlag>();
  claimedBy: string | undefined;
  rollout: Rollout | undefined;
  /** What flag servers say, of the version that is served then; undefined where nobody asks them. */
  delivery: "unknown" | Delivery | undefined;
  /** What the last pass wanted flag servers to be asked about. */
  awaits: FlagPlan["awaits"];
  source: FlagSnapshot["metrics"]["source"] = { kind: "ready" };
  prometheus: "answers" | "empty" | "unreachable" = "answers";
  /** Requests a second, and the share of them that fails, by variant. */
  perSecond = 100;
  errors: Record<string, number> = { on: 0.001, off: 0.001 };
  /** What treated users send less, or more, than others. */
  appetite = 1;
  /** What was written, one line a pass, and Events. */
  readonly story: string[] = [];
  readonly notices: string[] = [];
  /** The treated share over time. */
  readonly shares: number[] = [];
  writes = 0;
  #memory: AnalysisMemory | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #alarmMs = START_MS;
  #version = 1;
  #nonce = 0;
  readonly #series: Record<"on" | "off", { total: number; bad: number; samples: [number, number, number][] }> = {
    on: { total: 0, bad: 0, samples: [] },
    off: { total: 0, bad: 0, samples: [] },
  };

  constructor(spec: FeatureFlagSpec = { strategy: { canary: STEPS } }) {
    this.flag = {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "FeatureFlag",
      metadata: {
        name: "new-checkout",
        namespace: "shop",
        uid: "u1",
        resourceVersion: "1",
        generation: 1,
        labels: { app: "checkout" },
        creationTimestamp: "2026-01-12T09:00:00Z",
      },
      spec,
    };
    this.#scrape();
  }

  get status(): FeatureFlagStatus {
    return this.flag.status ?? {};
  }

  get phase(): string {
    return this.status.phase ?? "";
  }

  get reason(): string {
    return this.condition("Ready")?.reason ?? "";
  }

  condition(type: string) {
    return this.status.conditions?.find((condition) => condition.type === type);
  }

  /** Percent of the users that flag servers treat, as they compile it. */
  get treated(): number {
    const compiled = compileFlag(this.#snapshot([]));
    if (compiled.kind === "invalid") return Number.NaN;
    const text = JSON.stringify(compiled.definition.targeting ?? null);
    const weights = /\["on",(\d+)\],\["off",(\d+)\]/.exec(text);
    if (weights !== null) return Number(weights[1]) / 1_000;
    const everyone = compiled.definition.targeting === undefined ? compiled.definition.defaultVariant : undefined;
    return everyone === "on" || text.includes('"on"]') || text.endsWith('"on"') ? 100 : 0;
  }

  edit(change: (spec: FeatureFlagSpec) => Partial<FeatureFlagSpec>): void {
    const { metadata, spec } = this.flag;
    const generation = (metadata.generation ?? 0) + 1;
    this.#commit({ ...this.flag, metadata: { ...metadata, generation }, spec: { ...spec, ...change(spec) } });
  }

  /** Edits the canary strategy. */
  editRamp(change: Partial<Canary>): void {
    this.edit(({ strategy }) => ({ strategy: { canary: { ...(strategy?.canary ?? STEPS), ...change } } }));
  }

  request(verb: string, hash = servedHash(flagSettingsOf(this.flag))): void {
    const { metadata } = this.flag;
    const annotations = { "zenith.sh/request": `${verb}@${hash}#${++this.#nonce}` };
    this.#commit({ ...this.flag, metadata: { ...metadata, annotations } });
  }

  kill(spec: Partial<KillSwitchSpec> = {}, name = "stop"): void {
    const whole = { selector: {}, flags: "safe", reason: "it burns", ...spec } as KillSwitchSpec;
    this.kills = [
      ...this.kills,
      { apiVersion: "zenith.sh/v1alpha1", kind: "KillSwitch", metadata: { name, namespace: "shop" }, spec: whole },
    ];
    this.#alarmMs = this.nowMs;
  }

  release(name = "stop"): void {
    this.kills = this.kills.filter(({ metadata }) => metadata.name !== name);
    this.#alarmMs = this.nowMs;
  }

  rolloutIs(status: RolloutStatus): void {
    this.rollout = {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "Rollout",
      metadata: { name: "web", namespace: "shop", generation: 1 },
      spec: {},
      status: { observedGeneration: 1, ...status },
    } as Rollout;
    this.#alarmMs = this.nowMs;
  }

  loseStatus(): void {
    const { status: _lost, ...flag } = this.flag;
    this.#commit(flag as FeatureFlag);
  }

  /** Another process: what it knew is gone, but for status. */
  restart(): void {
    this.#memory = undefined;
    this.#askedMs = Number.NEGATIVE_INFINITY;
    this.#alarmMs = this.nowMs;
  }

  /** One pass, as the shell makes it.
   * @param write false: the process dies before the status is written */
  pass(write = true): void {
    const readings = this.#readings();
    const plan = planFlag(this.#snapshot(readings));
    this.awaits = plan.awaits;
    if (write && plan.status !== undefined) {
      const before = this.status;
      this.#commit({ ...this.flag, status: JSON.parse(JSON.stringify(plan.status)) as FeatureFlagStatus });
      this.writes++;
      this.#tell(before);
    } else this.#alarmMs = Number.POSITIVE_INFINITY;
    for (const { type, reason, message } of plan.notices) this.notices.push(`${type} ${reason}: ${message}`);
    if (plan.checkAgainInMs !== undefined) this.#alarmMs = Math.min(this.#alarmMs, this.nowMs + plan.checkAgainInMs);
    this.#memory = plan.memory;
    if (plan.memory === undefined) this.#askedMs = Number.NEGATIVE_INFINITY;
    this.shares.push(this.treated);
  }

  /** Passes until it holds.
   * @throws Error where it does not within an hour of the play's time */
  until(holds: string | ((play: FlagPlay) => boolean), withinMs = 3_600_000): this {
    const is = typeof holds === "string" ? () => this.phase === holds : () => holds(this);
    const endMs = this.nowMs + withinMs;
    for (let i = 0; !is(); i++) {
      if (this.#dueMs() > endMs || i > MAX_PASSES)
        throw new Error(`It did not come to ${holds}:\n${this.story.join("\n")}\n${this.status.message}`);
      this.#next();
    }
    return this;
  }

  forMs(ms: number): this {
    const endMs = this.nowMs + ms;
    for (let i = 0; this.#dueMs() <= endMs; i++) {
      if (i > MAX_PASSES) throw new Error(`It does not come to rest:\n${this.story.slice(-20).join("\n")}`);
      this.#next();
    }
    this.#advance(endMs);
    return this;
  }

  #next(): void {
    this.#advance(this.#dueMs());
    this.pass();
  }

  /** When the next pass is due: at news, at an alarm, or when Prometheus has answered. */
  #dueMs(): number {
    const interval = 15_000;
    const asks = this.#memory === undefined ? Number.POSITIVE_INFINITY : this.#askedMs + interval;
    return Math.max(this.nowMs, Math.min(this.#alarmMs, asks));
  }

  #commit(flag: FeatureFlag): void {
    const resourceVersion = String(++this.#version);
    this.flag = { ...flag, metadata: { ...flag.metadata, resourceVersion } };
    this.#alarmMs = this.nowMs; // The watch tells of it.
  }

  #snapshot(readings: readonly Reading[]): FlagSnapshot {
    const { nowMs, flag, segments, others, kills, source } = this;
    const snapshot = {
      ...{ nowMs, flag, segments, others, kills },
      ...(this.claimedBy === undefined ? {} : { claimedBy: this.claimedBy }),
      ...(this.rollout === undefined ? {} : { rollout: this.rollout }),
      metrics: { source, readings, ...(this.#memory === undefined ? {} : { memory: this.#memory }) },
    };
    const { delivery } = this;
    if (delivery === undefined || delivery === "unknown") return { ...snapshot, ...optional("delivery", delivery) };
    return { ...snapshot, delivery: { ...delivery, version: observe(snapshot).version ?? "" } };
  }

  #advance(toMs: number): void {
    const share = this.nowMs < toMs ? this.treated / 100 : 0;
    while (this.nowMs < toMs) {
      const next = Math.min(toMs, (Math.floor(this.nowMs / SCRAPE_MS) + 1) * SCRAPE_MS);
      this.#serve(next - this.nowMs, share);
      this.nowMs = next;
      if (next % SCRAPE_MS === 0) this.#scrape();
    }
  }

  /** Users come, and get what flag servers say. */
  #serve(ms: number, share: number): void {
    const requests = (this.perSecond * ms) / 1_000;
    const count = (variant: "on" | "off", n: number) => {
      this.#series[variant].total += n;
      this.#series[variant].bad += n * (this.errors[variant] ?? 0);
    };
    count("on", requests * share * this.appetite);
    count("off", requests * (1 - share));
  }

  #scrape(): void {
    for (const series of Object.values(this.#series)) {
      if (series.total === 0) continue; // A counter is there once it was touched.
      series.samples.push([this.nowMs, Math.floor(series.total), Math.floor(series.bad)]);
    }
  }

  #readings(): Reading[] {
    const canary = this.flag.spec.strategy?.canary;
    const memory = this.#memory;
    if (memory === undefined || this.nowMs < this.#askedMs + 15_000) return [];
    this.#askedMs = this.nowMs;
    const metric = "error-rate";
    if (this.prometheus === "unreachable") return [{ kind: "error", metric, message: "connection refused" }];
    const whole = canary?.analysis?.compare === "beforeAfter";
    const settings = { intervalMs: 15_000 } as Parameters<typeof readFromMs>[0];
    const sinceMs = whole ? START_MS - 600_000 : readFromMs(settings, memory.state, this.nowMs);
    const side = (variant: "on" | "off"): SideCounters => {
      const samples = this.#series[variant].samples.filter(([at]) => at >= sinceMs);
      const of = (value: 1 | 2) =>
        samples.length === 0 ? [] : [{ pod: `${variant}@1`, samples: samples.map((s) => [s[0], s[value]] as const) }];
      return { total: of(1), bad: of(2) };
    };
    const [on, off] = [side("on"), side("off")];
    if (this.prometheus === "empty" || on.total.length + off.total.length === 0)
      return [{ kind: "noData", metric, message: "no series" }];
    if (!whole) return [{ kind: "counters", metric, canary: on, stable: off }];
    const together = { total: [...on.total, ...off.total], bad: [...on.bad, ...off.bad] };
    return [{ kind: "counters", metric, canary: together, stable: { total: [], bad: [] } }];
  }

  #tell(before: FeatureFlagStatus): void {
    const seconds = Math.floor((this.nowMs - START_MS) / 1_000);
    const time = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
    const reasonBefore = before.conditions?.find(({ type }) => type === "Ready")?.reason;
    const news = [
      ...(before.display?.serves === this.status.display?.serves ? [] : [this.status.display?.serves]),
      ...(before.phase === this.phase && reasonBefore === this.reason ? [] : [`→ ${this.phase} ${this.reason}`]),
    ];
    if (news.length > 0) this.story.push(`${time} ${news.join(" ")}`);
  }
}
