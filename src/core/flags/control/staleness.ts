import type { Problem } from "./problems.ts";
import type { FlagWorld } from "./world.ts";

/** Everyone has had it for so long that the code behind the other variants is dead weight. */
const SETTLED_MS = 30 * 86_400_000;

/** Why a flag should be gone from the code; it is served as before. Undefined while it should not.
 * @param promotedSince when everyone was treated; undefined where not everyone is */
export function staleness(
  { flag, nowMs, settings }: FlagWorld,
  promotedSince: string | undefined,
): Problem | undefined {
  const { expires, owner } = flag.spec.lifecycle ?? {};
  const whom = owner === undefined ? "" : `; ask ${owner}`;
  if (expires !== undefined && Date.parse(expires) <= nowMs)
    return { reason: "Expired", message: `it should be gone from the code since ${expires}${whom}` };
  if (isPermanent(flag.spec) || !isRelease(settings) || promotedSince === undefined) return undefined;
  if (nowMs - Date.parse(promotedSince) < SETTLED_MS) return undefined;
  return {
    reason: "Settled",
    message: `everyone gets the same since ${promotedSince}: take it out of the code${whom}`,
  };
}

/** When staleness may change by time alone, milliseconds from now. */
export function staleInMs({ flag, nowMs, settings }: FlagWorld, promotedSince: string | undefined): number | undefined {
  const { expires } = flag.spec.lifecycle ?? {};
  const settles = !isPermanent(flag.spec) && isRelease(settings) && promotedSince !== undefined;
  const times = [
    ...(expires === undefined ? [] : [Date.parse(expires)]),
    ...(settles ? [Date.parse(promotedSince) + SETTLED_MS] : []),
  ];
  const ahead = times.map((atMs) => atMs - nowMs).filter((ms) => ms > 0);
  return ahead.length === 0 ? undefined : Math.min(...ahead);
}

function isPermanent({ lifecycle, class: kind }: FlagWorld["flag"]["spec"]): boolean {
  return lifecycle?.permanent ?? (kind === "ops" || kind === "killSwitch");
}

/** Who treats everyone alike: a release that has arrived. A percentage, an experiment or rules may be meant to stay. */
function isRelease({ class: kind, strategy, rules, targets }: FlagWorld["settings"]): boolean {
  const alike = strategy.kind === "driven" || strategy.kind === "allAtOnce" || strategy.kind === "progressive";
  return kind === "release" && alike && rules.length === 0 && targets.length === 0;
}
