import type { KubeObject, ReplicaSet, Route, Service } from "../../../src/api/kubernetes.ts";
import { ANNOTATION_REQUEST } from "../../../src/api/request.ts";
import type { Rollout } from "../../../src/api/rollout.ts";
import { resolveSurge } from "../../../src/core/replicas.ts";
import { LABEL_REVISION } from "../../../src/core/rollout/names.ts";
import { isBlameless } from "../../../src/core/rollout/return.ts";
import { settingsOf } from "../../../src/core/rollout/settings.ts";
import type { Snapshot } from "../../../src/core/rollout/snapshot.ts";
import { isRoute } from "../cluster/network.ts";
import { weightOf } from "../cluster/traffic.ts";
import { type Ledger, nameOf, type Written } from "./ledger.ts";
import { canaryBpOf, entry, isPaired, pinOf } from "./routes.ts";

/** Says what is wrong with a write that was accepted; undefined: nothing. */
export type Invariant = (written: Written, ledger: Ledger) => string | undefined;

/** Checked after every write of the operator, by the number in docs and messages. */
export const ON_WRITE: Readonly<Record<string, Invariant>> = {
  I1: weightIsThatOfTheStep,
  I2: foreignPartsStay,
  I3: (written, ledger) => weightOnlyOntoEndpoints(written, ledger) ?? oneStepAtATime(written, ledger),
  I4: capacityForItsShare,
  I5: podsGoOnlyOnceDrained,
  I7: abortBeatsEverything,
  I8: judgedBeforeRaised,
  I9: requestsAreNotUndone,
  I11: everyWriteHasAPrecondition,
  I13: whatIsMadeHasAnOwner,
  I15: statusNeverLeads,
  I16: stepsLastAsLongAsTheySay,
  I17: nothingIsRaisedUnseen,
  I18: nothingRestsOnWhatWas,
};

interface Raise {
  readonly canary: string;
  readonly fromBp: number;
  readonly toBp: number;
}

/** A write that gives a canary more traffic; undefined: it does not. */
function raiseOf({ pass, commit }: Written, { sim, walk }: Ledger): Raise | undefined {
  const { object, old } = commit;
  if (isRoute(object)) {
    const [fromBp, toBp] = [canaryBpOf(old), canaryBpOf(object)];
    const canary = pinOf(sim.api.find("Service", "web-canary"));
    return toBp > fromBp && canary !== undefined ? { canary, fromBp, toBp } : undefined;
  }
  const { target } = pass.plan;
  if (object.kind !== "Service" || object.metadata.name !== "web" || target.stage !== "HandingOver") return undefined;
  if (walk.progress?.handedOver === true) return undefined;
  const [before, after] = [pinOf(old), pinOf(object)];
  return after !== undefined && after !== before && after === target.canary
    ? { canary: after, fromBp: 10_000, toBp: 10_000 }
    : undefined;
}

/** Canary weight is at most that of the present step, and comes to the next only from the one before it. */
function weightIsThatOfTheStep(written: Written, ledger: Ledger): string | undefined {
  const raise = raiseOf(written, ledger);
  if (raise === undefined || !isRoute(written.commit.object)) return undefined;
  const { progress } = ledger.walk;
  if (progress === undefined || progress.canary !== raise.canary)
    return `${raise.canary} is raised to ${raise.toBp / 100} %, and ${progress?.canary ?? "no canary"} is on its way`;
  if (written.pass.plan.target.weightBp < raise.toBp) return `raised to ${raise.toBp / 100} %, above what was decided`;
  if (ledger.walk.stepOf(written.pass, raise.toBp) !== undefined) return undefined;
  return `${raise.canary} is raised from ${raise.fromBp / 100} % to ${raise.toBp / 100} %, which is not the next step`;
}

/** What is not ours in a route stays to the letter, and keeps its ratio. */
function foreignPartsStay({ commit }: Written, { sim }: Ledger): string | undefined {
  const { object } = commit;
  if (!isRoute(object) || commit.type !== "modified") return undefined;
  const author = sim.git.others.find((o) => nameOf(o) === nameOf(object)) as Route;
  for (const [i, rule] of (author.spec.rules ?? []).entries()) {
    const now = (object as Route).spec.rules?.[i];
    const service = entry(rule, "web");
    if (now === undefined) return `rule ${i} is gone`;
    const canary = entry(now, "web-canary");
    if (service === undefined || canary === undefined) {
      if (JSON.stringify(now) !== JSON.stringify(rule)) return `rule ${i} is not as its author wrote it`;
      continue;
    }
    const all = now.backendRefs ?? [];
    if (all.some((ref) => !Number.isInteger(weightOf(ref)) || weightOf(ref) < 0)) return `rule ${i} has odd weights`;
    const pair = weightOf(entry(now, "web") ?? { name: "web", weight: 0 }) + weightOf(canary);
    for (const ref of rule.backendRefs ?? []) {
      const sibling = entry(now, ref.name);
      if (sibling === undefined) return `backend ${ref.name} of rule ${i} is gone`;
      if (ref.name !== "web" && weightOf(sibling) * weightOf(service) !== weightOf(ref) * pair)
        return `backend ${ref.name} of rule ${i} has another share than its author gave it`;
    }
  }
  return undefined;
}

/** Weight is raised only onto a Service that leads to ready pods of the canary and to no others. */
function weightOnlyOntoEndpoints(written: Written, ledger: Ledger): string | undefined {
  const raise = raiseOf(written, ledger);
  if (raise === undefined || !isRoute(written.commit.object)) return undefined;
  const endpoints = written.pass.snapshot.canarySlices.flatMap((slice) => slice.endpoints ?? []);
  const ready = endpoints.filter(({ conditions }) => conditions?.ready === true).map((e) => e.targetRef?.name ?? "");
  if (ready.length === 0) return `${raise.canary} is raised to ${raise.toBp / 100} % without a ready endpoint`;
  const other = ready.find((name) => !name.startsWith(`web-${raise.canary}-`));
  return other === undefined ? undefined : `the canary Service leads to ${other}, which is not of ${raise.canary}`;
}

/** A pair enters at 0, rises once the data plane has the weight before it, and is folded from a 0 that has drained. */
function oneStepAtATime(written: Written, ledger: Ledger): string | undefined {
  const { object, old, type } = written.commit;
  if (!isRoute(object) || old === undefined || type !== "modified") return undefined;
  const { sim } = ledger;
  const { nowMs } = sim.agenda;
  if ((ledger.foreignMs.get(nameOf(object)) ?? 0) > nowMs - FOREIGN_MS) return undefined;
  const [fromBp, toBp] = [canaryBpOf(old), canaryBpOf(object)];
  if (!isPaired(old) && toBp > 0) return `the pair enters at ${toBp / 100} %`;
  const learned = sim.network.routes.get(nameOf(object));
  const effectiveBp = canaryBpOf(learned);
  if (toBp > fromBp && (effectiveBp !== fromBp || learned === undefined || !isPaired(learned)))
    return `raised from ${fromBp / 100} % to ${toBp / 100} %, and the data plane is at ${learned !== undefined && isPaired(learned) ? `${effectiveBp / 100} %` : "no pair"}`;
  if (!isPaired(old) || isPaired(object)) return undefined;
  if (fromBp > 0) return `the pair is folded at ${fromBp / 100} %`;
  // Parents that refuse the 0 as well leave nothing to wait for: what the author wrote may be what they take.
  if (written.pass.plan.target.reason === "RouteNotAccepted") return undefined;
  return effectiveBp > 0 ? `the pair is folded, and the data plane is at ${effectiveBp / 100} %` : undefined;
}

/** What others do to a route may take so long to be put right. */
const FOREIGN_MS = 60_000;

/** What a revision is asked to keep is enough for the share of traffic that it has at this moment. */
function capacityForItsShare(written: Written, ledger: Ledger): string | undefined {
  const { commit, pass } = written;
  const change = sizeChange(commit.object, commit.old, commit.type);
  if (change === undefined || change.to >= change.from) return undefined;
  if (ledger.sim.scenario.division !== "routes") return podsForAllOfIt(written, ledger, change);
  if (pass.plan.target.stage === "RollingBack" || isAskedToGo(pass, ledger) || isResetUnseen(pass, ledger))
    return undefined;
  const replicas = Math.min(wantedSize(ledger), pass.snapshot.rollout.spec.replicas ?? 1_000);
  const { stage, stable } = pass.plan.target;
  if (change.revision === stable && change.to < replicas && (stage === "Stepping" || stage === "HandingOver"))
    return `stable is scaled from ${change.from} to ${change.to} of ${replicas} while a canary is on its way`;
  const share = ledger.shares.get(change.revision) ?? 0;
  const need = Math.ceil(replicas * share - 1e-9);
  if (change.to >= need) return undefined;
  return `${change.revision} has ${(share * 100).toFixed(1)} % of the traffic and is scaled from ${change.from} to ${change.to}; ${need} are needed`;
}

/** Where traffic follows the pods: ready ones go only where enough of all revisions stay, as the pass saw them. Half is
 * enough on the way back from a bad one, or from pods that have not come up in time. */
function podsForAllOfIt({ pass }: Written, ledger: Ledger, change: SizeChange): string | undefined {
  const { snapshot, plan } = pass;
  const { rollout } = snapshot;
  if (isAskedToGo(pass, ledger) || isResetUnseen(pass, ledger)) return undefined;
  const sets = snapshot.replicaSets.map((set) => ({
    revision: set.metadata.labels?.[LABEL_REVISION],
    ready: set.status?.availableReplicas ?? 0,
    size: set.spec.replicas ?? 0,
  }));
  const theirs = snapshot.deployment?.status?.availableReplicas ?? 0;
  const serving = (sizeOf: (set: (typeof sets)[number]) => number) =>
    sets.reduce((sum, set) => sum + Math.min(set.ready, sizeOf(set)), theirs);
  const after = serving((set) => (set.revision === change.revision ? change.to : set.size));
  if (after >= serving(({ size }) => size)) return undefined;
  const replicas = Math.min(wantedSize(ledger), rollout.spec.replicas ?? 1_000);
  const { progressDeadlineMs, maxSurge, maxUnavailable } = settingsOf(rollout);
  const { because } = plan.target;
  const isLate = Date.parse(rollout.status?.progress?.markSince ?? "") <= ledger.sim.agenda.nowMs - progressDeadlineMs;
  const isBad = because !== undefined && (!isBlameless(because) || isLate);
  const spare = Math.max(1, resolveSurge(replicas, maxSurge, maxUnavailable).maxUnavailable);
  const needed = isBad ? Math.min(Math.ceil(replicas / 2), replicas - spare) : replicas - spare;
  if (after >= needed) return undefined;
  return `${change.revision} is scaled from ${change.from} to ${change.to}, and ${after} ready pods of all stay for ${replicas} wanted; ${needed} are needed`;
}

/** The smallest size that a write of now may rest on. */
function wantedSize({ sizes, sim }: Ledger): number {
  const now = sim.agenda.nowMs;
  const recent = sizes.filter((_, i) => (sizes[i + 1]?.atMs ?? now) >= now - SIZE_MEMORY_MS);
  return Math.min(...recent.map(({ size }) => size));
}

/** With `delete` the pods go with the Rollout. A Deployment that was not taken over yet serves beside ours. */
function isAskedToGo({ snapshot: { rollout }, plan }: Written["pass"], { shares, sim }: Ledger): boolean {
  if (plan.target.stage !== "Leaving") return false;
  if (settingsOf(rollout).onDelete === "delete") return true;
  if (sim.scenario.service !== undefined && sim.api.find("Service", "web") === undefined) return true; // Nobody calls any more.
  return rollout.status?.stable === undefined && (shares.get("foreign") ?? 0) > 0;
}

/** Someone has just let other pods into the Service, and the watch that tells of it is late: nobody could know. */
function isResetUnseen({ snapshot }: Written["pass"], { sim }: Ledger): boolean {
  const { service } = snapshot;
  return service !== undefined && pinOf(service) !== pinOf(sim.api.find("Service", "web"));
}

/** Sizes asked for within this time may still be what a write rests on. */
const SIZE_MEMORY_MS = 45_000;
/** The data plane is behind what a route's status says by so much. */
const DATA_PLANE_MS = 3_500;

/** The last pods of a revision go only once nobody has been sent to them for `drain`. */
function podsGoOnlyOnceDrained({ commit, pass }: Written, ledger: Ledger): string | undefined {
  const change = sizeChange(commit.object, commit.old, commit.type);
  const { division } = ledger.sim.scenario;
  if (change === undefined || change.from === 0 || change.to > 0 || division !== "routes") return undefined;
  if (pass.snapshot.rollout.spec.replicas === 0 || isAskedToGo(pass, ledger) || isResetUnseen(pass, ledger))
    return undefined;
  const last = ledger.lastTrafficMs(change.revision);
  const { drainMs } = settingsOf(pass.snapshot.rollout);
  const idleMs = last === undefined ? Number.POSITIVE_INFINITY : ledger.sim.agenda.nowMs - last;
  if (idleMs >= drainMs - DATA_PLANE_MS) return undefined;
  return `the pods of ${change.revision} go ${(idleMs / 1_000).toFixed(1)} s after their last request; drain is ${drainMs / 1_000} s`;
}

interface SizeChange {
  readonly revision: string;
  readonly from: number;
  readonly to: number;
}

function sizeChange(object: KubeObject, old: KubeObject | undefined, type: string): SizeChange | undefined {
  if (object.kind !== "ReplicaSet" || old === undefined) return undefined;
  const revision = object.metadata.labels?.[LABEL_REVISION];
  if (revision === undefined) return undefined;
  const from = (old as ReplicaSet).spec.replicas ?? 0;
  return { revision, from, to: type === "deleted" ? 0 : ((object as ReplicaSet).spec.replicas ?? 0) };
}

/** Who has seen an abort raises nothing any more, and what was rejected does not come again by itself. */
function abortBeatsEverything(written: Written, ledger: Ledger): string | undefined {
  const raise = raiseOf(written, ledger);
  const since = raise === undefined ? undefined : ledger.aborted.get(raise.canary);
  if (raise !== undefined && ledger.rejected.has(raise.canary))
    return `${raise.canary} was rejected, and is raised to ${raise.toBp / 100} %`;
  if (raise === undefined || since === undefined) return undefined;
  const seen = Number(written.pass.snapshot.rollout.metadata.resourceVersion) >= Number(since);
  return seen ? `${raise.canary} was aborted, and is raised to ${raise.toBp / 100} %` : undefined;
}

/** From one weight to a higher one only with an answer for every metric that is younger than the present weight. */
function judgedBeforeRaised(written: Written, ledger: Ledger): string | undefined {
  const raise = raiseOf(written, ledger);
  const { progress } = ledger.walk;
  const { analysis, steps } = settingsOf(written.pass.snapshot.rollout);
  if (raise === undefined || raise.fromBp === 0 || analysis === undefined || progress === undefined) return undefined;
  if (progress.promoted > 0 || progress.edited || progress.full || steps.length === 1) return undefined;
  // The same weight on another route, or put back on one.
  if (isRoute(written.commit.object) && ledger.walk.stepOf(written.pass, raise.toBp) === progress.index)
    return undefined;
  const missing = analysis.metrics.find(
    ({ name }) =>
      !ledger.answers.some(
        ({ metric, kind, atMs }) =>
          metric === name && (kind === "counters" || kind === "value") && atMs >= progress.sinceMs,
      ),
  );
  return missing === undefined
    ? undefined
    : `raised from ${raise.fromBp / 100} % without an answer for ${missing.name} at that weight`;
}

/** A pause holds until someone resumes; what people write into the object is never written over. */
function requestsAreNotUndone(written: Written, ledger: Ledger): string | undefined {
  const { commit, pass } = written;
  const { rollout } = pass.snapshot;
  if (commit.object.kind === "Rollout" && commit.old !== undefined) {
    const [before, after] = [commit.old, commit.object] as [Rollout, Rollout];
    if (before.metadata.annotations?.[ANNOTATION_REQUEST] !== after.metadata.annotations?.[ANNOTATION_REQUEST])
      return "a request is written over";
    if (before.spec.paused !== after.spec.paused) return "spec.paused is written over";
    const resumed = rollout.metadata.annotations?.[ANNOTATION_REQUEST]?.startsWith("resume") === true;
    if (before.status?.progress?.paused === true && after.status?.progress?.paused !== true && !resumed)
      return "a pause ends that nobody ended";
  }
  const raise = raiseOf(written, ledger);
  const resumes = rollout.metadata.annotations?.[ANNOTATION_REQUEST]?.startsWith("resume") === true;
  const paused = rollout.spec.paused === true || (rollout.status?.progress?.paused === true && !resumes);
  const repair = rollout.status?.weights?.writtenBp === raise?.toBp;
  if (raise === undefined || raise.toBp === raise.fromBp || !paused || repair) return undefined;
  return `raised to ${raise.toBp / 100} % while paused`;
}

/** Every write rests on a version that was read. */
function everyWriteHasAPrecondition({ write }: Written): string | undefined {
  if (write === "status" || write.verb === "create") return undefined;
  const version = write.resourceVersion ?? "";
  return version === "" ? `"${write.why}" has no resourceVersion` : undefined;
}

/** Whatever is made belongs to the Rollout. */
function whatIsMadeHasAnOwner({ commit, pass }: Written): string | undefined {
  if (commit.type !== "added") return undefined;
  const { uid } = pass.snapshot.rollout.metadata;
  const owned = commit.object.metadata.ownerReferences?.some((o) => o.controller === true && o.uid === uid) === true;
  return owned ? undefined : `${nameOf(commit.object)} has no controller`;
}

/** Status reports what is: weights that the routes have, and a stable that the Service leads to. What a write did whose
 * answer was lost is known once the watch tells. */
function statusNeverLeads({ commit, pass, write }: Written, ledger: Ledger): string | undefined {
  if (write !== "status") return undefined;
  const { status, metadata } = commit.object as Rollout;
  if ((status?.observedGeneration ?? 0) > (metadata.generation ?? 0)) return "observedGeneration is ahead";
  const { sim } = ledger;
  if (sim.scenario.division !== "routes" || pass.plan.target.urgent !== undefined) return undefined;
  const seen = versionsIn(pass.snapshot);
  const untouched = (object: KubeObject | undefined) =>
    object !== undefined &&
    (ledger.foreignMs.get(nameOf(object)) ?? 0) < pass.snapshot.nowMs - SIZE_MEMORY_MS &&
    (ledger.unanswered.get(nameOf(object)) ?? 0) <= (seen.get(nameOf(object)) ?? 0);
  const routes = [...sim.api.list("HTTPRoute"), ...sim.api.list("GRPCRoute")];
  const actual = Math.max(0, ...routes.map(canaryBpOf));
  const known = sim.scenario.routes.length === routes.length;
  if (known && routes.every(untouched) && (status?.weights?.writtenBp ?? 0) !== actual)
    return `status says ${(status?.weights?.writtenBp ?? 0) / 100} %, the routes ${actual / 100} %`;
  const service = sim.api.find<Service>("Service", "web");
  const pin = pinOf(service);
  if (status?.phase === "Healthy" && untouched(service) && pin !== undefined && pin !== status.stable?.revision)
    return `status says that ${status.stable?.revision} serves, the Service ${pin}`;
  return undefined;
}

function versionsIn({ service, canaryService, routes }: Snapshot): ReadonlyMap<string, number> {
  const objects = [service, canaryService, ...routes.map(({ object }) => object)].filter((o) => o !== undefined);
  return new Map(objects.map((object) => [nameOf(object), Number(object.metadata.resourceVersion)]));
}

/** No pause and no analysis is shorter than declared, but by a person's word. */
function stepsLastAsLongAsTheySay(written: Written, ledger: Ledger): string | undefined {
  const raise = raiseOf(written, ledger);
  const { progress } = ledger.walk;
  if (raise === undefined || progress === undefined || progress.edited || progress.full) return undefined;
  const { steps } = settingsOf(written.pass.snapshot.rollout);
  const to = isRoute(written.commit.object) ? ledger.walk.stepOf(written.pass, raise.toBp) : steps.length - 1;
  if (to === undefined || to <= progress.index) return undefined;
  const between = steps.slice(progress.index + 1, to).filter(({ kind }) => kind !== "weight");
  const passed = ledger.sim.agenda.nowMs - progress.sinceMs;
  const open = between.find((step) => step.kind === "pause" && step.forMs === undefined);
  if (open !== undefined && progress.promoted === 0) return "a pause without an end was left without anyone's word";
  const waits = between.flatMap((step) => ("forMs" in step && step.forMs !== undefined ? [step.forMs] : []));
  const longest = progress.promoted > 0 ? 0 : waits.reduce((sum, ms) => sum + ms, 0);
  return passed >= longest ? undefined : `${passed / 1_000} s at a step that lasts ${longest / 1_000} s`;
}

/** Nothing is raised while Prometheus does not answer, nor before this process was answered at all. */
function nothingIsRaisedUnseen(written: Written, ledger: Ledger): string | undefined {
  const raise = raiseOf(written, ledger);
  const { pass } = written;
  const { analysis } = settingsOf(pass.snapshot.rollout);
  // In the hand-over the canary has all traffic already: its weight is put back, not raised.
  if (pass.plan.target.stage === "HandingOver" && isRoute(written.commit.object)) return undefined;
  const { progress } = ledger.walk;
  if (raise === undefined || analysis === undefined || progress?.full === true || progress?.edited === true)
    return undefined;
  for (const { name } of analysis.metrics) {
    const mine = ledger.answers.filter(({ metric, process }) => metric === name && process === pass.process);
    const last = mine.at(-1);
    if (last === undefined) return `raised to ${raise.toBp / 100} %, and ${name} was never answered since the start`;
    // What was decided is put back where it was reset; an outage holds what was not.
    const repair = ledger.walk.stepOf(pass, raise.toBp) === progress?.index;
    if (last.kind === "error" && !repair) return `raised to ${raise.toBp / 100} %, and ${name} was last not answered`;
  }
  return undefined;
}

/** What is decided is written at once or decided anew, however long an outage lasts between; and who has no watch reads the
 * Rollout before anything moves: an abort may have come. */
function nothingRestsOnWhatWas({ pass, write }: Written, ledger: Ledger): string | undefined {
  const { sim } = ledger;
  const { snapshot } = pass;
  if (sim.operator.isLate(pass) || ledger.happened.has("operatorPaused")) return undefined;
  const agoMs = sim.agenda.nowMs - snapshot.nowMs;
  if (agoMs > AT_ONCE_MS) return `what is written was decided ${agoMs / 1_000} s ago`;
  if (write === "status" || pass.watched) return undefined;
  const known = Number(snapshot.rollout.metadata.resourceVersion);
  const current = ledger.versionBefore(snapshot.nowMs);
  return known >= current
    ? undefined
    : `"${write.why}" rests on version ${known} of the Rollout, which was at ${current}`;
}

/** A pass has not more writes than fit into so long. */
const AT_ONCE_MS = 5_000;
