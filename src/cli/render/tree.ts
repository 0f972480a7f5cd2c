import type { ContainerStatus, ControllerRevision, Pod, ReplicaSet } from "../../api/kubernetes.ts";
import type { Rollout, RolloutStatus } from "../../api/rollout.ts";
import { LABEL_REVISION } from "../../core/rollout/names.ts";
import { settingsOf } from "../../core/rollout/settings.ts";
import type { Step } from "../../core/steps.ts";
import type { RolloutTree } from "../cluster/rollouts.ts";
import { padded, type Style, widthOf } from "../io.ts";
import { tableOf } from "./table.ts";
import { ageOf, duration, phaseOf, phasePaint, stepSaid } from "./words.ts";

/** A Rollout as a tree: where it stands, its revisions with their share of the traffic, their pods, and what the judge says. */
export function renderTree(tree: RolloutTree, nowMs: number, style: Style): string[] {
  const { rollout } = tree;
  const blocks = [headOf(rollout, style), factsOf(rollout, nowMs, style), podsOf(tree, nowMs, style)];
  return [...blocks, analysisOf(rollout.status, style)]
    .filter((block) => block.length > 0)
    .flatMap((block, i) => (i === 0 ? block : ["", ...block]));
}

function headOf({ metadata, status }: Rollout, style: Style): string[] {
  const phase = phaseOf(status);
  const step = status?.display?.step;
  const where = step === undefined || step === "-" ? "" : `, step ${step.replace("/", " of ")}`;
  const name = `Rollout ${metadata.namespace}/${metadata.name}`;
  const message = status?.message ?? "no operator has looked at it yet";
  return [`${style.bold(name)}: ${phasePaint(phase, style)(phase)}${where}`, ...(message === "" ? [] : [message])];
}

function factsOf(rollout: Rollout, nowMs: number, style: Style): string[] {
  const { status } = rollout;
  if (status?.phase === undefined) return [];
  const { weights, lastRequest, bake } = status;
  const said = (bp: number | undefined) => `${bp ?? 0} %`;
  const facts: [string, string][] = [];
  if (weights !== undefined && status.canary !== undefined)
    facts.push([
      "Weight",
      `desired ${said(weights.desired)}, written ${said(weights.written)}, effective ${said(weights.effective)}`,
    ]);
  const steps = stepsOf(rollout, nowMs, style);
  if (steps !== undefined) facts.push(["Steps", steps]);
  if (status.phase === "Baking" && bake !== undefined)
    facts.push(["Bake", `${duration(Math.max(0, Date.parse(bake.until) - nowMs))} left, until ${bake.until}`]);
  if (lastRequest !== undefined)
    facts.push([
      "Request",
      `${lastRequest.value.split("@")[0]}: ${lastRequest.result}, ${ageOf(lastRequest.at, nowMs)} ago`,
    ]);
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, fact]) => `${style.bold(padded(name, width))}   ${fact}`);
}

/** The walk: what is behind in grey, where it stands marked, with the time that is left there. */
function stepsOf(rollout: Rollout, nowMs: number, style: Style): string | undefined {
  const steps = stepsWanted(rollout);
  const { status } = rollout;
  if (steps === undefined) return undefined;
  const stage = status?.progress?.stage;
  const at = stage === "Stepping" ? (status?.step?.index ?? 0) : stage === "HandingOver" ? steps.length - 1 : undefined;
  return steps
    .map((step, i) => {
      if (at === undefined || i > at) return stepSaid(step);
      if (i < at) return style.dim(stepSaid(step));
      return style.bold(`${style.marks.here} ${stepSaid(step)}${leftIn(step, status, nowMs)}`);
    })
    .join(style.dim(" · "));
}

/** Undefined where the spec cannot be read; its own message tells why. */
function stepsWanted(rollout: Rollout): readonly Step[] | undefined {
  try {
    return settingsOf(rollout).steps;
  } catch {
    return undefined;
  }
}

function leftIn(step: Step, status: RolloutStatus | undefined, nowMs: number): string {
  const startedMs = Date.parse(status?.step?.startedAt ?? "");
  if (step.kind === "weight" || step.forMs === undefined || Number.isNaN(startedMs)) return "";
  const leftMs = startedMs + step.forMs - nowMs;
  return leftMs <= 0 ? "" : ` (${duration(leftMs)} left)`;
}

interface RevisionRow {
  readonly hash: string;
  readonly number: number;
  readonly role: string;
  readonly set: ReplicaSet | undefined;
  readonly share: string;
  readonly images: readonly string[];
}

function podsOf(tree: RolloutTree, nowMs: number, style: Style): string[] {
  const { rollout, pods } = tree;
  const rows = revisionRows(tree);
  if (rows.length === 0) return [];
  const lines: string[][] = [
    [
      rollout.metadata.name,
      "",
      "",
      rollout.status?.display?.ready ?? "",
      "",
      ageOf(rollout.metadata.creationTimestamp, nowMs),
      "",
    ],
  ];
  for (const [i, row] of rows.entries()) {
    const isLast = i === rows.length - 1;
    const { marks } = style;
    lines.push(revisionLine(row, `${isLast ? marks.lastBranch : marks.branch}`, nowMs, style));
    const own = pods.filter((pod) => pod.metadata.labels?.[LABEL_REVISION] === row.hash).sort(byName);
    for (const [j, pod] of own.entries()) {
      const branch = `${isLast ? " ".repeat(widthOf(marks.trunk)) : marks.trunk}${j === own.length - 1 ? marks.lastBranch : marks.branch}`;
      lines.push(podLine(pod, branch, nowMs, style));
    }
  }
  return tableOf(["NAME", "ROLE", "STATUS", "READY", "TRAFFIC", "AGE", "IMAGES"], lines, style);
}

function byName(a: Pod, b: Pod): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

/** Those with pods or a part in the release: the newest first. */
function revisionRows({ rollout, replicaSets, revisions }: RolloutTree): RevisionRow[] {
  const { status } = rollout;
  const hashes = new Set([
    ...[status?.canary?.revision, status?.stable?.revision].filter((hash) => hash !== undefined),
    ...replicaSets.filter((set) => (set.spec.replicas ?? 0) + (set.status?.replicas ?? 0) > 0).flatMap(hashOf),
  ]);
  const rows = [...hashes].map((hash): RevisionRow => {
    const set = replicaSets.find((one) => hashOf(one)[0] === hash);
    const record = revisions.find((one) => one.metadata.labels?.[LABEL_REVISION] === hash);
    return {
      hash,
      number: record?.revision ?? Number.POSITIVE_INFINITY,
      role: roleOf(hash, status),
      set,
      share: shareOf(hash, status),
      images: imagesOf(hash, status, set, record),
    };
  });
  return rows.sort((a, b) => b.number - a.number);
}

function hashOf({ metadata }: ReplicaSet): string[] {
  const hash = metadata.labels?.[LABEL_REVISION];
  return hash === undefined ? [] : [hash];
}

function roleOf(hash: string, status: RolloutStatus | undefined): string {
  if (hash === status?.stable?.revision) return "stable";
  if (hash === status?.rejected?.revision) return "rejected";
  if (hash === status?.canary?.revision) return "canary";
  return hash === status?.progress?.previous ? "previous" : "";
}

/** The share of the traffic that a revision has. In a hand-over all ways lead to the canary, whatever the weights say. */
function shareOf(hash: string, status: RolloutStatus | undefined): string {
  const handing = status?.progress?.stage === "HandingOver";
  const canary = handing ? 100 : (status?.weights?.effective ?? 0);
  if (hash === status?.stable?.revision) return `${Number((100 - canary).toFixed(2))} %`;
  return hash === status?.canary?.revision ? `${canary} %` : "0 %";
}

function imagesOf(
  hash: string,
  status: RolloutStatus | undefined,
  set: ReplicaSet | undefined,
  record: ControllerRevision | undefined,
): readonly string[] {
  const side = [status?.canary, status?.stable].find((one) => one?.revision === hash);
  if (side !== undefined && side.images.length > 0) return side.images;
  const template = set?.spec.template ?? (record?.data as { template?: ReplicaSet["spec"]["template"] })?.template;
  const containers = (template?.spec.containers ?? []) as readonly { image?: string }[];
  return containers.flatMap(({ image }) => (image === undefined ? [] : [image]));
}

function revisionLine(row: RevisionRow, branch: string, nowMs: number, style: Style): string[] {
  const { set } = row;
  const number = Number.isFinite(row.number) ? `#${row.number} ` : "";
  const paint = row.role === "stable" ? style.green : row.role === "rejected" ? style.red : style.blue;
  const wanted = set?.spec.replicas ?? 0;
  const ready = set?.status?.availableReplicas ?? 0;
  return [
    `${branch}${number}${row.hash}`,
    paint(row.role),
    set === undefined ? "no pods" : ready >= wanted ? "Ready" : "Scaling",
    `${ready}/${wanted}`,
    row.share,
    ageOf(set?.metadata.creationTimestamp, nowMs),
    row.images.join(" "),
  ];
}

function podLine({ metadata, status }: Pod, branch: string, nowMs: number, style: Style): string[] {
  const containers = status?.containerStatuses ?? [];
  const ready = containers.filter((container) => container.ready).length;
  const restarts = containers.reduce((sum, { restartCount }) => sum + restartCount, 0);
  const said = podStatus({ metadata, status } as Pod);
  const healthy = said === "Running" && ready === containers.length;
  return [
    `${branch}${style.dim(metadata.name)}`,
    "",
    healthy ? said : said === "Terminating" ? style.dim(said) : style.yellow(said),
    `${ready}/${containers.length}`,
    "",
    ageOf(metadata.creationTimestamp, nowMs),
    restarts === 0 ? "" : `${restarts} restart${restarts === 1 ? "" : "s"}`,
  ];
}

function podStatus({ metadata, status }: Pod): string {
  if (metadata.deletionTimestamp !== undefined) return "Terminating";
  const isWaiting = ({ state }: ContainerStatus) => state?.waiting?.reason !== undefined;
  const init = status?.initContainerStatuses?.find(isWaiting)?.state?.waiting?.reason;
  if (init !== undefined) return `Init:${init}`; // As kubectl has it.
  const waiting = status?.containerStatuses?.find(isWaiting);
  return waiting?.state?.waiting?.reason ?? status?.reason ?? status?.phase ?? "Pending";
}

function analysisOf(status: RolloutStatus | undefined, style: Style): string[] {
  const metrics = status?.analysis?.metrics ?? [];
  const { marks } = style;
  const shown = (verdict: string): string => {
    if (verdict === "Fail") return style.red(`${marks.bad} ${verdict}`);
    return verdict === "Pass" || verdict === "Continue"
      ? style.green(`${marks.good} ${verdict}`)
      : style.yellow(`${marks.waiting} ${verdict}`);
  };
  const rows = metrics.map(({ name, verdict, message }) => [name, shown(verdict), message]);
  return rows.length === 0 ? [] : tableOf(["ANALYSIS", "VERDICT", "WHAT WAS SEEN"], rows, style);
}
