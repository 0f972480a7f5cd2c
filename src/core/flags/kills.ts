import type { KillSwitch } from "../../api/kill-switch.ts";
import type { KubeObject } from "../../api/kubernetes.ts";
import { selects } from "../selector.ts";

/** The KillSwitches that have effect on an object now, in the order of their names: of its namespace, selecting it, neither
 * expired nor being deleted. An `until` that cannot be read never expires. */
export function activeKills(object: KubeObject, kills: readonly KillSwitch[], nowMs: number): KillSwitch[] {
  const { namespace, labels } = object.metadata;
  return kills
    .filter(({ metadata, spec }) => {
      if (metadata.namespace !== namespace || metadata.deletionTimestamp !== undefined) return false;
      return !(expiryMs(spec.until) <= nowMs) && selects(spec.selector, labels);
    })
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** When a KillSwitch stops by itself; infinity without `until`. */
export function expiryMs(until: string | undefined): number {
  const ms = until === undefined ? Number.NaN : Date.parse(until);
  return Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms;
}
