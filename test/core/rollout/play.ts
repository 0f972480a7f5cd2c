import type {
  ControllerRevision,
  Deployment,
  EndpointSlice,
  HorizontalPodAutoscaler,
  PodTemplate,
  ReplicaSet,
  Route,
  Service,
} from "../../../src/api/kubernetes.ts";
import type { Rollout, RolloutSpec, RolloutStatus } from "../../../src/api/rollout.ts";
import type { AnalysisMemory } from "../../../src/core/analysis/memory.ts";
import type { Reading } from "../../../src/core/analysis/model.ts";
import type { Write } from "../../../src/core/plan.ts";
import { templateHash, withoutOurs } from "../../../src/core/rollout/names.ts";
import { planRollout, type RolloutPlan } from "../../../src/core/rollout/plan.ts";
import { settingsOf } from "../../../src/core/rollout/settings.ts";
import type { Snapshot } from "../../../src/core/rollout/snapshot.ts";
import { MINOR_MS } from "../../../src/core/rollout/status.ts";
import { routers } from "../../../src/traffic/routers.ts";
import { letOthersAct, type Manners, tagOf } from "./actors.ts";
import { Objects } from "./objects.ts";
import { Requests } from "./requests.ts";
import { wrongsOf } from "./wrongs.ts";

/** What a test asks of a new stage; what it leaves out is a Rollout of four pods behind a Service and a route. */
export interface Scene {
  readonly spec?: Partial<RolloutSpec>;
  /** False: the share of replicas is the share of traffic. */
  readonly routes?: boolean;
  /** True: the pods are a Deployment's at first. */
  readonly adopts?: boolean;
}

export const NAMESPACE = "shop";
const START_MS = Date.parse("2026-01-01T00:00:00Z");
const MAX_PASSES = 600;
/** What a watch takes to show a change. */
const NEWS_MS = 100;

export function templateOf(tag: string): PodTemplate {
  return { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "app", image: `app:${tag}` }] } };
}

export function hashOf(tag: string): string {
  return templateHash(withoutOurs(templateOf(tag)));
}

/**
 * A small cluster on a stage, with a clock that jumps to where something happens:
 *
 *     snapshot ─▶ planRollout ─▶ writes, then status ─▶ the others act (pods, slices, gateway) ─▶ news, or the next alarm
 */
export class Play {
  readonly objects = new Objects();
  readonly manners: Manners = { ready: new Map(), gateway: "accepts", slices: "follow", sets: "follow" };
  readonly requests = new Requests();
  /** What was written, one line a pass: `01:05 raise the canary to 50 %`, and how the phase changed. */
  readonly story: string[] = [];
  /** Events, as `Normal Promoted: revision v2 serves all traffic`. */
  readonly notices: string[] = [];
  /** Writes that failed. */
  readonly failures: string[] = [];
  /** Moments in which requests went nowhere. */
  readonly gaps: string[] = [];
  /** What no pass may ever do, where one did. */
  readonly wrongs: string[] = [];
  /** Answers of the metrics source: true counts, none at all, nothing found, or errors. */
  prometheus: "answers" | "silent" | "empty" | "unreachable" = "answers";
  source: Snapshot["metrics"]["source"] = { kind: "ready" };
  /** What Prometheus says of the whole bake. */
  p95: Snapshot["metrics"]["p95"];
  kill: Snapshot["kill"];
  revertedFlag: Snapshot["revertedFlag"];
  claimedBy: Snapshot["claimedBy"];
  contested: Snapshot["contested"];
  rollingBackLater: Snapshot["rollingBackLater"];
  decidingSinceMs: Snapshot["decidingSinceMs"];
  templateProblem: string | undefined;
  /** What gates are answered by. */
  gates: Snapshot["gates"];
  trouble: Record<string, string> = {};
  /** Writes that are refused, as an API server or a webhook may. */
  refuses: (write: Write) => boolean = () => false;
  nowMs = START_MS;
  last: RolloutPlan | undefined;
  /** Statuses in which only what is minor differs are owed for as long as may be, as the controller does. */
  owes = false;
  /** How many statuses were written. */
  told = 0;
  #owedSinceMs: number | undefined;
  #memory: AnalysisMemory | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #nonce = 0;
  #storyFromMs = START_MS;

  constructor({ spec = {}, routes = true, adopts = false }: Scene = {}) {
    const create = (object: Parameters<Objects["create"]>[0]) => this.objects.create(object, this.nowMs);
    const metadata = { name: "web", namespace: NAMESPACE };
    const selector = { app: "web" };
    create({ apiVersion: "v1", kind: "Service", metadata, spec: { selector, ports: [{ port: 80 }] } } as Service);
    if (routes) create(routeOf("web"));
    if (adopts) {
      const own = { replicas: 4, selector: { matchLabels: selector }, template: templateOf("v1") };
      create({ apiVersion: "apps/v1", kind: "Deployment", metadata, spec: own } as Deployment);
    }
    const workload: RolloutSpec = adopts
      ? { workloadRef: { kind: "Deployment", name: "web" } }
      : { replicas: 4, selector: { matchLabels: selector }, template: templateOf("v1") as RolloutSpec["template"] };
    create({
      apiVersion: "zenith.sh/v1alpha1",
      kind: "Rollout",
      metadata,
      spec: { ...workload, ...walkOf(routes), ...spec },
    } as Rollout);
    letOthersAct(this.objects, this.manners);
  }

  get rollout(): Rollout {
    const rollout = this.objects.get<Rollout>("Rollout", "web");
    if (rollout === undefined) throw new Error("The Rollout is gone");
    return rollout;
  }

  get status(): RolloutStatus {
    return this.rollout.status ?? {};
  }

  get phase(): string {
    return this.status.phase ?? "";
  }

  /** `Ready`'s reason, which says why the phase is what it is. */
  get reason(): string {
    return this.status.conditions?.find(({ type }) => type === "Ready")?.reason ?? "";
  }

  get service(): Service {
    return this.objects.get<Service>("Service", "web") as Service;
  }

  /** Weights of the first rule, by backend. */
  get weights(): Record<string, number | undefined> {
    const refs = this.objects.get<Route>("HTTPRoute", "web")?.spec.rules?.[0]?.backendRefs ?? [];
    return Object.fromEntries(refs.map((ref) => [ref.name, ref.weight]));
  }

  /** Pods asked for, by image tag; revisions without a ReplicaSet are left out. */
  get sizes(): Record<string, number> {
    const sets = this.objects.list<ReplicaSet>("ReplicaSet");
    return Object.fromEntries(sets.map((set) => [tagOf(set.spec.template), set.spec.replicas ?? 0]));
  }

  /** Shares of the traffic, by image tag; "deployment" for pods of a Deployment, "nowhere" for what is lost. */
  get traffic(): Record<string, number> {
    return this.requests.shares(this.objects);
  }

  /** A ReplicaSet's pods, by image tag. */
  pods(tag: string): ReplicaSet | undefined {
    return this.objects.list<ReplicaSet>("ReplicaSet").find((set) => tagOf(set.spec.template) === tag);
  }

  /** What a Service lets in: an image tag, "all" of ours, or "author". */
  selects(name = "web"): string {
    const selector = this.objects.get<Service>("Service", name)?.spec.selector ?? {};
    const hash = selector["zenith.sh/revision"];
    if (hash !== undefined) return this.named(hash);
    if (selector["pod-template-hash"] !== undefined) return "deployment";
    return selector["zenith.sh/rollout"] === undefined ? "author" : "all";
  }

  edit(change: (spec: RolloutSpec) => Partial<RolloutSpec>): void {
    this.objects.change<Rollout>("Rollout", "web", (rollout) => ({
      ...rollout,
      spec: { ...rollout.spec, ...change(rollout.spec) },
    }));
  }

  /** A new template, in the Rollout or in the Deployment that it refers to. */
  deploy(tag: string): void {
    if (this.rollout.spec.workloadRef === undefined)
      this.edit(() => ({ template: templateOf(tag) as RolloutSpec["template"] }));
    else
      this.objects.change<Deployment>("Deployment", "web", (deployment) => ({
        ...deployment,
        spec: { ...deployment.spec, template: templateOf(tag) },
      }));
  }

  /** A person's request, about the revision that is wanted now. */
  request(verb: string, tag = this.wanted): void {
    const annotation = { "zenith.sh/request": `${verb}@${hashOf(tag)}#${++this.#nonce}` };
    this.objects.change<Rollout>("Rollout", "web", (rollout) => ({
      ...rollout,
      metadata: { ...rollout.metadata, annotations: { ...rollout.metadata.annotations, ...annotation } },
    }));
  }

  get wanted(): string {
    const { spec } = this.rollout;
    if (spec.template !== undefined) return tagOf(spec.template as PodTemplate);
    return tagOf(this.objects.get<Deployment>("Deployment", "web")?.spec.template);
  }

  /** Lets no more than that many pods of a revision be ready, or all again. */
  ready(tag: string, pods?: number): void {
    if (pods === undefined) this.manners.ready.delete(tag);
    else this.manners.ready.set(tag, pods);
    letOthersAct(this.objects, this.manners);
  }

  deleteRollout(): void {
    this.objects.change<Rollout>("Rollout", "web", (rollout) => ({
      ...rollout,
      metadata: { ...rollout.metadata, deletionTimestamp: new Date(this.nowMs).toISOString() },
    }));
  }

  get deleted(): boolean {
    return this.objects.get("Rollout", "web") === undefined;
  }

  loseStatus(): void {
    this.objects.change<Rollout>("Rollout", "web", ({ status: _lost, ...rollout }) => rollout as Rollout);
  }

  /** The story begins here; what failed before was meant to. */
  forget(): this {
    this.story.length = 0;
    this.notices.length = 0;
    this.failures.length = 0;
    this.#storyFromMs = this.nowMs;
    return this;
  }

  /** The operator starts anew: what it remembered is gone. */
  restart(): void {
    this.#memory = undefined;
    this.#askedMs = Number.NEGATIVE_INFINITY;
  }

  /** Plays on until `done`.
   * @throws Error with the story where that takes too many passes, or nothing is left to happen */
  run(done: (play: this) => boolean, passes = MAX_PASSES): this {
    for (let i = 0; i < passes; i++) {
      if (done(this)) return this;
      if (!this.step() && !done(this)) throw this.#stuck("Nothing is left to happen");
    }
    if (done(this)) return this;
    throw this.#stuck(`Not there after ${passes} passes`);
  }

  /** Plays a pass, and on until the status has that phase, and for the reason if one is given. */
  until(phase: string, reason?: string): this {
    this.step();
    return this.run(() => this.phase === phase && (reason === undefined || this.reason === reason));
  }

  /** Plays on for a time, whatever happens. */
  forMs(ms: number): this {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) if (!this.step(endMs)) this.#advance(endMs - this.nowMs);
    return this;
  }

  /** Plays on until nothing is left to do, and asserts that a world which does not change gets no writes.
   * @returns passes that it took */
  settles(passes = MAX_PASSES): this {
    for (let i = 0; i < passes; i++) {
      if (this.step()) continue;
      this.nowMs += 3_600_000;
      if (this.deleted) return this;
      const { writes, status } = this.#plan();
      if (writes.length > 0) throw this.#stuck(`An hour later it writes: ${writes.map(({ why }) => why).join(", ")}`);
      if (status !== undefined) throw this.#stuck(`An hour later it writes status: ${JSON.stringify(status)}`);
      return this;
    }
    throw this.#stuck(`Not at rest after ${passes} passes`);
  }

  /** One pass, and what follows from it.
   * @returns false where nothing is left to happen */
  step(limitMs = Number.POSITIVE_INFINITY): boolean {
    if (this.deleted) return false;
    const plan = this.#plan();
    this.wrongs.push(...wrongsOf(this, plan).map((wrong) => `${this.#time()} ${wrong}`));
    const wrote = this.#act(plan);
    const moved = letOthersAct(this.objects, this.manners);
    this.requests.scrapePods(this.objects, this.manners);
    const lost = this.traffic.nowhere ?? 0;
    if (lost > 0) this.gaps.push(`${this.#time()} ${Math.round(lost * 100)} %`);
    if (wrote || moved) {
      this.#advance(NEWS_MS);
      return true;
    }
    const owedMs = this.#owedSinceMs === undefined ? undefined : this.#owedSinceMs + MINOR_MS - this.nowMs;
    const alarms = [plan.checkAgainInMs, this.#asksInMs(), owedMs].filter((ms) => ms !== undefined);
    if (alarms.length === 0) return false;
    this.#advance(Math.max(1, Math.min(...alarms, limitMs - this.nowMs)));
    return true;
  }

  /** The plan of this moment, not carried out. */
  #plan(): RolloutPlan {
    const plan = planRollout(this.snapshot(), routers);
    this.last = plan;
    return plan;
  }

  snapshot(): Snapshot {
    const { rollout, objects } = this;
    const named = <T extends Service | EndpointSlice>(kind: string, name: string) => objects.get<T>(kind, name);
    const { service = "", canaryService = "", routes, workload = "" } = settingsOf(rollout);
    const own = named<Service>("Service", service);
    const canary = named<Service>("Service", canaryService);
    const slice = named<EndpointSlice>("EndpointSlice", service);
    const canarySlice = named<EndpointSlice>("EndpointSlice", canaryService);
    const deployment = objects.get<Deployment>("Deployment", workload);
    return {
      nowMs: this.nowMs,
      rollout,
      ...(deployment === undefined ? {} : { deployment }),
      replicaSets: objects.list<ReplicaSet>("ReplicaSet"),
      revisions: objects.list<ControllerRevision>("ControllerRevision"),
      ...(own === undefined ? {} : { service: own }),
      ...(canary === undefined ? {} : { canaryService: canary }),
      serviceSlices: slice === undefined ? [] : [slice],
      canarySlices: canarySlice === undefined ? [] : [canarySlice],
      routes: routes.map((ref) => {
        const object = objects.get<Route>(ref.kind, ref.name);
        return object === undefined ? { ref } : { ref, object };
      }),
      autoscalers: objects.list<HorizontalPodAutoscaler>("HorizontalPodAutoscaler"),
      ...(this.claimedBy === undefined ? {} : { claimedBy: this.claimedBy }),
      ...(this.contested === undefined ? {} : { contested: this.contested }),
      ...(this.kill === undefined ? {} : { kill: this.kill }),
      ...(this.revertedFlag === undefined ? {} : { revertedFlag: this.revertedFlag }),
      ...(this.decidingSinceMs === undefined ? {} : { decidingSinceMs: this.decidingSinceMs }),
      ...(this.rollingBackLater === undefined ? {} : { rollingBackLater: this.rollingBackLater }),
      ...(this.gates === undefined ? {} : { gates: this.gates }),
      ...(this.templateProblem === undefined ? {} : { templateProblem: this.templateProblem }),
      podTrouble: Object.fromEntries(Object.entries(this.trouble).map(([tag, said]) => [hashOf(tag), said])),
      metrics: {
        source: this.source,
        readings: this.#readings(),
        ...(this.p95 === undefined ? {} : { p95: this.p95 }),
        ...(this.#memory === undefined ? {} : { memory: this.#memory }),
      },
    };
  }

  /** Carries a plan out as the shell does: in order, up to the first write that fails; a breach's switches each on its own. */
  #act(plan: RolloutPlan): boolean {
    const done: string[] = [];
    let failed = false;
    for (const write of plan.writes) {
      if (failed && write.together === undefined) break;
      try {
        if (this.refuses(write)) throw new Error("500 refused");
        this.objects.write(write, this.nowMs);
        done.push(write.why);
      } catch (error) {
        failed = true;
        this.failures.push(`${this.#time()} ${write.why}: ${(error as Error).message}`);
      }
    }
    const before = [this.deleted ? "" : this.phase, this.deleted ? "" : this.reason].join(" ");
    const status = this.#isOwed(plan) ? undefined : plan.status;
    if (status !== undefined) this.told++;
    if (status !== undefined && !this.deleted && (!failed || plan.target.urgent !== undefined))
      this.objects.change<Rollout>("Rollout", "web", (rollout) => ({ ...rollout, status }));
    if (!failed && !this.deleted) this.#remember(plan.memory);
    if (!failed) this.notices.push(...plan.notices.map((n) => this.named(`${n.type} ${n.reason}: ${n.message}`)));
    this.#tell(done, before);
    return done.length > 0 || status !== undefined || failed;
  }

  #isOwed({ status, minor }: RolloutPlan): boolean {
    const sinceMs = this.#owedSinceMs ?? this.nowMs;
    const isOwed = this.owes && status !== undefined && minor === true && this.nowMs - sinceMs < MINOR_MS;
    this.#owedSinceMs = isOwed ? sinceMs : undefined;
    return isOwed;
  }

  #remember(memory: AnalysisMemory | undefined): void {
    if (this.#readings().length > 0) this.#askedMs = this.nowMs;
    if (memory === undefined) this.#askedMs = Number.NEGATIVE_INFINITY;
    this.#memory = memory;
  }

  #tell(done: readonly string[], before: string): void {
    const after = this.deleted ? "gone" : `${this.phase} ${this.reason}`;
    if (done.length === 0 && after === before) return;
    const phase = after === before ? [] : [`→ ${after}`];
    this.story.push(this.named([this.#time(), [...done, ...phase].join(" | ")].join(" ")));
  }

  /** While something is judged Prometheus is asked at once, and then at every interval. */
  #asksInMs(): number | undefined {
    if (this.#memory === undefined || this.prometheus === "silent") return undefined;
    return Math.max(0, this.#askedMs + this.#intervalMs - this.nowMs);
  }

  get #intervalMs(): number {
    return settingsOf(this.rollout).analysis?.intervalMs ?? 15_000;
  }

  #readings(): Reading[] {
    const { analysis } = settingsOf(this.rollout);
    if (analysis === undefined || this.#memory === undefined || this.#asksInMs() !== 0) return [];
    const { subject } = this.#memory;
    return analysis.metrics.map(({ name: metric, kind }): Reading => {
      if (this.prometheus === "unreachable") return { kind: "error", metric, message: "connection refused" };
      if (this.prometheus === "empty") return { kind: "noData", metric, message: "no series" };
      if (kind === "query") return this.requests.failing(metric, this.objects, subject, this.nowMs);
      return this.requests.read(metric, this.objects, subject, this.status.stable?.revision);
    });
  }

  #advance(ms: number): void {
    this.requests.pass(this.nowMs, ms, this.objects);
    this.nowMs += ms;
  }

  /** Hashes as tests call them. */
  named(text: string): string {
    return ["v1", "v2", "v3", "v4"].reduce((said, tag) => said.replaceAll(hashOf(tag), tag), text);
  }

  #time(): string {
    const seconds = Math.floor((this.nowMs - this.#storyFromMs) / 1000);
    const two = (n: number) => String(n).padStart(2, "0");
    return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
  }

  #stuck(what: string): Error {
    return new Error(
      this.named(
        [
          what,
          ...this.story.slice(-30),
          `${this.#time()} ${this.phase}: ${this.status.message}`,
          ...this.failures,
        ].join("\n"),
      ),
    );
  }
}

export function routeOf(name: string, service = "web"): Route {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: { name, namespace: NAMESPACE },
    spec: { parentRefs: [{ name: "gateway" }], rules: [{ backendRefs: [{ name: service, port: 80 }] }] },
  };
}

function walkOf(routes: boolean): Partial<RolloutSpec> {
  return {
    strategy: {
      canary: { steps: [{ weight: 25 }, { pause: { for: "2m" } }, { weight: 50 }, { pause: { for: "2m" } }] },
    },
    traffic: { service: "web", ...(routes ? { routes: [{ httpRoute: { name: "web" } }] } : {}) },
    bake: "5m",
  };
}

/** A stage on which v1 serves and nothing is left to do. */
export function atRest(scene: Scene = {}): Play {
  return new Play(scene).until("Healthy").settles().forget();
}

/** A stage on which v2 is on its way, with the weight given effective. */
export function underWay(percent: number, scene: Scene = {}): Play {
  const play = atRest(scene);
  play.deploy("v2");
  play.run(({ status }) => status.weights?.effective === percent && status.progress?.stage === "Stepping");
  return play;
}
