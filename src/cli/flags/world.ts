import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import type { KillSwitch } from "../../api/kill-switch.ts";
import { olderFirst } from "../../core/flags/age.ts";
import { type Compiled, compileFlag } from "../../core/flags/compile.ts";
import { type Answer, ServedFlag } from "../../serving/served-flag.ts";
import { type Cluster, KINDS } from "../cluster/cluster.ts";

/** A flag, and all that decides beside it what it serves. */
export interface FlagWorld {
  readonly flag: FeatureFlag;
  readonly segments: ReadonlyMap<string, FlagSegment>;
  /** Flags of its set, by key. */
  readonly others: ReadonlyMap<string, FeatureFlag>;
  readonly kills: readonly KillSwitch[];
  /** Milliseconds since 1970, by the API server's clock. */
  readonly nowMs: number;
}

/** What a program tells of a user. */
export type UserContext = Readonly<Record<string, unknown>>;

/** @throws CliError where there is no such flag */
export async function readFlagWorld(cluster: Cluster, name: string): Promise<FlagWorld> {
  const { namespace } = cluster;
  const [flag, segments, flags, kills] = await Promise.all([
    cluster.read<FeatureFlag>(KINDS.flags, name),
    cluster.resources.list<FlagSegment>(KINDS.segments, namespace),
    cluster.resources.list<FeatureFlag>(KINDS.flags, namespace),
    cluster.resources.list<KillSwitch>(KINDS.kills, namespace),
  ]);
  return worldOf(flag, segments, flags, kills, cluster.client.serverNow());
}

export function worldOf(
  flag: FeatureFlag,
  segments: readonly FlagSegment[],
  flags: readonly FeatureFlag[],
  kills: readonly KillSwitch[],
  nowMs: number,
): FlagWorld {
  const set = flagSetOf(flag);
  // Of two that claim one key the older is served: the last that is put into a map stands.
  const others = flags.filter((other) => flagSetOf(other) === set).sort((a, b) => olderFirst(b, a));
  return {
    flag,
    segments: new Map(segments.map((segment) => [segment.metadata.name, segment])),
    others: new Map(others.map((other) => [keyOf(other), other])),
    kills,
    nowMs,
  };
}

export function keyOf({ spec, metadata }: FeatureFlag): string {
  return spec.key ?? metadata.name;
}

function flagSetOf({ spec, metadata }: FeatureFlag): string {
  return spec.flagSet ?? metadata.namespace ?? "";
}

export type Evaluated =
  | { readonly kind: "answered"; readonly answer: Answer; readonly compiled: Extract<Compiled, { kind: "compiled" }> }
  | { readonly kind: "invalid"; readonly message: string };

/** What the flag server answers for this context: the same compiler, the same evaluation. */
export function evaluate({ flag, segments, others, kills, nowMs }: FlagWorld, context: UserContext): Evaluated {
  const compiled = compileFlag({ flag, segments, others, kills, nowMs });
  if (compiled.kind === "invalid") return { kind: "invalid", message: compiled.message };
  return { kind: "answered", answer: new ServedFlag(compiled).evaluate(context as never), compiled };
}
