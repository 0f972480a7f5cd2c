import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import { parseRequest } from "../../../src/api/request.ts";
import { drivenParts } from "../../../src/core/flags/assignment.ts";
import { overrideOf } from "../../../src/core/flags/effective.ts";
import { servedHash } from "../../../src/core/flags/hashes.ts";
import { activeKills } from "../../../src/core/flags/kills.ts";
import { flagSettingsOf } from "../../../src/core/flags/settings.ts";
import { sameJson } from "../../../src/core/json.ts";
import { completeSteps, type Step, stepsOf } from "../../../src/core/steps.ts";
import type { Commit } from "../cluster/api-server.ts";
import type { Violation } from "../frame.ts";
import { OPERATOR } from "../operator.ts";
import type { FlagPass } from "./operator.ts";
import { FAILURES, TREATED } from "./scenario.ts";
import { servedTo } from "./served.ts";
import type { FlagSimulation } from "./simulation.ts";

/** Harm that has been there to be seen for so long, by so many requests, is known. */
const KNOWN_MS = 90_000;
const KNOWN_REQUESTS = 300;
/** And must have been acted on by then. */
const ACTED_ON_MS = 300_000;

/**
 * What is remembered of a flag, independently of what its status says, and what is wrong. Invariants by number:
 *
 *     F1 an override stays until something else is wanted or a person says retry, and nobody has it at once then
 *     F2 the same manifest, applied again, changes nothing    F5 it comes to rest, and rests as it should
 *     F3 no share rises beneath a kill or a pause, past a     F6 harm is acted on, and nothing but harm
 *        step, before its time, unseen, or at known harm      F7 accepted requests are obeyed
 *     F4 no user flips while a share grows or shrinks         F8 there is always an answer
 */
export class FlagLedger {
  readonly violations: Violation[] = [];
  readonly #sim: FlagSimulation;
  #pass: FlagPass | undefined;
  /** Since when the share is what it is, by the API server's own changes, and what a person let go on since. */
  #share = { sinceMs: 0, promoted: false, stepsEdited: false };
  #harm: { sinceMs: number; requests: number } | undefined;
  #wasBad = false;
  #answeredMs = Number.NEGATIVE_INFINITY;

  constructor(sim: FlagSimulation) {
    this.#sim = sim;
  }

  violate(invariant: string, message: string): void {
    this.violations.push({ invariant, message });
    this.#sim.story.tell("invariant", `${invariant} ${message}`);
  }

  onPass(pass: FlagPass): void {
    this.#pass = pass;
    const { readings } = pass.snapshot.metrics;
    if (readings.length > 0 && readings.every(({ kind }) => kind === "counters" || kind === "value"))
      this.#answeredMs = pass.snapshot.nowMs;
  }

  /** A write of a leader that slept rests on what it saw before. */
  late(pass: FlagPass, write: () => void): void {
    const mine = this.#pass;
    this.#pass = pass;
    write();
    this.#pass = mine;
  }

  onCrash(): void {
    this.#pass = undefined;
    this.#harm = undefined;
  }

  /** Every few seconds: what is there to be seen of harm. */
  look(ms: number): void {
    const { requests, operator, scenario, flag } = this.#sim;
    this.#wasBad ||= requests.bad;
    const { current } = operator.caches ?? {};
    const treated = this.#sim.treated();
    const { serving, override } = flag?.status ?? {};
    const ramps = override === undefined && (serving?.weightBp ?? 0) > 0; // Whom a rule treats alone is not judged.
    const seen = requests.bad && requests.fault === undefined && current === true && treated > 0;
    if (!seen || !ramps || flag === undefined || this.#sim.isKilled) this.#harm = undefined;
    else {
      this.#harm ??= { sinceMs: this.#sim.agenda.nowMs, requests: 0 };
      this.#harm.requests += (scenario.perSecond * ms * treated) / 1_000;
      const { phase } = flag.status ?? {};
      const over = phase === "Healthy" || phase === "Reverted";
      if (!over && this.#isHarmKnown(ACTED_ON_MS)) this.violate("F6", "users are harmed, and nothing is done about it");
    }
    this.#killsAreSafe();
  }

  #isHarmKnown(forMs = KNOWN_MS): boolean {
    const harm = this.#harm;
    return harm !== undefined && this.#sim.agenda.nowMs - harm.sinceMs >= forMs && harm.requests >= KNOWN_REQUESTS;
  }

  onCommit({ object, old, actor, type }: Commit): void {
    this.#killsAreSafe();
    if (object.kind !== "FeatureFlag" || type !== "modified" || old === undefined) {
      if (object.kind === "FeatureFlag") this.#forget();
      return;
    }
    const change = changeOf(old as FeatureFlag, object as FeatureFlag, this.#sim.agenda.nowMs, actor);
    if (isStatusOfOthers(change)) {
      this.#forget();
      return;
    }
    for (const wrong of [
      overrideStays(change),
      liftedFromNobody(change),
      reapplyChangesNothing(change),
      ordersAreObeyed(change),
      this.#takenBackForAReason(change),
      this.#raise(change),
      usersStay(change),
      this.#falls(change),
    ])
      if (wrong !== undefined) this.violate(...wrong);
    this.#note(change);
  }

  /** Another flag of that name, or one of which nobody can know anything more. */
  #forget(): void {
    this.#anew();
    this.#harm = undefined;
  }

  #anew(): void {
    this.#share = { sinceMs: this.#sim.agenda.nowMs, promoted: false, stepsEdited: false };
  }

  #note({ before, after, verb, old, now }: Change): void {
    if (verb === "promote") this.#share.promoted = true;
    if (!sameJson(stepsIn(old), stepsIn(now))) this.#share.stepsEdited = true;
    if (after.weightBp === 0) this.#harm = undefined; // What begins anew has harmed nobody yet.
    if (before.weightBp === after.weightBp) return;
    // Before its first user, a walk that begins with a share waits for nothing yet: a person then means the wait behind it.
    const isMeantForNext = before.weightBp === 0 && stepsIn(old)[0]?.kind === "weight";
    const promoted = isMeantForNext && this.#share.promoted;
    this.#anew();
    this.#share.promoted = promoted;
  }

  /** While a kill holds, everyone gets what is safe, as flag servers serve it. */
  #killsAreSafe(): void {
    const { flag, kills, agenda, isKilled } = this.#sim;
    if (flag === undefined || !isKilled) return;
    const safe = flag.spec.safeVariant ?? flag.spec.defaultVariant;
    const served = servedTo(flag, kills, agenda.nowMs);
    if (served?.variants.some((variant) => variant !== safe) !== false)
      this.violate("F3", "someone gets what is not safe while a KillSwitch holds");
  }

  #takenBackForAReason({ before, after }: Change): Wrong {
    if (before.override !== undefined || after.override === undefined) return undefined;
    const { reason, message } = after.override;
    if (reason !== "AnalysisFailed") return undefined;
    // A limit of a query weighs no evidence: one failure among nine requests is above it, as its author asked for.
    const isByLimit = message.startsWith(FAILURES.name);
    const isReal = isByLimit ? this.#sim.requests.breaches >= FAILURES.consecutive : this.#wasBad;
    return isReal ? undefined : ["F6", `taken back for harm that never was: ${message}`];
  }

  /** Users are taken away by an override alone, or where a person edits what is wanted. */
  #falls({ before, after, actor }: Change): Wrong {
    const isEdited = actor !== OPERATOR || before.hash !== after.hash || this.#share.stepsEdited;
    if (isEdited || after.override !== undefined || after.weightBp >= before.weightBp) return undefined;
    return ["F4", `its share falls from ${before.weightBp / 100} % to ${after.weightBp / 100} %`];
  }

  /** More users only by the next step, once its waits are over, and while nothing speaks against it. */
  #raise({ old, now, before, after, verb, actor }: Change): Wrong {
    if (after.weightBp <= before.weightBp) {
      const arrives = now.status?.phase === "Healthy" && old.status?.phase !== "Healthy" && before.weightBp === 10_000;
      const isJudged = now.spec.strategy?.canary?.bake !== "0s" && now.status?.progress?.promoted === true;
      return arrives && isJudged && this.#isHarmKnown() ? ["F3", "promoted while users are harmed"] : undefined;
    }
    const from = `from ${before.weightBp / 100} % to ${after.weightBp / 100} %`;
    if (actor !== OPERATOR) return ["F3", `raised ${from} by ${actor}`];
    const { snapshot } = this.#pass ?? {};
    if (snapshot === undefined) return ["F3", `raised ${from} by nobody's decision`];
    if (activeKills(snapshot.flag, snapshot.kills, snapshot.nowMs).length > 0)
      return ["F3", `raised ${from} while a KillSwitch holds`];
    if (now.status?.progress?.paused === true) return ["F3", `raised ${from} while a person holds it`];
    if (verb === "promote:full" || now.status?.progress?.full === true || old.status?.progress?.full === true)
      return undefined;
    const steps = stepsIn(now);
    const next = Math.min(
      ...steps.flatMap((s) => (s.kind === "weight" && s.weightBp > before.weightBp ? s.weightBp : [])),
    );
    if (after.weightBp !== next) return ["F3", `raised ${from}, and the next step is ${next / 100} %`];
    if (this.#isHarmKnown()) return ["F3", `raised ${from} while users are harmed`];
    const { sinceMs, promoted, stepsEdited } = this.#share;
    if (promoted || verb === "promote") return undefined;
    if (before.weightBp > 0 && this.#answeredMs < sinceMs) return ["F3", `raised ${from}, and nobody had looked`];
    if (stepsEdited) return undefined;
    const waitMs = waitAt(steps, before.weightBp);
    const waitedMs = this.#sim.agenda.nowMs - sinceMs;
    if (waitedMs < waitMs - 1_000) return ["F3", `raised ${from} after ${waitedMs / 1_000} s of ${waitMs / 1_000} s`];
    return undefined;
  }
}

type Wrong = [invariant: string, message: string] | undefined;

interface Standing {
  readonly hash: string;
  readonly override: ReturnType<typeof overrideOf>;
  readonly weightBp: number;
  readonly enabled: boolean;
  readonly served: ReturnType<typeof servedTo>;
}

interface Change {
  readonly old: FeatureFlag;
  readonly now: FeatureFlag;
  readonly nowMs: number;
  readonly actor: string;
  readonly before: Standing;
  readonly after: Standing;
  /** What a person asked for that this write accepts. */
  readonly verb: string | undefined;
}

function changeOf(old: FeatureFlag, now: FeatureFlag, nowMs: number, actor: string): Change {
  return {
    ...{ old, now, nowMs, actor },
    before: standingOf(old, nowMs),
    after: standingOf(now, nowMs),
    verb: actor === OPERATOR ? acceptedIn(old, now) : undefined,
  };
}

/** KillSwitches aside: what would be served without them. */
function standingOf(flag: FeatureFlag, nowMs: number): Standing {
  const settings = flagSettingsOf(flag);
  const override = overrideOf(settings, flag.status);
  return {
    hash: servedHash(settings),
    override,
    weightBp: override === undefined ? drivenParts(settings, flag.status) / 10 : 0,
    enabled: settings.enabled,
    served: servedTo(flag, [], nowMs),
  };
}

function acceptedIn({ status: before }: FeatureFlag, { status }: FeatureFlag): string | undefined {
  const { value, result } = status?.lastRequest ?? {};
  if (value === undefined || value === before?.lastRequest?.value || result !== "accepted") return undefined;
  const { verb, argument } = parseRequest(value) ?? {};
  return argument === undefined ? verb : `${verb}:${argument}`;
}

/** Someone else took status away: what it said is gone, and nobody can know it. */
function isStatusOfOthers({ actor, now }: Change): boolean {
  return actor !== OPERATOR && now.status === undefined;
}

/** What was taken back stays back until something else is wanted, or a person says retry. */
function overrideStays({ before, after, verb, actor }: Change): Wrong {
  if (before.override === undefined || before.hash !== after.hash || verb === "retry") return undefined;
  if (after.override === undefined) return ["F1", `an override is lost in a write of ${actor}`];
  return sameJson(before.override, after.override) ? undefined : ["F1", "an override became another"];
}

function liftedFromNobody({ before, after }: Change): Wrong {
  const lifted = before.override !== undefined && after.override === undefined;
  return lifted && after.weightBp > 0
    ? ["F1", `an override went, and ${after.weightBp / 100} % came back at once`]
    : undefined;
}

/** Git says what it said before. */
function reapplyChangesNothing({ actor, before, after }: Change): Wrong {
  if (actor !== "git" || before.hash !== after.hash) return undefined;
  const same = before.served?.version === after.served?.version;
  return same ? undefined : ["F2", "applied again, the same manifest changed what is served"];
}

function ordersAreObeyed({ verb, after, now }: Change): Wrong {
  if (verb === "abort" && after.override === undefined) return ["F7", "an abort was accepted, and nothing taken back"];
  if (verb === "retry" && after.override !== undefined) return ["F7", "a retry was accepted, and it stays back"];
  if (verb === "pause" && after.override === undefined && now.status?.progress?.paused !== true)
    return ["F7", "a pause was accepted, and is not remembered"];
  return undefined;
}

/** While a share only grows nobody who is treated loses it; while it shrinks nobody new gets it. */
function usersStay({ before, after, now, nowMs }: Change): Wrong {
  const [was, is] = [before.served?.variants, after.served?.variants];
  if (was === undefined || is === undefined || before.hash !== after.hash || !after.enabled) return undefined;
  const left = was.filter((variant, i) => variant === TREATED && is[i] !== TREATED).length;
  const came = is.filter((variant, i) => variant === TREATED && was[i] !== TREATED).length;
  const { override } = after;
  if (override === undefined && before.override === undefined) {
    if (after.weightBp >= before.weightBp && left > 0) return ["F4", `${left} users lose it while its share grows`];
    return after.weightBp <= before.weightBp && came > 0
      ? ["F4", `${came} users get it while its share does not grow`]
      : undefined;
  }
  if (override === undefined) return undefined;
  if (came > 0) return ["F4", `${came} users get what is on its way back`];
  const leaving = override.pivot !== undefined && Date.parse(override.pivot.until) > nowMs;
  const safe = now.spec.safeVariant ?? now.spec.defaultVariant;
  const unsafe = leaving ? 0 : is.filter((variant) => variant !== safe).length;
  return unsafe > 0 ? ["F4", `${unsafe} users keep what was taken back`] : undefined;
}

function stepsIn({ spec }: FeatureFlag): readonly Step[] {
  return completeSteps(stepsOf(spec.strategy?.canary ?? {}, "canary"));
}

/** How long a share is held before the next; for ever where a person must let it go on. */
function waitAt(steps: readonly Step[], weightBp: number): number {
  const at = weightBp === 0 ? -1 : steps.findIndex((step) => step.kind === "weight" && step.weightBp === weightBp);
  let ms = 0;
  for (const step of steps.slice(at + 1)) {
    if (step.kind === "weight") break;
    ms += step.forMs ?? Number.POSITIVE_INFINITY;
  }
  return ms;
}
