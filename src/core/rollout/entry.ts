import { evaluateGates } from "../gates/evaluate.ts";
import type { GateAnswer } from "../gates/model.ts";
import type { GateView } from "../gates/view.ts";
import { imagesOf } from "./objects.ts";
import type { Orders } from "./requests.ts";
import type { Target } from "./target.ts";
import type { World } from "./world.ts";

/** What is waited for before the first step, as status remembers it. */
export const GATES = "gates";

const NOTHING_READ: GateView = { rollouts: new Map(), flags: [], kills: [], metrics: new Map() };

/** The gates of a release that has not begun: all of them are asked, and told, whichever is closed. */
export interface Entry {
  readonly answers: readonly GateAnswer[];
  /** Absent where every gate is open. */
  readonly held?: Pick<Target, "phase" | "reason" | "message" | "checkAgainInMs">;
}

export function entryOf(world: World, orders: Orders | undefined): Entry {
  const { settings, snapshot, wanted, namespace, name, nowMs } = world;
  if (settings.gates.length === 0) return { answers: [] };
  const images = wanted === undefined ? [] : imagesOf(wanted.template);
  const approved = approvedRevision(world, orders) === wanted?.hash;
  const candidate = { namespace, name, images, approved, nowMs };
  const answers = evaluateGates(settings.gates, snapshot.gates ?? NOTHING_READ, candidate);
  const closed = answers.filter(({ open }) => !open);
  // Of those that are open too: what they rest on may be another by when the last one opens.
  const waits = answers.flatMap(({ checkAgainInMs }) => (checkAgainInMs === undefined ? [] : [checkAgainInMs]));
  const again = waits.length === 0 ? {} : { checkAgainInMs: Math.min(...waits) };
  const [first, ...more] = closed;
  if (first === undefined) return { answers };
  // A person is asked once nothing else is in the way.
  if (closed.every(({ kind }) => kind === "approval"))
    return {
      answers,
      held: {
        phase: "Paused",
        reason: "WaitingForApproval",
        message: "waiting for approval before the first step; promote to begin",
        ...again,
      },
    };
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  const message = `holding before the first step: gate ${first.gate}: ${first.message}, wanted: ${first.wanted}${others}`;
  return { answers, held: { phase: "Progressing", reason: "GateClosed", message, ...again } };
}

/** The revision that a person has let in, now or before. */
export function approvedRevision({ status, wanted }: World, orders: Orders | undefined): string | undefined {
  return orders?.promote === true ? wanted?.hash : status.progress?.approved;
}

/** Whether `promote` means the approval of a release that has not begun. */
export function awaitsApproval({ settings, status, wanted, stable }: World): boolean {
  const asks = settings.gates.some(({ kind }) => kind === "approval");
  const waits = status.progress?.stage === "Resting" && wanted !== undefined && wanted.hash !== stable?.hash;
  return asks && waits && status.progress?.approved !== wanted.hash;
}
