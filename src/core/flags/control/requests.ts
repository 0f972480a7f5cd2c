import { askedOf } from "../../requests.ts";
import { percent, weightAt } from "../../steps.ts";
import { resumedAt } from "../../walk.ts";
import type { FlagWorld } from "./world.ts";

/** What a person has asked for since the last pass, and how it was answered. */
export interface FlagOrders {
  readonly value: string;
  readonly result: string; // "accepted", or why not
  readonly promote: boolean;
  readonly promoteFull: boolean;
  readonly abort: boolean;
  readonly retry: boolean;
  readonly pause?: boolean;
}

const NOTHING = { promote: false, promoteFull: false, abort: false, retry: false };
const VERBS = "promote, pause, resume, abort and retry";

/** What the request annotation asks for; undefined where status has answered it already, or there is none. */
export function ordersOf(world: FlagWorld): FlagOrders | undefined {
  const { flag, status, servedHash } = world;
  const asked = askedOf(flag, status.lastRequest?.value, servedHash, "version");
  if (asked === undefined) return undefined;
  const { value } = asked;
  if (asked.kind === "refused") return { ...NOTHING, value, result: asked.result };
  const answer = answerTo(world, asked.verb, asked.argument);
  return { ...NOTHING, value, ...(typeof answer === "string" ? { result: `refused: ${answer}` } : answer) };
}

type Answer = Partial<FlagOrders> & { readonly result: "accepted" };

/** @returns why not, as text */
function answerTo(world: FlagWorld, verb: string, argument: string | undefined): Answer | string {
  switch (verb) {
    case "promote":
      if (argument === "full") return notOnItsWay(world) ?? accepted({ promoteFull: true });
      return notOnItsWay(world) ?? tooEarly(world) ?? accepted({ promote: true });
    case "pause":
    case "resume":
      return world.ramp === undefined ? "nothing rises by itself here" : accepted({ pause: verb === "pause" });
    case "abort":
      if (!world.settings.enabled) return "the flag is not enabled";
      return world.override === undefined ? accepted({ abort: true }) : "it is taken back already";
    case "retry":
      return world.override === undefined ? "nothing was taken back" : accepted({ retry: true });
    default:
      return `unknown verb "${verb}"; ${VERBS} exist`;
  }
}

function accepted(order: Partial<FlagOrders>): Answer {
  return { ...order, result: "accepted" };
}

function notOnItsWay({ ramp, override, kills, begunMs, status, settings }: FlagWorld): string | undefined {
  if (override !== undefined) return "it was taken back; retry begins anew";
  if (kills.length > 0) return `KillSwitch "${kills[0]?.metadata.name}" holds it`;
  const onItsWay =
    ramp !== undefined && settings.enabled && begunMs !== undefined && status.progress?.promoted !== true;
  return onItsWay ? undefined : "no ramp is on its way";
}

/** Why there is no wait to go past: the users of the step are not treated yet, and nothing of them was judged. */
function tooEarly({ ramp, status, presentBp }: FlagWorld): string | undefined {
  if (ramp?.kind !== "steps") return undefined;
  const at = resumedAt(ramp.steps, status, presentBp);
  const weightBp = at === undefined ? presentBp : weightAt(ramp.steps, at);
  if (weightBp <= presentBp) return undefined;
  return `${percent(weightBp)} of the users are not treated yet; promote once they are, or use promote:full`;
}
