import type { KillSwitch } from "../../../src/api/kill-switch.ts";
import type { ControllerRevision, Deployment, KubeObject, ReplicaSet, Route } from "../../../src/api/kubernetes.ts";
import { byNamespace, FLAG_INDEXES } from "../../../src/controllers/feature-flag/sources.ts";
import {
  byLabel,
  byScaleTarget,
  bySelector,
  byService,
  INDEXES,
  type Sources,
} from "../../../src/controllers/rollout/sources.ts";
import { LABEL_ROLLOUT } from "../../../src/core/rollout/names.ts";
import { GAP_MS } from "../../../src/kube/reflector.ts";
import { Store } from "../../../src/kube/store.ts";
import type { Agenda } from "../agenda.ts";
import type { Rng } from "../rng.ts";
import type { ApiServer, Commit, Kind } from "./api-server.ts";

/** The operator's caches: real stores, filled by watches that are late, held up, or that lose what they should tell. */
export class Caches {
  readonly sources: Sources;
  readonly #stores: ReadonlyMap<Kind, Store<KubeObject>>;
  readonly #lanes = new Map<Kind, Lane>();
  readonly #agenda: Agenda;
  readonly #api: ApiServer;
  readonly #rng: Rng;
  readonly #onChange: () => void;
  #open = true;
  #watch = 1;
  #toldSinceMs: number;

  /** @param watched the stores that are filled, by kind: those of Rollouts unless said */
  constructor(agenda: Agenda, api: ApiServer, rng: Rng, onChange: () => void, watched = storesOf) {
    this.#agenda = agenda;
    this.#api = api;
    this.#rng = rng;
    this.#onChange = onChange;
    this.sources = newSources();
    this.#stores = watched(this.sources);
    this.#toldSinceMs = agenda.nowMs;
    for (const [kind, store] of this.#stores) {
      this.#lanes.set(kind, { waiting: [], heldUntilMs: 0, losing: false, lostMs: 0, dueMs: 0 });
      store.replace(api.list(kind), api.version); // First lists are consistent reads.
    }
  }

  /** A reflector asks again every few seconds. */
  readonly #reconnectMs = () => this.#rng.int(0, 8_000);

  /** The process is gone: nothing is told any more. */
  close(): void {
    this.#open = false;
  }

  /** A change that the watch is to tell, some milliseconds later. */
  take(commit: Commit): void {
    const lane = this.#lanes.get(commit.object.kind);
    if (lane === undefined) return;
    if (lane.losing) return;
    lane.waiting.push(commit);
    this.#wake(commit.object.kind, lane, this.#rng.chance(0.05) ? this.#rng.int(50, 1_500) : this.#rng.int(1, 30));
  }

  /** Holds the watch of one kind up: events come late, all at once. */
  hold(kind: Kind, forMs: number): void {
    const lane = this.#lanes.get(kind);
    if (lane !== undefined) lane.heldUntilMs = Math.max(lane.heldUntilMs, this.#agenda.nowMs + forMs);
  }

  /** Loses what the watch of one kind should tell in the next milliseconds; a new list makes up for it. */
  lose(kind: Kind, forMs: number): void {
    const lane = this.#lanes.get(kind);
    if (lane === undefined || lane.losing) return;
    lane.losing = true;
    lane.lostMs = this.#agenda.nowMs;
    lane.waiting = [];
    this.#agenda.after(forMs, () => this.#api.whenUp(() => this.#listAnew(kind, lane), this.#reconnectMs));
  }

  /** The API server goes: each watch ends, and begins again some seconds after it is back. */
  cut(): void {
    for (const kind of this.#stores.keys()) this.lose(kind, 1);
  }

  #listAnew(kind: Kind, lane: Lane): void {
    lane.losing = false;
    if (!this.#open) return;
    if (kind === "Rollout") this.#watch++;
    if (kind === "Rollout" && this.#hasMissedMuch(lane)) this.#toldSinceMs = this.#agenda.nowMs;
    this.#stores.get(kind)?.replace(this.#api.list(kind), this.#api.version);
    this.#onChange();
  }

  /** Which watch tells of Rollouts; undefined while none does. */
  get watchOfRollouts(): number | undefined {
    return this.#lanes.get("Rollout")?.losing === true ? undefined : this.#watch;
  }

  /** Since when there is no gap of note in what the watch of Rollouts tells. */
  get toldSinceMs(): number {
    const lane = this.#lanes.get("Rollout");
    return lane?.losing === true && this.#hasMissedMuch(lane) ? this.#agenda.nowMs : this.#toldSinceMs;
  }

  #hasMissedMuch({ lostMs }: Lane): boolean {
    return this.#agenda.nowMs - lostMs >= GAP_MS;
  }

  /** Whether the operator sees all that there is. */
  get current(): boolean {
    return [...this.#lanes.values()].every((lane) => lane.waiting.length === 0 && !lane.losing);
  }

  #wake(kind: Kind, lane: Lane, latencyMs: number): void {
    const now = this.#agenda.nowMs;
    lane.dueMs = Math.max(lane.dueMs, now + latencyMs, lane.heldUntilMs);
    this.#agenda.after(lane.dueMs - now, () => this.#tell(kind, lane));
  }

  #tell(kind: Kind, lane: Lane): void {
    if (!this.#open || lane.waiting.length === 0) return;
    if (lane.heldUntilMs > this.#agenda.nowMs) {
      this.#agenda.after(lane.heldUntilMs - this.#agenda.nowMs, () => this.#tell(kind, lane));
      return;
    }
    const store = this.#stores.get(kind);
    const commit = lane.waiting.shift() as Commit;
    if (commit.type === "deleted") store?.remove(commit.object);
    else store?.set(commit.object);
    this.#onChange();
  }
}

interface Lane {
  waiting: Commit[];
  heldUntilMs: number;
  losing: boolean;
  lostMs: number;
  dueMs: number;
}

function newSources(): Sources {
  return {
    rollouts: new Store({ ...INDEXES }),
    deployments: new Store<Deployment>({ selector: bySelector }),
    replicaSets: new Store<ReplicaSet>({ rollout: byLabel(LABEL_ROLLOUT) }),
    revisions: new Store<ControllerRevision>({ rollout: byLabel(LABEL_ROLLOUT) }),
    pods: new Store({ rollout: byLabel(LABEL_ROLLOUT) }),
    services: new Store(),
    slices: new Store({ service: byService }),
    routes: new Map(ROUTES.map((kind) => [kind, new Store<Route>()])),
    autoscalers: new Store({ target: byScaleTarget }),
    flags: new Store({ ...FLAG_INDEXES }),
    segments: new Store(),
    kills: new Store<KillSwitch>({ namespace: byNamespace }),
  };
}

const ROUTES = ["HTTPRoute", "GRPCRoute"];

/** Stores of all kinds as one type: only what they share is used here. */
export function storesOf(sources: Sources): ReadonlyMap<Kind, Store<KubeObject>> {
  const stores: [Kind, unknown][] = [
    ["Rollout", sources.rollouts],
    ["Deployment", sources.deployments],
    ["ReplicaSet", sources.replicaSets],
    ["ControllerRevision", sources.revisions],
    ["Service", sources.services],
    ["EndpointSlice", sources.slices],
    ["HorizontalPodAutoscaler", sources.autoscalers],
    ...ROUTES.map((kind): [Kind, unknown] => [kind, sources.routes.get(kind)]),
  ];
  return new Map(stores as [Kind, Store<KubeObject>][]);
}

/** What decisions about flags rest on. */
export function flagStoresOf(sources: Sources): ReadonlyMap<Kind, Store<KubeObject>> {
  const stores: [Kind, unknown][] = [
    ["FeatureFlag", sources.flags],
    ["KillSwitch", sources.kills],
  ];
  return new Map(stores as [Kind, Store<KubeObject>][]);
}

export const WATCHED: readonly Kind[] = [...storesOf(newSources()).keys()];
