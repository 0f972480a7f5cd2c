import type { EvaluationContext, Logger } from "@openfeature/core";
import { FeatureFlag } from "@openfeature/flagd-core";
import type { Compiled } from "../core/flags/compile.ts";
import type { FlagMetadata, JsonValue } from "../core/flags/definition.ts";

/** A flag that was compiled and is to be served. */
export type CompiledFlag = Omit<Extract<Compiled, { kind: "compiled" }>, "kind" | "uses" | "changesAtMs">;

/** What a client is told: a value, that its own default holds, or that the flag cannot be evaluated. */
export type Answer =
  | { readonly kind: "value"; readonly value: JsonValue; readonly variant: string; readonly reason: string }
  | { readonly kind: "codeDefault"; readonly reason: "DISABLED" | "DEFAULT" }
  | { readonly kind: "error"; readonly code: "PARSE_ERROR" | "GENERAL"; readonly message: string };

/** flagd-core writes what it evaluates into its log; what users send us is written nowhere. */
const SILENT: Logger = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

/** Generated code would be another function for each flag, and V8 would compile every one anew once it is hot: a thousand flags
 * took hundreds of MiB for that. The tests of core/flags hold both ways to the same answers. */
const INTERPRETED = { disableDynamicCodeGeneration: true };

/** One flag, ready to be evaluated. Made anew when its definition changes, and never changed. */
export class ServedFlag {
  readonly key: string;
  readonly flagSet: string;
  readonly version: string;
  readonly isClientVisible: boolean;
  /** Whether it answers otherwise as time passes. */
  readonly isByClock: boolean;
  readonly metadata: FlagMetadata;
  /** The definition as JSON, as in-process clients get it. */
  readonly json: string;
  readonly #evaluator: FeatureFlag;
  readonly #isDisabled: boolean;

  /** @throws Error where flagd-core does not take the definition; what was served before goes on then */
  constructor(flag: CompiledFlag) {
    this.key = flag.key;
    this.flagSet = flag.flagSet;
    this.version = flag.version;
    this.isClientVisible = flag.visibility === "client";
    this.isByClock = flag.byClock;
    this.metadata = flag.definition.metadata ?? {};
    this.json = JSON.stringify(flag.definition);
    this.#isDisabled = flag.definition.state === "DISABLED";
    this.#evaluator = new FeatureFlag(flag.key, flag.definition as never, SILENT, INTERPRETED);
    refuseUnreadable(this.#evaluator);
  }

  /** The same for the same context and second, in every SDK. */
  evaluate(context: EvaluationContext): Answer {
    // flagd-core's FeatureFlag does not look at the state, and FlagdCore.resolveAll drops what is disabled.
    if (this.#isDisabled) return { kind: "codeDefault", reason: "DISABLED" };
    const { value, variant, reason, errorCode, errorMessage } = this.#evaluator.evaluate(context);
    if (errorCode !== undefined)
      return {
        kind: "error",
        code: errorCode === "PARSE_ERROR" ? "PARSE_ERROR" : "GENERAL",
        message: errorMessage ?? "",
      };
    if (variant === undefined || value === undefined) return { kind: "codeDefault", reason: "DEFAULT" };
    return { kind: "value", value: value as JsonValue, variant, reason };
  }
}

/** FeatureFlag takes JSONLogic that it cannot read, and would answer PARSE_ERROR to everyone from then on. */
function refuseUnreadable(evaluator: FeatureFlag): void {
  const outcome = evaluator.evaluate({});
  if (outcome.errorCode === "PARSE_ERROR") throw new Error(outcome.errorMessage);
}
