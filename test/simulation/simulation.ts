import type { ControllerRevision, KubeObject, ObjectRef, ReplicaSet } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { LABEL_REVISION } from "../../src/core/rollout/names.ts";
import { planRollout } from "../../src/core/rollout/plan.ts";
import { Network } from "./cluster/network.ts";
import { type Health, Pods } from "./cluster/pods.ts";
import { Prometheus } from "./cluster/prometheus.ts";
import { byRevision, type Shares, trafficOf } from "./cluster/traffic.ts";
import { imageOf, refTo, Workloads } from "./cluster/workloads.ts";
import { type Hooks, Operator } from "./operator.ts";
import { image, type Scenario, scenarioOf, templateOf } from "./scenario.ts";
import { World } from "./world.ts";

/** One simulated cluster with one Rollout, its operator, and what Git says of it. */
export class Simulation extends World {
  readonly scenario: Scenario;
  readonly pods: Pods;
  readonly network: Network;
  readonly prometheus: Prometheus;
  readonly operator: Operator;
  readonly health: Record<string, Health>;
  /** What Git holds now: applied again and again by its tool. */
  git: { rollout: Rollout; others: readonly KubeObject[] };
  version = 1;
  /** Image by revision, as far as it was ever written. */
  readonly images = new Map<string, string>();

  constructor(seed: number, hooks: Partial<Hooks>, leaves: boolean) {
    super(seed);
    this.scenario = scenarioOf(this.rng.fork(), leaves);
    const { scenario, agenda, api } = this;
    this.health = { ...scenario.health };
    const health = (of: string) => this.health[of] ?? { comesUp: "soon", errorRate: 0 };
    this.pods = new Pods(agenda, this.rng.fork(), health);
    new Workloads(agenda, api, this.pods, this.rng.fork());
    this.network = new Network(agenda, api, this.pods, this.rng.fork());
    this.prometheus = new Prometheus({
      agenda,
      pods: this.pods,
      rng: this.rng.fork(),
      health,
      traffic: () => this.traffic(),
      perSecond: scenario.perSecond,
    });
    const none: Hooks = {
      fault: () => undefined,
      onPass: () => {},
      onWrite: () => {},
      onCrash: () => {},
      plan: planRollout,
      send: (operations) => operations,
      readsLive: true,
      insists: false,
    };
    this.operator = new Operator({
      agenda,
      api,
      prometheus: this.prometheus,
      rng: this.rng.fork(),
      hooks: { ...none, ...hooks },
    });
    const { rollout, deployment, service, routes, autoscaler } = scenario;
    const others = [deployment, service, ...routes, autoscaler].filter((object) => object !== undefined);
    this.git = { rollout, others };
    api.onCommit(({ object }) => this.#learnImage(object));
  }

  /** Everything is applied for the first time. */
  begin(): void {
    for (const object of this.git.others) this.api.create("git", object);
    this.agenda.after(this.scenario.adopts ? 15_000 : 500, () => this.api.create("git", this.git.rollout));
    this.agenda.after(100, () => this.operator.start());
  }

  get rollout(): Rollout | undefined {
    return this.api.find<Rollout>("Rollout", "web");
  }

  /** Where the release stands, as status has it. */
  get stage(): string {
    return this.rollout?.status?.progress?.stage ?? "Starting";
  }

  traffic(): ReadonlyMap<string, number> {
    return trafficOf(this.network, this.pods, this.scenario.service?.metadata.name);
  }

  shares(): Shares {
    return byRevision(this.traffic(), this.pods);
  }

  /** The revision that the spec names now; undefined where nothing was written of it yet. */
  get wantedRevision(): string | undefined {
    return [...this.images].find(([, of]) => of === image(this.version))?.[0];
  }

  /** A person commits another version to Git, and it is applied. */
  wantVersion(version: number): void {
    this.version = version;
    const template = templateOf(version);
    const { rollout, others } = this.git;
    if (this.scenario.adopts) {
      this.git.others = others.map((object) =>
        object.kind === "Deployment" ? ({ ...object, spec: { ...specOf(object), template } } as KubeObject) : object,
      );
    } else {
      this.git.rollout = { ...rollout, spec: { ...rollout.spec, template: template as never } };
    }
    this.apply(this.scenario.adopts ? "Deployment" : "Rollout");
  }

  /** The GitOps tool applies what Git says: fields that Git does not name are left. */
  apply(...kinds: string[]): void {
    for (const object of [this.git.rollout, ...this.git.others]) {
      if (kinds.length > 0 && !kinds.includes(object.kind)) continue;
      const live = this.api.find(object.kind, object.metadata.name);
      if (live === undefined) {
        if (object.kind !== "Rollout") this.api.create("git", object);
        continue;
      }
      const spec = { ...specOf(live), ...specOf(object) };
      this.api.change("git", live, { ...live, spec: defaultedTemplate(live, spec) } as KubeObject);
    }
  }

  /** A person asks for something of the present revision. */
  request(verb: string): void {
    const { rollout } = this;
    const hash = this.wantedRevision ?? rollout?.status?.canary?.revision;
    if (rollout !== undefined && hash !== undefined) this.ask(rollout, verb, hash);
  }

  /** Changes the live Rollout's spec, as `kubectl edit` does. */
  edit(actor: string, spec: Partial<Rollout["spec"]>): void {
    const { rollout } = this;
    if (rollout !== undefined) this.api.change(actor, rollout, { ...rollout, spec: { ...rollout.spec, ...spec } });
  }

  refOf(object: KubeObject): ObjectRef {
    return refTo(object);
  }

  #learnImage(object: KubeObject): void {
    const hash = object.metadata.labels?.[LABEL_REVISION];
    if (hash === undefined || this.images.has(hash)) return;
    if (object.kind === "ReplicaSet") this.images.set(hash, imageOf((object as ReplicaSet).spec.template));
    if (object.kind === "ControllerRevision") {
      const { template } = (object as ControllerRevision).data as { template: Parameters<typeof imageOf>[0] };
      this.images.set(hash, imageOf(template));
    }
  }
}

function specOf(object: KubeObject): Record<string, unknown> {
  return (object as { spec?: Record<string, unknown> }).spec ?? {};
}

/** What the API server fills in on every write of a Deployment. */
function defaultedTemplate(object: KubeObject, spec: Record<string, unknown>): Record<string, unknown> {
  if (object.kind !== "Deployment") return spec;
  const template = spec.template as { spec: object };
  return { ...spec, template: { ...template, spec: { ...template.spec, restartPolicy: "Always" } } };
}
