import { Command, Option } from "commander";
import type { Pod } from "../../api/kubernetes.ts";
import { type Assumptions, type Forecast, forecast } from "../../core/forecast/forecast.ts";
import { imagesOf } from "../../core/rollout/objects.ts";
import type { Snapshot } from "../../core/rollout/snapshot.ts";
import { observe } from "../../core/rollout/world.ts";
import { routers } from "../../traffic/routers.ts";
import { type Change, changed } from "../change.ts";
import { readSnapshot, type Seen } from "../cluster/snapshot.ts";
import { EXIT } from "../errors.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import { type Planned, renderPlan } from "../render/plan.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { changeOptions, durationOption, outputOption } from "./options.ts";

const PODS_READY_MS = 10_000;
const TAKE_IN_MS = 1_000;

export interface PlanOptions {
  readonly image?: readonly string[];
  readonly strategy?: string;
  readonly over?: string;
  readonly steps?: string;
  readonly podsReady?: number;
  readonly verbose?: boolean;
  readonly output?: string;
}

export function planCommand(bind: Bind): Command {
  const command = new Command("plan")
    .argument("<rollout>", "its name")
    .description(
      "Tells what the operator would do now, and the whole walk from there with times, by the operator's own code; at rest, the walk of a next release. Nothing is written.",
    );
  for (const option of changeOptions("try it with")) command.addOption(option);
  return command
    .addOption(
      durationOption("--pods-ready <duration>", "how long a pod takes to be ready (default: as the present ones took)"),
    )
    .addOption(new Option("-v, --verbose", "every pass, not only those in which something happens"))
    .addOption(outputOption())
    .action(bind(async (session, [name], options) => await plan(session, nameOf(name, ROLLOUT_KINDS), options)));
}

async function plan(session: Session, name: string, options: PlanOptions): Promise<number> {
  const format = formatOf(options.output, FORMATS);
  const planned = planOf(await readSeen(session, name), options);
  if (format === undefined) session.print(...renderPlan(planned, session.style));
  else session.print(renderData(dataOf(planned), format));
  return EXIT.ok;
}

/** With a word about what could not be read. */
export async function readSeen(session: Session, name: string): Promise<Seen> {
  const seen = await readSnapshot(session.cluster, name);
  if (seen.unread.length > 0)
    session.warn(`you may not read ${seen.unread.join(", ")}; the plan is made as if there were none`);
  return seen;
}

/** Pure, but for the world that was read. */
export function planOf(seen: Seen, options: PlanOptions): Planned {
  const change: Change = { ...options, images: options.image ?? [] };
  const tried = changed(seen.snapshot, change);
  // At rest the walk of a next release is what a person wants to see.
  const isNext = isAtRest(tried);
  const snapshot = isNext ? changed(seen.snapshot, change, true) : tried;
  const { podsReadyMs, measured } = readyAfter(seen.pods, options.podsReady);
  const assumed: Assumptions = { podsReadyMs, takeInMs: TAKE_IN_MS, troubled: Object.keys(snapshot.podTrouble) };
  return {
    rollout: snapshot.rollout,
    forecast: forecast(snapshot, routers, assumed),
    assumed,
    measured,
    about: aboutOf(snapshot, isNext),
    verbose: options.verbose === true,
  };
}

function isAtRest(snapshot: Snapshot): boolean {
  const { wanted, stable, status } = observe(snapshot, routers);
  const resting = status.progress?.stage === "Resting" && status.phase === "Healthy";
  return resting && wanted?.hash === stable?.hash;
}

function aboutOf(snapshot: Snapshot, isNext: boolean): string {
  const { wanted, stable } = observe(snapshot, routers);
  if (isNext) return "nothing is on its way; a next release would go like this";
  const images = wanted === undefined ? "" : ` (${imagesOf(wanted.template).join(" ")})`;
  if (stable === undefined) return `the first revision ${wanted?.hash ?? ""}${images}`;
  if (wanted?.hash === stable.hash) return `stable ${stable.hash}${images} is wanted`;
  return `revision ${wanted?.hash}${images} against stable ${stable.hash}`;
}

/** How long pods take to be ready: what is said, else the median of those that are. */
export function readyAfter(pods: readonly Pod[], said: number | undefined): { podsReadyMs: number; measured: boolean } {
  if (said !== undefined) return { podsReadyMs: said, measured: false };
  const took = pods
    .flatMap(({ metadata, status }) => {
      const ready = status?.conditions?.find(({ type, status: is }) => type === "Ready" && is === "True");
      const ms = Date.parse(ready?.lastTransitionTime ?? "") - Date.parse(metadata.creationTimestamp ?? "");
      return ms >= 0 ? [ms] : [];
    })
    .sort((a, b) => a - b);
  const median = took[Math.floor(took.length / 2)];
  if (median === undefined) return { podsReadyMs: PODS_READY_MS, measured: false };
  return { podsReadyMs: median, measured: true };
}

function dataOf({ rollout, forecast: { moments, end, lastsMs }, assumed }: Planned): {
  rollout: string;
  end: Forecast["end"];
} & Record<string, unknown> {
  return { rollout: rollout.metadata.name, end, lastsMs, assumed, moments };
}
