import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegmentSpec } from "../../api/flag-segment.ts";
import type { CompileInput } from "./compile.ts";
import { conditionsLogic } from "./conditions.ts";
import type { Logic } from "./definition.ts";
import { type Effective, effectiveOf } from "./effective.ts";
import { FlagInvalid, type InvalidReason } from "./invalid.ts";
import { all, any, choose, not, operatorsIn, variable } from "./logic.ts";
import type { FlagSettings } from "./settings.ts";
import { assignmentLogic } from "./shares.ts";

/** Other objects that a flag was compiled from, found or not: a change of one of them is a change of the flag. */
export interface Uses {
  readonly flags: ReadonlySet<string>; // keys, of the same flag set
  readonly segments: ReadonlySet<string>; // names, of the same namespace
}

const MOST_DEPTH = 10;
/** More would be refused in the end anyhow, and is not worth putting together. */
const MOST_OPERATORS = 20_000;

type Assigned = Extract<Effective, { kind: "assigned" }>;

/** Writes out the rules of a flag together with the flags and segments that they name: flagd evaluates one flag at a time, and
 * knows of no other. */
export class Inlining {
  readonly #input: CompileInput;
  readonly #flags = new Set<string>();
  readonly #segments = new Set<string>();
  readonly #changesAtMs: number[] = [];
  /** Where we are: the flags, and the segments, that name each other. */
  #path: readonly string[] = [];
  #segmentPath: readonly string[] = [];

  constructor(input: CompileInput) {
    this.#input = input;
  }

  get uses(): Uses {
    return { flags: this.#flags, segments: this.#segments };
  }

  /** When time alone changes what a prerequisite serves. */
  get changesAtMs(): readonly number[] {
    return this.#changesAtMs;
  }

  /** The variant that a user gets, as JSONLogic: prerequisites, targets, rules, strategy.
   * @param otherwise for whom nothing treats; null leaves them to flagd's default variant */
  targetingOf({ settings, assignment }: Assigned, otherwise: Logic): Logic {
    const outer = this.#path;
    this.#path = [...outer, settings.key];
    const treated = choose(
      [
        ...settings.targets.map(({ variant, keys }) => [{ in: [variable("targetingKey"), keys] }, variant] as const),
        ...settings.rules.map(({ when, serve }, i) => {
          const segment = (name: string, path: string) => this.#segment(name, path);
          return [conditionsLogic(when, `spec.rules[${i}].when`, { segment }), serve] as const;
        }),
      ],
      assignmentLogic(settings, assignment, otherwise),
    );
    const met = all(settings.prerequisites.map((prerequisite, i) => this.#met(prerequisite, i, settings)));
    this.#path = outer;
    return this.#bounded(choose([[met, treated]], otherwise));
  }

  #met({ flag: key, variants }: FlagSettings["prerequisites"][number], index: number, settings: FlagSettings): Logic {
    const path = `spec.prerequisites[${index}]`;
    this.#flags.add(key);
    const other = key === settings.key ? this.#input.flag : this.#input.others.get(key);
    if (this.#path.includes(key))
      refuse("PrerequisiteCycle", `${path} leads back to the flag: ${[...this.#path, key].join(" → ")}`);
    if (other === undefined)
      refuse("PrerequisiteMissing", `${path}.flag must be the key of a flag in "${settings.flagSet}" (got "${key}")`);
    if (this.#path.length >= MOST_DEPTH)
      refuse("TooLarge", `${path} is the end of a chain of more than ${MOST_DEPTH} flags`);
    const logic = this.#variantOf(other, path);
    return typeof logic === "string" || logic === null
      ? logic !== null && variants.includes(logic)
      : { in: [logic, variants] };
  }

  /** The variant of another flag; null where it has none, as it is disabled. */
  #variantOf(other: FeatureFlag, path: string): Logic {
    try {
      const { effective, changesAtMs } = effectiveOf(other, this.#input.kills, this.#input.nowMs);
      this.#changesAtMs.push(...changesAtMs);
      switch (effective.kind) {
        case "fixed":
          return effective.settings.safe;
        case "disabled":
          return null;
        case "assigned":
          return this.targetingOf(effective, effective.settings.control);
        default:
          return effective satisfies never;
      }
    } catch (error) {
      if (!(error instanceof FlagInvalid) || error.reason.startsWith("Prerequisite") || error.reason === "TooLarge")
        throw error;
      const message = `${path} names FeatureFlag "${other.metadata.name}", which cannot be served: ${error.message}`;
      throw new FlagInvalid("PrerequisiteInvalid", message);
    }
  }

  /** Whether a user belongs to a segment. */
  #segment(name: string, path: string): Logic {
    this.#segments.add(name);
    const segment = this.#input.segments.get(name);
    const chain = [...this.#segmentPath, name];
    if (this.#segmentPath.includes(name))
      refuse("SegmentCycle", `${path} leads to segments that name each other: ${chain.join(" → ")}`);
    if (segment === undefined)
      refuse("SegmentMissing", `${path} must be the name of a FlagSegment in the same namespace (got "${name}")`);
    if (chain.length > MOST_DEPTH)
      refuse("TooLarge", `${path} is the end of a chain of more than ${MOST_DEPTH} segments`);
    const outer = this.#segmentPath;
    this.#segmentPath = chain;
    const logic = this.#belongs(segment.spec, name);
    this.#segmentPath = outer;
    return this.#bounded(logic);
  }

  #belongs({ included = [], excluded = [], when = [] }: FlagSegmentSpec, name: string): Logic {
    const segment = (other: string, path: string) => this.#segment(other, path);
    const conditions =
      when.length === 0 ? false : conditionsLogic(when, `FlagSegment "${name}" spec.when`, { segment });
    return any([isOneOf(included), all([not(isOneOf(excluded)), conditions])]);
  }

  #bounded(logic: Logic): Logic {
    const operators = operatorsIn(logic);
    if (operators > MOST_OPERATORS)
      refuse("TooLarge", `prerequisites and segments come to more than ${MOST_OPERATORS} operators`);
    return logic;
  }
}

function isOneOf(keys: readonly string[]): Logic {
  return keys.length === 0 ? false : { in: [variable("targetingKey"), keys] };
}

function refuse(reason: InvalidReason, message: string): never {
  throw new FlagInvalid(reason, message);
}
