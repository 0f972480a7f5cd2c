import type { PodTemplate } from "../../api/kubernetes.ts";
import type { GateAnswer } from "../gates/model.ts";
import type { RouteWish } from "../routing.ts";
import type { RoutesView, World } from "./world.ts";

/** Where a Rollout stands between two states of rest. The order of events inside a stage is that of docs/how-a-rollout-moves.md. */
export type Stage =
  | "Starting" // No stable yet: the first revision, or a Deployment being adopted.
  | "Resting" // Stable serves everything.
  | "Stepping" // A canary walks its steps.
  | "HandingOver" // All traffic is on the canary; the Service follows.
  | "Returning" // Traffic goes back to stable, then the canary goes.
  | "RollingBack" // A promoted revision failed its bake; the one before comes back.
  | "Leaving"; // The Rollout is being deleted.

export type Phase = "Pending" | "Progressing" | "Paused" | "Baking" | "Healthy" | "Reverted" | "Failed";

export interface Rejection {
  readonly revision: string;
  readonly reason: string; // CamelCase
  readonly message: string;
}

const STAGES: readonly string[] = [
  "Starting",
  "Resting",
  "Stepping",
  "HandingOver",
  "Returning",
  "RollingBack",
  "Leaving",
] satisfies Stage[];

/** The stage that status remembers; undefined where it remembers none that we know. */
export function stageOf({ progress }: World["status"]): Stage | undefined {
  return progress !== undefined && STAGES.includes(progress.stage) ? (progress.stage as Stage) : undefined;
}

/** What should be, and why: the answer of `decide`. `converge` says which writes lead there. */
export interface Target {
  readonly stage: Stage;
  /** What is being waited for inside the stage; status remembers since when, and every clock runs from there. */
  readonly mark: string;
  readonly phase: Phase;
  readonly reason: string; // CamelCase, for conditions
  readonly message: string; // one sentence a tired human understands
  readonly stable?: string;
  readonly canary?: string;
  /** The revision to go back to while the present stable bakes. */
  readonly previous?: string;
  readonly stepIndex: number;
  /** Which walk the step is of, where this pass knew it; absent: the one that status remembers. */
  readonly steps?: string;
  /** Set where the step changes in this pass: its clock starts now. */
  readonly stepChanged?: boolean;
  /** The size of this step was ready once: the progress deadline no longer runs. */
  readonly stepReady?: boolean;
  readonly weightBp: number; // desired
  /** What every route should say; absent: leave them. */
  readonly wish?: RouteWish;
  /** What the Service should select: a hash, "all" of ours, "deployment:<hash>" for the pods of the referenced Deployment,
   * or what its "author" wrote; absent: leave it. */
  readonly selects?: string;
  readonly canarySelects?: string;
  /** Pods to ask for, by revision; a revision that is not named keeps its size. */
  readonly sizes: Readonly<Record<string, number>>;
  /** A breach: every traffic switch at once, first, each bearing the rejection. */
  readonly urgent?: Rejection;
  readonly rejected?: Rejection;
  readonly forgetRejected?: boolean;
  /** The revision that became stable in this pass. */
  readonly promoted?: string;
  readonly baking?: boolean;
  /** Why the release is going back, kept while it does. */
  readonly because?: Rejection;
  /** What a referenced Deployment should say; its template only when it is handed back. */
  readonly deployment?: { readonly paused: boolean; readonly replicas?: number; readonly template?: PodTemplate };
  /** The revision that the first pods are of, while there is no stable: a Deployment's running one may not be the wanted. */
  readonly first?: string;
  readonly release?: boolean; // take our finalizer away
  readonly keepPods?: boolean; // and let our pods live on without an owner
  /** All that the spec no longer names is put back: from the next pass on its own names count. */
  readonly putBack?: boolean;
  /** How the gates stand, in the pass that asked them. */
  readonly gates?: readonly GateAnswer[];
  readonly checkAgainInMs?: number;
}

/** Milliseconds for which the mark of a stage has held, as status remembers it; 0 when it has just begun. */
export function heldMs(world: World, stage: Stage, mark: string): number {
  const { progress } = world.status;
  if (progress?.stage !== stage || progress.mark !== mark || progress.markSince === undefined) return 0;
  return Math.max(0, world.nowMs - Date.parse(progress.markSince));
}

/** Milliseconds until a mark will have held long enough; 0 when it has. */
export function remainingMs(world: World, stage: Stage, mark: string, wantedMs: number): number {
  return Math.max(0, wantedMs - heldMs(world, stage, mark));
}

/** As `heldMs`, as far as this process was there to see it: in an outage of the API server, or while nobody led, nothing that
 * has a deadline could be done, nor told. */
export function seenMs(world: World, stage: Stage, mark: string): number {
  const { decidingSinceMs = Number.NEGATIVE_INFINITY } = world.snapshot;
  return Math.min(heldMs(world, stage, mark), Math.max(0, world.nowMs - decidingSinceMs));
}

/** Milliseconds until a deadline that runs with a mark; 0 when it is over. */
export function untilDeadlineMs(world: World, stage: Stage, mark: string, deadlineMs: number): number {
  return Math.max(0, deadlineMs - seenMs(world, stage, mark));
}

/** A time that status holds, in milliseconds since the epoch. */
export function timeOf(text: string | undefined, otherwise: number): number {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? otherwise : ms;
}

/** Whether routes divide traffic; else the share of replicas is the share of traffic. */
export function hasRoutes(routes: RoutesView): boolean {
  return routes.state !== "none";
}
