import { ANNOTATION_REQUEST, parseRequest } from "../../api/request.ts";
import { tooEarly } from "./promote.ts";
import { rejectionOf } from "./rest.ts";
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

/** Reads the request annotation. One that status has answered already, or none, gives undefined; one for another revision
 * than the present one is refused, not obeyed: it was meant for what its writer saw. */
export function ordersOf(world: World): Orders | undefined {
  const value = world.rollout.metadata.annotations?.[ANNOTATION_REQUEST];
  if (value === undefined || value === world.status.lastRequest?.value) return undefined;
  const request = parseRequest(value);
  if (request === undefined) {
    return {
      ...NOTHING,
      value,
      result: `refused: must read verb[:argument]@revision#nonce (got ${JSON.stringify(readable(value.slice(0, 64)))})`,
    };
  }
  const present = world.wanted?.hash;
  if (request.hash !== present) {
    return {
      ...NOTHING,
      value,
      result: `refused: meant for revision ${request.hash}, the present one is ${present ?? "none"}`,
    };
  }
  return { value, ...orderOf(world, request.verb, request.argument) };
}

/** Letters that turn the order of what follows would make a sentence say another thing. */
function readable(text: string): string {
  return text.replace(/\p{Bidi_Control}/gu, "");
}

type Answer = Omit<Orders, "value">;

function orderOf(world: World, verb: string, argument: string | undefined): Answer {
  const stage = world.status.progress?.stage;
  const moving = stage === "Stepping" || stage === "HandingOver";
  const accepted = { ...NOTHING, result: "accepted" };
  switch (verb) {
    case "promote":
      if (!moving) return { ...NOTHING, result: "refused: no release is on its way" };
      return argument === "full" ? { ...accepted, promoteFull: true } : promote(world);
    case "pause":
      return { ...accepted, pause: true };
    case "resume":
      return { ...accepted, pause: false };
    case "abort":
      if (!moving) return { ...NOTHING, result: "refused: no release is on its way" };
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
