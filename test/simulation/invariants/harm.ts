import { LABEL_REVISION } from "../../../src/core/rollout/names.ts";
import { settingsOf } from "../../../src/core/rollout/settings.ts";
import type { Ledger } from "./ledger.ts";

/** I6: a version that plainly fails its requests loses its traffic in time, whenever nothing keeps the operator from it. */
export function harmLasts(ledger: Ledger): void {
  const { sim } = ledger;
  let harmedMs = 0;
  const look = () => {
    harmedMs = isHarmed(ledger) ? harmedMs + EVERY_MS : 0;
    // What stable showed in an incident excuses a canary for five minutes more.
    const excused = ledger.happened.has("bothBad") ? EXCUSED_MS : 0;
    if (harmedMs > LIMIT_MS + excused) {
      ledger.violate("I6", `a canary that fails its requests has had traffic for ${harmedMs / 1_000} s`);
      harmedMs = 0;
    }
    sim.agenda.after(EVERY_MS, look);
  };
  sim.agenda.after(EVERY_MS, look);
}

const EVERY_MS = 5_000;
/** Three windows of 15 s prove it, one more may have begun, and what remains is for routes and queues. */
const LIMIT_MS = 120_000;
const EXCUSED_MS = 300_000;
/** Requests a second that must have failed for it to be plain. */
const PLAIN_PER_SECOND = 1;

/** Whether a canary under judgement gets traffic that plainly fails, while all that is needed to see it works. */
function isHarmed({ sim, shares, excused }: Ledger): boolean {
  const { rollout, operator, prometheus, scenario } = sim;
  const { progress } = rollout?.status ?? {};
  const canary = progress?.canary;
  if (rollout === undefined || canary === undefined || rollout.metadata.deletionTimestamp !== undefined) return false;
  if (progress?.stage !== "Stepping" && progress?.stage !== "HandingOver") return false;
  const { analysis } = settingsOf(rollout);
  if (analysis === undefined || excused.has(canary)) return false;
  if (!operator.alive || operator.caches?.current !== true || prometheus.fault !== undefined || prometheus.incident)
    return false;
  const errorRate = sim.health[sim.images.get(canary) ?? ""]?.errorRate ?? 0;
  const stable = rollout.status?.stable?.revision;
  if ((sim.health[sim.images.get(stable ?? "") ?? ""]?.errorRate ?? 0) > 0.01) return false;
  const stableReady = [...sim.pods.all.values()].some((pod) => pod.ready && pod.labels[LABEL_REVISION] === stable);
  return stableReady && (shares.get(canary) ?? 0) * errorRate * scenario.perSecond > PLAIN_PER_SECOND;
}
