import { Counter, Gauge } from "prom-client";
import type { Rollout } from "../../api/rollout.ts";
import { registry } from "../../telemetry/metrics.ts";
import type { Key } from "../key.ts";

/**
 * What Prometheus learns of Rollouts. The gauges are read from the cache when they are scraped: they cost a pass nothing, and go with
 * their object. At rest a Rollout has one series, as a scrape holds the event loop; on its way it has seven, and five for each metric that it
 * is judged by.
 * Only the leader tells, so that a sum over pods counts each Rollout once.
 */

const registers = [registry];
const OWN = ["namespace", "rollout"] as const;

let shown: () => readonly Rollout[] = () => [];

/** From now on the gauges tell these. */
export function exposeRollouts(list: () => readonly Rollout[]): void {
  shown = list;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number | undefined];

function gauge(name: string, help: string, labels: readonly string[], samplesOf: (rollout: Rollout) => Sample[]): void {
  new Gauge({
    name,
    help,
    labelNames: [...OWN, ...labels],
    registers,
    collect() {
      this.reset();
      for (const rollout of shown()) {
        const { namespace = "", name } = rollout.metadata;
        for (const [labels, value] of samplesOf(rollout))
          if (value !== undefined) this.set({ namespace, rollout: name, ...labels }, value);
      }
    },
  });
}

gauge("zenith_rollout_status", "1, with the phase and the reason for it.", ["phase", "reason"], ({ status }) => {
  const reason = status?.conditions?.find(({ type }) => type === "Ready")?.reason ?? "";
  return [[{ phase: status?.phase ?? "Pending", reason }, 1]];
});
gauge("zenith_rollout_replicas", "Pods of both sides: wanted, and ready.", ["state"], (rollout) =>
  onItsWay(rollout, ({ replicasWanted, readyReplicas }) => [
    [{ state: "wanted" }, replicasWanted],
    [{ state: "ready" }, readyReplicas],
  ]),
);
gauge(
  "zenith_rollout_weight_percent",
  "Traffic of the canary: desired, written into routes, and effective.",
  ["state"],
  (rollout) =>
    onItsWay(rollout, ({ weights }) => [
      [{ state: "desired" }, weights?.desired],
      [{ state: "written" }, weights?.written],
      [{ state: "effective" }, weights?.effective],
    ]),
);
gauge("zenith_rollout_step", "The step it is at, from 0.", [], (rollout) =>
  onItsWay(rollout, ({ step }) => [[{}, step?.index]]),
);
gauge(
  "zenith_rollout_metric_value",
  "What was measured last, as status.analysis tells it: a share of requests from 0 to 1, milliseconds, or what a query gives.",
  ["metric", "side"],
  (rollout) =>
    judged(rollout, ({ name, value, stableValue }) => [
      [{ metric: name, side: "canary" }, value],
      [{ metric: name, side: "stable" }, stableValue],
    ]),
);
gauge("zenith_rollout_metric_limit", "The limit that it is judged by, in the same unit.", ["metric"], (rollout) =>
  judged(rollout, ({ name, limit }) => [[{ metric: name }, limit]]),
);
gauge("zenith_rollout_metric_verdict", "1, with the verdict.", ["metric", "verdict"], (rollout) =>
  judged(rollout, ({ name, verdict }) => [[{ metric: name, verdict }, 1]]),
);
gauge(
  "zenith_rollout_metric_evidence",
  "How many to one the evidence against the canary stands; 100 reverts.",
  ["metric"],
  (rollout) => judged(rollout, ({ name, evidence }) => [[{ metric: name }, evidence]]),
);

type Status = NonNullable<Rollout["status"]>;
type Judged = NonNullable<NonNullable<Status["analysis"]>["metrics"]>[number];

/** A Rollout at rest has neither weight nor verdict to tell. */
function onItsWay({ status }: Rollout, samplesOf: (status: Status) => Sample[]): Sample[] {
  const atRest = status?.phase === undefined || ["Healthy", "Reverted", "Failed"].includes(status.phase);
  return atRest ? [] : samplesOf(status);
}

function judged(rollout: Rollout, samplesOf: (metric: Judged) => Sample[]): Sample[] {
  return onItsWay(rollout, ({ analysis }) => (analysis?.metrics ?? []).flatMap(samplesOf));
}

/** What is counted: by the reasons of the Events that tell of it. */
const COUNTED: readonly string[] = ["Started", "Promoted", "Reverted"];

const releases = new Counter({
  name: "zenith_rollout_releases_total",
  help: "Releases that were started, promoted and reverted.",
  labelNames: [...OWN, "event"],
  registers,
});

/** Counts what a pass has done, where it is a turn of a release. */
export function countTurn(rollout: Rollout, reason: string): void {
  if (!COUNTED.includes(reason)) return;
  const { namespace = "", name } = rollout.metadata;
  releases.inc({ namespace, rollout: name, event: reason });
}

/** The counts go with their Rollout. */
export function forgetTurns(key: Key): void {
  const [namespace = "", rollout = ""] = key.split("/");
  for (const event of COUNTED) releases.remove({ namespace, rollout, event });
}
