import type { KubeObject } from "../../../src/api/kubernetes.ts";
import { ANNOTATION_REQUEST } from "../../../src/api/request.ts";
import type { Rollout } from "../../../src/api/rollout.ts";
import type { Write } from "../../../src/core/plan.ts";
import type { Commit } from "../cluster/api-server.ts";
import { isRoute } from "../cluster/network.ts";
import type { Shares } from "../cluster/traffic.ts";
import type { Violation } from "../frame.ts";
import { OPERATOR, type Pass } from "../operator.ts";
import type { Simulation } from "../simulation.ts";
import { harmLasts } from "./harm.ts";
import { ON_WRITE } from "./on-write.ts";
import { Walk } from "./walk.ts";

/** One accepted write of the operator, and the pass that it came from. */
export interface Written {
  readonly pass: Pass;
  readonly write: Write | "status";
  readonly commit: Commit;
}

/** Remembers what the invariants ask about, and asks them after every write. */
export class Ledger {
  readonly violations: Violation[] = [];
  readonly sim: Simulation;
  readonly walk: Walk;
  /** Revisions that may be stable though they are bad: unjudged first, promoted by a person, or turned bad later. */
  readonly excused = new Set<string>();
  /** Aborted revisions, and the version of the Rollout from which on that is known. */
  readonly aborted = new Map<string, string>();
  /** Revisions that status once held as rejected, until someone says retry. */
  readonly rejected = new Set<string>();
  /** What befell this seed. */
  readonly happened = new Set<string>();
  /** Whether someone deleted pods of a Rollout that was going already: in a namespace that goes it is the same to see, and
   * there nothing can be made anew. */
  lostWhileLeaving = false;
  /** What a leader that slept made once its Rollout was gone. Nothing can refuse a create, and the Deployment owns it as well,
   * so that it is not collected: a Rollout of that name takes it in. */
  readonly lateBirths = new Set<string>();
  /** When each of others' writes to an object came, by kind and name. */
  readonly foreignMs = new Map<string, number>();
  /** By object: the version that a write made whose answer was lost. */
  readonly unanswered = new Map<string, number>();
  /** Sizes that the spec has asked for, with when. */
  readonly sizes: { readonly atMs: number; readonly size: number }[] = [];
  readonly answers: {
    readonly atMs: number;
    readonly metric: string;
    readonly kind: string;
    readonly process: number;
  }[] = [];
  /** The Rollout's versions, with when each came. */
  readonly #versions: { readonly atMs: number; readonly version: number }[] = [];
  readonly #lastTrafficMs = new Map<string, number>();
  shares: Shares = new Map();
  #commits: Commit[] = [];
  #process = 0;

  constructor(sim: Simulation) {
    this.sim = sim;
    this.walk = new Walk(this);
    sim.api.onCommit((commit) => this.#onCommit(commit));
    sim.pods.onChange(() => this.#trafficMoves());
    sim.network.onLearned(() => this.#trafficMoves());
    harmLasts(this);
  }

  violate(invariant: string, message: string): void {
    this.violations.push({ invariant, message });
    this.sim.story.tell("VIOLATION", `${invariant}: ${message}`);
  }

  /** When a revision was last sent requests, by what the data plane does; undefined: never. */
  lastTrafficMs(revision: string): number | undefined {
    return (this.shares.get(revision) ?? 0) > 0 ? this.sim.agenda.nowMs : this.#lastTrafficMs.get(revision);
  }

  /** The version at which the Rollout was right before a moment. */
  versionBefore(ms: number): number {
    return this.#versions.findLast(({ atMs }) => atMs < ms)?.version ?? 0;
  }

  onHappening(name: string): void {
    this.happened.add(name);
    if (name === "turnsBad" || name === "bothBad") for (const hash of this.sim.images.keys()) this.excused.add(hash);
  }

  onCrash(): void {
    this.#process++;
  }

  onPass(pass: Pass): void {
    const { plan, snapshot } = pass;
    const { target } = plan;
    for (const { metric, kind } of snapshot.metrics.readings)
      this.answers.push({ atMs: this.sim.agenda.nowMs, metric, kind, process: pass.process });
    if (target.reason === "ReplacingStable" || target.stage === "Starting") {
      for (const hash of Object.keys(target.sizes)) this.excused.add(hash);
    }
    this.walk.onPass(pass);
    if (plan.writes.length > 0 || plan.status !== undefined) this.#tell(pass);
  }

  onWrite(pass: Pass, write: Write | "status", sent: "sending" | "done" | "unanswered" | "failed"): void {
    if (sent === "sending") {
      this.#commits = [];
      return;
    }
    if (sent === "failed") return;
    if (sent === "unanswered")
      for (const { object } of this.#commits)
        this.unanswered.set(nameOf(object), Number(object.metadata.resourceVersion));
    for (const commit of this.#commits) {
      if (commit.type === "added" && this.sim.operator.isLate(pass) && this.sim.rollout === undefined)
        this.lateBirths.add(nameOf(commit.object));
      for (const [invariant, check] of Object.entries(ON_WRITE)) {
        const wrong = check({ pass, write, commit }, this);
        if (wrong !== undefined) this.violate(invariant, wrong);
      }
      this.walk.onWrite({ pass, write, commit });
    }
    this.#commits = [];
  }

  #onCommit(commit: Commit): void {
    const { object, actor } = commit;
    if (actor === OPERATOR) this.#commits.push(commit);
    else if (isRoute(object) || object.kind === "Service")
      if (actor === "git" || actor === "person") this.foreignMs.set(nameOf(object), commit.atMs);
    if (object.kind === "Rollout") this.#onRollout(commit);
    if (object.kind === "ReplicaSet" && commit.type === "deleted" && actor === "person")
      this.lostWhileLeaving ||= this.sim.rollout?.metadata.deletionTimestamp !== undefined;
  }

  #onRollout({ object, old, atMs, actor }: Commit): void {
    const { rollout } = this.sim;
    this.#versions.push({ atMs, version: Number(object.metadata.resourceVersion) });
    const size = (object as { spec?: { replicas?: number } }).spec?.replicas;
    if (size !== undefined && this.sizes.at(-1)?.size !== size) this.sizes.push({ atMs, size });
    const { rejected } = (object as Rollout).status ?? {};
    if (rejected !== undefined && (old as Rollout | undefined)?.status?.rejected?.revision !== rejected.revision)
      this.rejected.add(rejected.revision);
    const request = object.metadata.annotations?.[ANNOTATION_REQUEST];
    if (request === undefined || request === old?.metadata.annotations?.[ANNOTATION_REQUEST]) return;
    const [verb = "", rest = ""] = request.split("@");
    const hash = rest.split("#")[0] ?? "";
    this.sim.story.tell(actor, `asks: ${request}`);
    const { progress } = rollout?.status ?? {};
    const moving = progress?.stage === "Stepping" || progress?.stage === "HandingOver";
    if (verb === "abort" && moving && progress?.canary === hash)
      this.aborted.set(hash, object.metadata.resourceVersion ?? "0");
    if (verb === "retry" || verb === "rollback") this.aborted.delete(hash);
    if (verb === "retry" || verb === "rollback") this.rejected.clear();
    if (verb.startsWith("promote")) this.excused.add(hash);
    this.walk.onRequest(verb, hash);
  }

  #trafficMoves(): void {
    const now = this.sim.agenda.nowMs;
    for (const [revision, share] of this.shares) if (share > 0) this.#lastTrafficMs.set(revision, now);
    this.shares = this.sim.shares();
  }

  #tell({ plan }: Pass): void {
    const { stage, mark, phase, reason, weightBp } = plan.target;
    const writes = plan.writes.map(({ why }) => why).join("; ");
    this.sim.story.tell(
      "operator",
      `${phase} ${stage}/${mark} ${reason} ${weightBp / 100} %: ${writes === "" ? "status" : writes}`,
    );
  }
}

export function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}
