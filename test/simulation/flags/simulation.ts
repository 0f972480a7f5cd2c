import type { FeatureFlag, FeatureFlagSpec } from "../../../src/api/feature-flag.ts";
import type { KillSwitch } from "../../../src/api/kill-switch.ts";
import { planFlag } from "../../../src/core/flags/control/plan.ts";
import { servedHash } from "../../../src/core/flags/hashes.ts";
import { activeKills } from "../../../src/core/flags/kills.ts";
import { flagSettingsOf } from "../../../src/core/flags/settings.ts";
import { refTo } from "../cluster/workloads.ts";
import { World } from "../world.ts";
import { type FlagHooks, FlagOperator } from "./operator.ts";
import { Requests } from "./requests.ts";
import { type FlagScenario, flagScenarioOf } from "./scenario.ts";
import { servedTo, shareOf } from "./served.ts";

/** One simulated cluster with one FeatureFlag, its users, KillSwitches, the operator, and what Git says of the flag. */
export class FlagSimulation extends World {
  readonly scenario: FlagScenario;
  readonly requests: Requests;
  readonly operator: FlagOperator;
  /** What Git holds now: applied again and again by its tool. */
  git: FeatureFlag;

  constructor(seed: number, hooks: Partial<FlagHooks>) {
    super(seed);
    this.scenario = flagScenarioOf(this.rng.fork());
    this.git = this.scenario.flag;
    const { agenda, api, scenario } = this;
    const treated = () => this.treated();
    this.requests = new Requests({ agenda, rng: this.rng.fork(), treated, perSecond: scenario.perSecond });
    const none: FlagHooks = {
      fault: () => undefined,
      onPass: () => {},
      onCrash: () => {},
      onBroken: () => {},
      late: (_pass, write) => write(),
      plan: planFlag,
      send: (operations) => operations,
    };
    const rng = this.rng.fork();
    this.operator = new FlagOperator({ agenda, api, metrics: this.requests, rng, hooks: { ...none, ...hooks } });
  }

  /** Everything is applied for the first time. */
  begin(): void {
    this.agenda.after(100, () => this.operator.start());
    this.agenda.after(500, () => this.apply());
  }

  get flag(): FeatureFlag | undefined {
    return this.api.find<FeatureFlag>("FeatureFlag", "checkout");
  }

  get kills(): readonly KillSwitch[] {
    return this.api.list<KillSwitch>("KillSwitch");
  }

  get isKilled(): boolean {
    return this.flag !== undefined && activeKills(this.flag, this.kills, this.agenda.nowMs).length > 0;
  }

  /** Where the flag stands, as status has it. */
  get stage(): string {
    return this.flag?.status?.phase ?? "Starting";
  }

  /** The share of users who have the variant, as flag servers serve it at this moment. */
  treated(): number {
    const served = this.flag === undefined ? undefined : servedTo(this.flag, this.kills, this.agenda.nowMs);
    return served === undefined ? 0 : shareOf(served.variants);
  }

  /** The GitOps tool applies what Git says. */
  apply(): void {
    const live = this.flag;
    if (live === undefined) this.api.create("git", this.git);
    else this.api.change("git", live, { ...live, spec: this.git.spec });
  }

  /** A person commits another spec to Git, and it is applied. */
  commit(spec: Partial<FeatureFlagSpec>): void {
    this.git = { ...this.git, spec: { ...this.git.spec, ...spec } };
    this.apply();
  }

  /** A person asks for something of what is wanted now. */
  request(verb: string): void {
    const { flag } = this;
    if (flag !== undefined) this.ask(flag, verb, servedHash(flagSettingsOf(flag)));
  }

  /** @param forMs when it ends by itself; undefined: when it is deleted */
  kill(name: string, forMs?: number): void {
    if (this.api.find("KillSwitch", name) !== undefined) return;
    const until = forMs === undefined ? {} : { until: new Date(this.agenda.nowMs + forMs).toISOString() };
    const kill: KillSwitch = {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "KillSwitch",
      metadata: { name, namespace: "shop" },
      spec: { selector: { matchLabels: { tier: "web" } }, flags: "safe", reason: "it burns", ...until },
    };
    this.api.create("person", kill);
  }

  release(name: string): void {
    const kill = this.api.find("KillSwitch", name);
    if (kill !== undefined) this.api.delete("person", refTo(kill));
  }
}
