import type { KillSwitch } from "../../api/kill-switch.ts";
import type { KubeObject } from "../../api/kubernetes.ts";
import { planKillSwitch } from "../../core/flags/kill-switch.ts";
import { sameJson } from "../../core/json.ts";
import type { ChangeType } from "../../kube/store.ts";
import { Mirror } from "../mirror.ts";
import type { FlagShell } from "./controller.ts";

/** Tells in the status of each KillSwitch what it stops. Flag servers and the other controllers look at the switches
 * themselves: what is stopped waits for none of this. */
export function mirrorKillSwitches(shell: FlagShell): Mirror<KillSwitch> {
  const { flags, rollouts, kills } = shell.sources;
  const mirror = new Mirror<KillSwitch>({
    ...shell,
    name: "kill",
    kind: "KillSwitch",
    store: kills,
    plan: (kill, nowMs) => {
      const { namespace = "" } = kill.metadata;
      return planKillSwitch({
        nowMs,
        kill,
        flags: flags.byIndex("namespace", namespace),
        rollouts: rollouts.list(namespace),
      });
    },
  });
  const labelled = (type: ChangeType, { metadata }: KubeObject, old: KubeObject | undefined) => {
    if (type === "modified" && sameJson(metadata.labels, old?.metadata.labels)) return;
    mirror.look(kills.byIndex("namespace", metadata.namespace ?? ""));
  };
  flags.subscribe(labelled);
  rollouts.subscribe(labelled);
  return mirror;
}
