import type { Rollout } from "../../api/rollout.ts";
import { activeKills } from "../flags/kills.ts";
import { openingAt } from "../flags/schedule.ts";
import { conditionOf } from "../rollout/world.ts";
import { selects } from "../selector.ts";
import type { Gate, GateAnswer, Source } from "./model.ts";
import { type Read, readCoverage, readTests } from "./results.ts";
import type { GateView } from "./view.ts";

/** What is to be let in. */
export interface Candidate {
  readonly namespace: string;
  readonly name: string;
  readonly images: readonly string[];
  /** Whether a person has approved of this very revision. */
  readonly approved: boolean;
  readonly nowMs: number;
}

/** Names, in the other Rollout, those that may wait for it: NAMESPACE/NAME, several by commas. */
export const ANNOTATION_PROMOTES_TO = "zenith.sh/promotes-to";
/** How often a metric is asked for. */
const METRIC_AGAIN_MS = 15_000;

type Closed = Omit<GateAnswer, "gate" | "kind">;

/** How each gate stands. Pure; each gate has an answer, and one that nobody can give is "closed". */
export function evaluateGates(gates: readonly Gate[], view: GateView, candidate: Candidate): GateAnswer[] {
  return gates.map(
    (gate): GateAnswer => ({ gate: nameOf(gate, candidate), kind: gate.kind, ...answerOf(gate, view, candidate) }),
  );
}

function nameOf(gate: Gate, { namespace }: Candidate): string {
  if (gate.kind === "metric") return gate.name;
  if (gate.kind !== "rollout") return gate.kind;
  return `rollout ${gate.namespace === namespace ? "" : `${gate.namespace}/`}${gate.name}`;
}

function answerOf(gate: Gate, view: GateView, candidate: Candidate): Closed {
  switch (gate.kind) {
    case "tests":
      return testsAnswer(gate.source, gate.passRate, view, candidate);
    case "coverage":
      return coverageAnswer(gate.source, gate.min, view, candidate);
    case "metric":
      return metricAnswer(gate, view);
    case "rollout":
      return rolloutAnswer(gate, view, candidate);
    case "flags":
      return flagsAnswer(gate, view, candidate);
    case "window":
      return windowAnswer(gate, candidate);
    case "approval":
      return candidate.approved
        ? { open: true, value: "approved", wanted: "approval", message: "a person approved" }
        : { open: false, value: "", wanted: "approval", message: "a person must promote it" };
    default:
      return gate satisfies never;
  }
}

function closed(wanted: string, message: string, value = ""): Closed {
  return { open: false, value, wanted, message };
}

export const CONFIG_MAPS_UNREAD =
  "the operator does not read ConfigMaps; start it with --gates, and give it the right to";

/** The text that a gate is to read, or why it cannot be read. */
function textOf(source: Source, { configMaps }: GateView, { images }: Candidate): Read<string> {
  const { configMap: name, key } = source;
  const unreadable = (message: string) => ({ kind: "unreadable" as const, message });
  if (configMaps === undefined) return unreadable(CONFIG_MAPS_UNREAD);
  const results = configMaps.get(name);
  if (results === undefined)
    return unreadable(`ConfigMap "${name}" with the label zenith.sh/gate does not exist; CI has to write it`);
  if (results.image !== undefined && !images.includes(results.image))
    return unreadable(`ConfigMap "${name}" has the results of ${results.image}, and not of this revision`);
  const keys = Object.keys(results.data);
  const [only, ...more] = keys;
  if (key === undefined && (only === undefined || more.length > 0))
    return unreadable(`ConfigMap "${name}" has ${keys.length} entries; name one of them in the gate's key`);
  const text = results.data[key ?? only ?? ""];
  return text === undefined ? unreadable(`ConfigMap "${name}" has no entry "${key}"`) : { kind: "read", value: text };
}

function testsAnswer(source: Source, passRate: number, view: GateView, candidate: Candidate): Closed {
  const wanted = `at least ${percent(passRate)} of the tests pass`;
  const text = textOf(source, view, candidate);
  if (text.kind === "unreadable") return closed(wanted, text.message);
  const results = readTests(text.value);
  if (results.kind === "unreadable") return closed(wanted, `ConfigMap "${source.configMap}": ${results.message}`);
  const { ran, passed } = results.value;
  const value = `${percent(passed / ran)} (${passed} of ${ran})`;
  return { open: passed / ran >= passRate, value, wanted, message: `${value} of the tests passed` };
}

function coverageAnswer(source: Source, min: number, view: GateView, candidate: Candidate): Closed {
  const wanted = `at least ${percent(min)} covered`;
  const text = textOf(source, view, candidate);
  if (text.kind === "unreadable") return closed(wanted, text.message);
  const share = readCoverage(text.value);
  if (share.kind === "unreadable") return closed(wanted, `ConfigMap "${source.configMap}": ${share.message}`);
  const value = percent(share.value);
  return { open: share.value >= min, value, wanted, message: `${value} is covered` };
}

function metricAnswer(gate: Extract<Gate, { kind: "metric" }>, { metrics }: GateView): Closed {
  const { name, min, max } = gate;
  const limits = [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])];
  const wanted = limits.join(" and ");
  const again = { checkAgainInMs: METRIC_AGAIN_MS };
  const answer = metrics.get(name);
  if (answer === undefined) return { ...closed(wanted, "Prometheus has not answered yet"), ...again };
  if (answer.kind === "none") return { ...closed(wanted, answer.message), ...again };
  const value = Number(answer.value.toPrecision(4));
  const open = answer.value >= (min ?? Number.NEGATIVE_INFINITY) && answer.value <= (max ?? Number.POSITIVE_INFINITY);
  return { open, value: String(value), wanted, message: `it is ${value}`, ...again };
}

function rolloutAnswer(gate: Extract<Gate, { kind: "rollout" }>, { rollouts }: GateView, candidate: Candidate): Closed {
  const { namespace, name, forMs } = gate;
  const where = `Rollout "${namespace === candidate.namespace ? "" : `${namespace}/`}${name}"`;
  const wanted = `the same images healthy there for ${minutes(forMs)}`;
  const other = rollouts.get(`${namespace}/${name}`);
  if (other === undefined) return closed(wanted, `${where} does not exist, or the operator does not watch it`);
  if (namespace !== candidate.namespace && !consents(other, candidate))
    return closed(
      wanted,
      `${where} must name ${candidate.namespace}/${candidate.name} in its annotation ${ANNOTATION_PROMOTES_TO}`,
    );
  const { phase = "not seen yet", stable } = other.status ?? {};
  const differing = candidate.images.filter((image) => stable?.images.includes(image) !== true);
  if (differing.length > 0) return closed(wanted, `${where} does not serve ${differing.join(", ")}`, phase);
  if (phase !== "Healthy" && phase !== "Baking") return closed(wanted, `${where} is ${phase}`, phase);
  const sinceMs = Date.parse(conditionOf(other.status ?? {}, "Promoted")?.lastTransitionTime ?? "");
  if (Number.isNaN(sinceMs)) return closed(wanted, `${where} does not say since when it serves them`, phase);
  const value = `${phase} since ${iso(sinceMs)}`;
  const leftMs = sinceMs + forMs - candidate.nowMs;
  if (leftMs <= 0) return { open: true, value, wanted, message: `${where} is ${value}` };
  const message = `${where} is ${value}, which is long enough at ${iso(sinceMs + forMs)}`;
  return { ...closed(wanted, message, value), checkAgainInMs: leftMs };
}

function consents({ metadata }: Rollout, { namespace, name }: Candidate): boolean {
  const named = (metadata.annotations?.[ANNOTATION_PROMOTES_TO] ?? "").split(",").map((one) => one.trim());
  return named.includes(`${namespace}/${name}`);
}

function flagsAnswer(gate: Extract<Gate, { kind: "flags" }>, { flags, kills }: GateView, { nowMs }: Candidate): Closed {
  const wanted = "all flags valid, none killed, none taken back";
  const chosen = flags.filter(({ metadata }) => selects(gate.selector, metadata.labels));
  if (chosen.length === 0) return closed(wanted, "no FeatureFlag matches the gate's selector", "0 flags");
  const value = `${chosen.length} flag${chosen.length === 1 ? "" : "s"}`;
  for (const flag of chosen) {
    const { metadata, status } = flag;
    const [kill] = activeKills(flag, kills, nowMs).filter(({ spec }) => spec.flags !== undefined);
    if (kill !== undefined) return closed(wanted, `"${metadata.name}" is killed by "${kill.metadata.name}"`, value);
    if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0))
      return closed(wanted, `"${metadata.name}" was not looked at yet`, value);
    if (status?.override !== undefined) return closed(wanted, `"${metadata.name}" was taken back`, value);
    if (status?.phase === "Failed") return closed(wanted, `"${metadata.name}": ${status.message ?? "Failed"}`, value);
  }
  return { open: true, value, wanted, message: `${value}, all valid` };
}

function windowAnswer(gate: Extract<Gate, { kind: "window" }>, { nowMs }: Candidate): Closed {
  const wanted = "a time at which releases may begin";
  const opening = openingAt(gate.schedule, nowMs);
  if (opening.kind === "open") return { open: true, value: "open", wanted, message: "it is open" };
  const message = opening.message.replace(/^holding: /, "");
  return { ...closed(wanted, message, opening.reason), checkAgainInMs: Math.max(1, opening.untilMs - nowMs) };
}

/** `95 %`, `98.28 %`: never rounded up to what is wanted. */
function percent(share: number): string {
  return `${Math.floor(share * 10_000 + 1e-9) / 100} %`;
}

/** Points in time, not what is left: a status changes when something else than time does. */
function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function minutes(ms: number): string {
  if (ms < 120_000) return `${Math.max(0, Math.round(ms / 1000))} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
