import { askedOf } from "../requests.ts";
import { awaitsApproval, GATES } from "./entry.ts";
import { tooEarly } from "./promote.ts";
import { rejectionOf, unrejected } from "./rejection.ts";
import type { World } from "./world.ts";

/** What a person has asked for since the last pass, and how it was answered. */
export interface Orders {
  readonly value: string;
  readonly result: string; // "accepted", or why not
  readonly promote: boolean;
  readonly promoteFull: boolean;
  readonly abort: boolean;
  readonly retry: boolean;
  readonly pause?: boolean;
  readonly rollbackTo?: string;
}

const NOTHING = { promote: false, promoteFull: false, abort: false, retry: false };

/** What the request annotation asks for; undefined where status has answered it already, where it must wait, or there is none. */
export function ordersOf(world: World): Orders | undefined {
  const { rollout, status, wanted } = world;
  const asked = askedOf(rollout, status.lastRequest?.value, wanted?.hash, "revision");
  if (asked === undefined) return undefined;
  const { value } = asked;
  if (asked.kind === "refused") return { ...NOTHING, value, result: asked.result };
  // Without a status nobody knows whether it was answered long ago. Only a pause does no harm a second time.
  if (status.progress === undefined && asked.verb !== "pause")
    return { ...NOTHING, value, result: "refused: nothing was known of this Rollout when it was asked; ask again" };
  // What is to be tried again comes back first, and what is to be rejected before it begins has not begun: answered then.
  if (asked.verb === "retry" && isGoingBack(world)) return undefined;
  if (asked.verb === "abort" && isGoingBack(world) && unrejected(world) !== undefined) return undefined;
  return { value, ...orderOf(world, asked.verb, asked.argument) };
}

/** Whether someone has said no to the wanted revision, and was not answered yet. */
export function isAbortAsked({ rollout, status, wanted }: World): boolean {
  const asked = askedOf(rollout, status.lastRequest?.value, wanted?.hash, "revision");
  return asked?.kind === "asked" && asked.verb === "abort";
}

function isGoingBack({ status }: World): boolean {
  return status.progress?.stage === "Returning" || status.progress?.stage === "RollingBack";
}

type Answer = Omit<Orders, "value">;

function orderOf(world: World, verb: string, argument: string | undefined): Answer {
  const stage = world.status.progress?.stage;
  const moving = stage === "Stepping" || stage === "HandingOver";
  const waits = stage === "Resting" && unrejected(world) !== undefined;
  const accepted = { ...NOTHING, result: "accepted" };
  switch (verb) {
    case "promote":
      if (!moving && argument !== "full" && awaitsApproval(world)) return { ...accepted, promote: true };
      if (!moving && world.status.progress?.mark === GATES)
        return { ...NOTHING, result: "refused: the gates hold it before its first step" };
      if (!moving) return { ...NOTHING, result: "refused: no release is on its way" };
      return argument === "full" ? { ...accepted, promoteFull: true } : promote(world);
    case "pause":
      return { ...accepted, pause: true };
    case "resume":
      return { ...accepted, pause: false };
    case "abort":
      if (!moving && !waits) return { ...NOTHING, result: "refused: no release is on its way" };
      return { ...accepted, abort: true };
    case "retry":
      if (world.wanted === undefined || rejectionOf(world, world.wanted) === undefined)
        return { ...NOTHING, result: "refused: nothing was rejected" };
      return { ...accepted, retry: true };
    case "rollback":
      return rollback(world, argument);
    default:
      return {
        ...NOTHING,
        result: `refused: unknown verb "${verb}"; promote, pause, resume, abort, retry and rollback exist`,
      };
  }
}

function promote(world: World): Answer {
  const early = tooEarly(world);
  return early === undefined
    ? { ...NOTHING, result: "accepted", promote: true }
    : { ...NOTHING, result: `refused: ${early}` };
}

function rollback(world: World, argument: string | undefined): Answer {
  const stage = world.status.progress?.stage;
  if (stage === "Stepping" || stage === "HandingOver") return { ...NOTHING, result: "accepted", abort: true };
  if (isGoingBack(world)) return { ...NOTHING, result: "refused: traffic is on its way back; ask again once it is" };
  // While stable serves well what is to go is the release that waits.
  const isSound = (world.stable?.ready ?? 0) > 0 && world.status.bake === undefined;
  if (argument === undefined && isSound && unrejected(world) !== undefined)
    return { ...NOTHING, result: "accepted", abort: true };
  const to = argument ?? world.previous?.hash ?? lastPromotedBefore(world);
  if (to === undefined) return { ...NOTHING, result: "refused: there is no earlier revision to go back to" };
  if (to === world.stable?.hash) return { ...NOTHING, result: `refused: ${to} serves already` };
  if (!world.revisions.has(to)) return { ...NOTHING, result: `refused: revision ${to} is not among the kept ones` };
  return { ...NOTHING, result: "accepted", rollbackTo: to };
}

function lastPromotedBefore(world: World): string | undefined {
  const earlier = [...world.revisions.values()].filter(
    (r) => r.mark?.kind === "promoted" && r.hash !== world.stable?.hash,
  );
  return earlier.sort((a, b) => b.number - a.number)[0]?.hash;
}
