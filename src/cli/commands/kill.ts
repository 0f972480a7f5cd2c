import { Command } from "commander";
import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { KillSwitch, LabelSelector } from "../../api/kill-switch.ts";
import { refOf } from "../../api/kubernetes.ts";
import type { Rollout } from "../../api/rollout.ts";
import { expiryMs } from "../../core/flags/kills.ts";
import { selects } from "../../core/selector.ts";
import { type Cluster, KINDS } from "../cluster/cluster.ts";
import { CliError, EXIT } from "../errors.ts";
import type { Bind } from "../program.ts";
import { renderData } from "../render/data.ts";
import { tableOf } from "../render/table.ts";
import { ageOf, duration } from "../render/words.ts";
import { KILL_KINDS, nameOf, type Session } from "../session.ts";
import { durationOption } from "./options.ts";

interface Options {
  readonly selector?: string;
  readonly all?: boolean;
  readonly flags?: boolean;
  readonly rollouts?: string;
  readonly reason?: string;
  readonly for?: number;
  readonly dryRun?: boolean;
  readonly release?: boolean;
}

export function killCommand(bind: Bind): Command {
  return new Command("kill")
    .argument("[name]", "what the KillSwitch is called; left out, those that there are")
    .description(
      "The emergency stop: makes a KillSwitch, which makes flags safe and holds or takes back releases, at once, until it is released.",
    )
    .option("-l, --selector <labels>", "what is meant, by its labels: app=web,team=shop")
    .option("--all", "all of the namespace")
    .option("--flags", "flags serve their safeVariant to everyone (this is what is done where nothing is said)")
    .option("--rollouts <how>", "hold: no weight rises; abort: what is on its way is taken back")
    .option("--reason <text>", "why; it is shown wherever the switch has effect")
    .addOption(durationOption("--for <duration>", "for how long (default: until it is released)"))
    .option("--dry-run", "show the manifest, and what it would stop; nothing is written")
    .option("--release", "delete the KillSwitch of that name: all goes on from where it was")
    .action(bind(async (session, [name], options) => await kill(session, name, options)));
}

async function kill(session: Session, argument: string | undefined, options: Options): Promise<number> {
  refuseNameless(argument, options);
  if (argument === undefined) return await list(session);
  const name = nameOf(argument, KILL_KINDS);
  if (options.release === true) return await release(session, name, options);
  refuseUnclear(name, options);
  const { cluster } = session;
  const manifest = switchOf(name, cluster.namespace, options, cluster.client.serverNow());
  const stopped = await stoppedBy(cluster, manifest);
  if (options.dryRun === true) session.print(renderData(manifest, "yaml"), "---");
  else await cluster.resources.create(manifest, { strict: true });
  session.print(`killswitch.zenith.sh/${name}: ${options.dryRun === true ? "would stop" : "stops"} ${stopped}`);
  if (options.dryRun !== true) session.note(`Release it with kubectl zenith kill ${name} --release`);
  return EXIT.ok;
}

/** Options say that something is to be done; a list of what there is must not stand for it.
 * @throws CliError where they come without a name */
function refuseNameless(argument: string | undefined, { selector, all, flags, ...more }: Options): void {
  const { rollouts, reason, for: forMs, dryRun, release } = more;
  const said = [selector, all, flags, rollouts, reason, forMs, dryRun, release].some((option) => option !== undefined);
  if (argument === undefined && said)
    throw new CliError(
      "Name the KillSwitch; nothing was stopped or released",
      'kubectl zenith kill NAME --all --reason "…", or kubectl zenith kill NAME --release',
    );
}

/** @throws CliError where it is not clear what is meant */
function refuseUnclear(name: string, { selector, all, rollouts, reason = "" }: Options): void {
  if ((selector === undefined) === (all !== true))
    throw new CliError(
      "Say what is meant: --selector or --all, one of both",
      `kubectl zenith kill ${name} -l app=web --reason "…"`,
    );
  if (reason.trim() === "") throw new CliError("Say why, with --reason", "it is shown wherever the switch has effect");
  if (rollouts !== undefined && rollouts !== "hold" && rollouts !== "abort")
    throw new CliError(`--rollouts must be hold or abort (got "${rollouts}")`);
}

function switchOf(name: string, namespace: string, options: Options, nowMs: number): KillSwitch {
  const { selector, flags, rollouts, reason = "" } = options;
  const until = options.for === undefined ? undefined : new Date(nowMs + options.for);
  return {
    apiVersion: "zenith.sh/v1alpha1",
    kind: "KillSwitch",
    metadata: { name, namespace },
    spec: {
      selector: selector === undefined ? {} : selectorOf(selector),
      ...(flags === true || rollouts === undefined ? { flags: "safe" as const } : {}),
      ...(rollouts === undefined ? {} : { rollouts: rollouts as "hold" | "abort" }),
      reason,
      ...(until === undefined ? {} : { until: `${until.toISOString().slice(0, 19)}Z` }),
    },
  };
}

/** `app=web,tier!=batch,team in (a,b),beta,!old`, as kubectl reads labels.
 * @throws CliError on what it cannot read */
export function selectorOf(text: string): LabelSelector {
  const matchLabels = new Map<string, string>();
  const matchExpressions: NonNullable<LabelSelector["matchExpressions"]> = [];
  for (const part of text.split(/,(?![^(]*\))/).map((one) => one.trim())) {
    const equal = /^([\w./-]+)\s*==?\s*([\w.-]*)$/.exec(part);
    const differs = /^([\w./-]+)\s*!=\s*([\w.-]*)$/.exec(part);
    const among = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
    const exists = /^(!?)([\w./-]+)$/.exec(part);
    const [, label = "", value = ""] = equal ?? [];
    // A label that is asked for twice must have both values: what comes second must not stand for the first.
    if (equal !== null && matchLabels.has(label))
      matchExpressions.push({ key: label, operator: "In", values: [value] });
    else if (equal !== null) matchLabels.set(label, value);
    else if (differs !== null)
      matchExpressions.push({ key: differs[1] ?? "", operator: "NotIn", values: [differs[2] ?? ""] });
    else if (among !== null)
      matchExpressions.push({
        key: among[1] ?? "",
        operator: among[2] === "in" ? "In" : "NotIn",
        values: (among[3] ?? "").split(",").map((value) => value.trim()),
      });
    else if (exists !== null)
      matchExpressions.push({ key: exists[2] ?? "", operator: exists[1] === "!" ? "DoesNotExist" : "Exists" });
    else throw new CliError(`"${part}" is no label selector`, "write app=web, app!=web, app in (web,api), app or !app");
  }
  return {
    ...(matchLabels.size === 0 ? {} : { matchLabels: Object.fromEntries(matchLabels) }),
    ...(matchExpressions.length === 0 ? {} : { matchExpressions }),
  };
}

/** What it matches now, in words. */
async function stoppedBy(cluster: Cluster, { spec }: KillSwitch): Promise<string> {
  const names = async (kind: typeof KINDS.flags): Promise<string[] | undefined> => {
    const objects = await cluster.listIfAllowed<FeatureFlag | Rollout>(kind, cluster.namespace);
    return objects
      ?.filter(({ metadata }) => selects(spec.selector, metadata.labels))
      .map(({ metadata }) => metadata.name);
  };
  const flags = spec.flags === undefined ? [] : await names(KINDS.flags);
  const rollouts = spec.rollouts === undefined ? [] : await names(KINDS.rollouts);
  const said = [
    ...(spec.flags === undefined ? [] : [`${counted(flags, "flag")} made safe`]),
    ...(spec.rollouts === undefined
      ? []
      : [`${counted(rollouts, "Rollout")} ${spec.rollouts === "hold" ? "held" : "aborted"}`]),
  ];
  return said.join("; ");
}

/** @param names undefined where this person may not see them; they are stopped all the same */
function counted(names: readonly string[] | undefined, what: string): string {
  if (names === undefined) return `all ${what}s that it selects, which you may not list,`;
  const list = names.length === 0 ? "" : ` (${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""})`;
  return `${many(names.length, what)}${list}`;
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

async function release(session: Session, name: string, { dryRun, ...options }: Options): Promise<number> {
  const [other] = (["selector", "all", "flags", "rollouts", "reason", "for"] as const).filter((key) => key in options);
  if (other !== undefined) throw new CliError(`--release and --${other} exclude each other`, "leave one of both out");
  const { cluster } = session;
  const found = await cluster.read<KillSwitch>(KINDS.kills, name);
  const { uid } = found.metadata;
  if (dryRun === true) {
    session.print(`killswitch.zenith.sh/${name}: would be released; nothing was changed`);
    return EXIT.ok;
  }
  await cluster.resources.delete(refOf(found), uid === undefined ? {} : { uid });
  session.print(`killswitch.zenith.sh/${name}: released; all goes on from where it was`);
  return EXIT.ok;
}

async function list(session: Session): Promise<number> {
  const { cluster, style } = session;
  const kills = await cluster.resources.list<KillSwitch>(KINDS.kills, cluster.namespace);
  const nowMs = cluster.client.serverNow();
  if (kills.length === 0) {
    session.note(`There are no KillSwitches in namespace ${cluster.namespace}.`);
    return EXIT.ok;
  }
  const rows = kills.map(({ metadata, spec, status }) => {
    const leftMs = expiryMs(spec.until) - nowMs;
    return [
      metadata.name,
      leftMs > 0 ? style.red("Active") : style.dim("Expired"),
      spec.flags ?? "-",
      spec.rollouts ?? "-",
      status === undefined ? "?" : `${many(status.flags ?? 0, "flag")}, ${many(status.rollouts ?? 0, "Rollout")}`,
      leftMs === Number.POSITIVE_INFINITY ? "-" : leftMs > 0 ? duration(leftMs) : "over",
      ageOf(metadata.creationTimestamp, nowMs),
      spec.reason,
    ];
  });
  session.print(...tableOf(["NAME", "STATUS", "FLAGS", "ROLLOUTS", "STOPS", "LEFT", "AGE", "REASON"], rows, style));
  return EXIT.ok;
}
