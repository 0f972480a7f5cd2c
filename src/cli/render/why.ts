import { reasonNamed } from "../../api/reasons.ts";
import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import { conditionOf } from "../../core/rollout/world.ts";
import type { Presence } from "../cluster/operator.ts";
import { widthOf } from "../io.ts";
import { ageOf } from "./words.ts";

/** Where a Rollout stands, why, and what to do about it. */
export interface Explanation {
  readonly state: string;
  readonly why: string;
  readonly remedy: string;
}

const VERBS = /`(promote:full|promote|pause|resume|abort|retry|rollback)`/g;

/** @param presence whether anybody acts on it at all */
export function explain(rollout: Rollout, presence: Presence, nowMs: number): Explanation {
  const { status, metadata } = rollout;
  const name = `Rollout ${metadata.namespace}/${metadata.name}`;
  if (status?.phase === undefined) {
    return {
      state: `No operator has looked at ${name} yet.`,
      why: presence.kind === "running" ? "One is running; does it watch this namespace?" : sentence(presence.message),
      remedy: presence.kind === "running" ? "See the flag --namespaces of the operator." : "Start the operator.",
    };
  }
  const reason = conditionOf(status, "Ready")?.reason ?? "";
  const known = reasonNamed(reason);
  const isPlain = ["Healthy", "Stepping"].includes(reason);
  const unattended =
    presence.kind === "gone" ? "What stands here may be old, and nobody acts on it: start the operator. " : "";
  return {
    state: `${unattended === "" ? "" : `${sentence(presence.kind === "gone" ? presence.message : "")} `}${name} is ${status.phase}${placeOf(status)}.`,
    why: [sentence(status.message ?? ""), isPlain ? "" : (known?.means ?? ""), requestSaid(status, nowMs)]
      .filter((part) => part !== "")
      .join(" "),
    remedy: `${unattended}${withCommands(known?.remedy ?? "", metadata.name)}`,
  };
}

/** One paragraph, in lines of at most `columns` letters. */
export function renderWhy({ state, why, remedy }: Explanation, columns: number): string[] {
  const words = `${state} ${why} What to do: ${remedy}`.split(/\s+/);
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (widthOf(longer) <= columns || line === "") line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

function placeOf(status: RolloutStatus): string {
  const { stable, canary, display, weights, bake, phase } = status;
  const said = (side: { revision: string; images: readonly string[] } | undefined) =>
    side === undefined ? "" : `${side.revision}${side.images.length === 0 ? "" : ` (${side.images.join(", ")})`}`;
  if (canary !== undefined && stable !== undefined && display?.step !== undefined && display.step !== "-")
    return ` at step ${display.step.replace("/", " of ")}: revision ${said(canary)} has ${weights?.effective ?? 0} % of the traffic, stable ${said(stable)} the rest`;
  if (stable === undefined) return "";
  const until = phase === "Baking" && bake !== undefined ? `, judged until ${bake.until}` : "";
  return `: revision ${said(stable)} serves all traffic${until}`;
}

/** A request that was refused lately may be what a person wonders about. */
function requestSaid({ lastRequest }: RolloutStatus, nowMs: number): string {
  if (lastRequest === undefined || lastRequest.result === "accepted") return "";
  const verb = lastRequest.value.split("@")[0];
  return `The last request, "${verb}", was ${lastRequest.result} (${ageOf(lastRequest.at, nowMs)} ago).`;
}

/** Verbs as the commands that give them. */
function withCommands(remedy: string, name: string): string {
  return remedy
    .replaceAll(VERBS, (_, verb: string) => {
      const [word, full] = verb.split(":");
      return `\`kubectl zenith ${word} ${name}${full === undefined ? "" : " --full"}\``;
    })
    .replaceAll("NAME", name)
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "docs/reference/$1");
}

function sentence(text: string): string {
  if (text === "") return "";
  const first = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
