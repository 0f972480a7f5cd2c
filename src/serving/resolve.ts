import type { FlagMetadata, JsonValue, Visibility } from "../core/flags/definition.ts";
import type { Context } from "./context.ts";
import type { DeliveryCounts } from "./delivery.ts";
import { evaluations } from "./metrics.ts";
import type { ServedFlag } from "./served-flag.ts";
import type { FlagStore } from "./store.ts";

export type ValueType = "Boolean" | "String" | "Float" | "Int" | "Object";

/** An answer of flagd's evaluation service. Without value and variant the client's own default holds. */
export interface Resolution {
  readonly value?: JsonValue;
  readonly reason: string;
  readonly variant?: string;
  readonly metadata: FlagMetadata;
}

/** Why there is none, by the names that gRPC and Connect share. */
export class ResolveError extends Error {
  override readonly name = "ResolveError";
  readonly code: "not_found" | "invalid_argument" | "data_loss" | "unknown";

  constructor(code: ResolveError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export interface Asker {
  readonly protocol: "v1" | "v2";
  readonly flagSet: string;
  readonly viewer: Visibility;
}

/** flagd's evaluation, whichever way it is asked for. */
export class Resolver {
  readonly #store: FlagStore;
  readonly #delivery: DeliveryCounts;

  constructor(store: FlagStore, delivery: DeliveryCounts) {
    this.#store = store;
    this.#delivery = delivery;
  }

  /** @throws ResolveError where there is no such flag, it is of another type, or cannot be evaluated */
  one(asker: Asker, type: ValueType, key: string, context: Context): Resolution {
    const flag = this.#store.find(asker.flagSet, key);
    if (flag === undefined || !isVisible(flag, asker)) {
      evaluations.inc({ protocol: asker.protocol, outcome: "notFound" });
      throw new ResolveError(
        "not_found",
        `Flag set "${asker.flagSet}" has no flag ${JSON.stringify(key.slice(0, 200))}`,
      );
    }
    const resolution = this.#resolve(asker, flag, context);
    if (resolution.value !== undefined && !isOfType(type, resolution.value))
      throw new ResolveError("invalid_argument", `Flag "${key}" is asked for as ${nameOf(type)}, which it is not`);
    return resolution;
  }

  /** All that can be evaluated, the disabled ones too; one that cannot takes nothing from the others. */
  all(asker: Asker, context: Context): Map<string, Resolution> {
    const flags = [...this.#store.flagSet(asker.flagSet).flags.values()].filter((flag) => isVisible(flag, asker));
    const answers = flags.map((flag) => [flag.key, this.#tryResolve(asker, flag, context)] as const);
    return new Map(answers.filter((answer): answer is readonly [string, Resolution] => answer[1] !== undefined));
  }

  #tryResolve(asker: Asker, flag: ServedFlag, context: Context): Resolution | undefined {
    try {
      return this.#resolve(asker, flag, context);
    } catch (error) {
      if (error instanceof ResolveError) return undefined;
      throw error;
    }
  }

  #resolve({ protocol }: Asker, flag: ServedFlag, context: Context): Resolution {
    const answer = flag.evaluate(context as never);
    evaluations.inc({ protocol, outcome: answer.kind });
    const { metadata } = flag;
    switch (answer.kind) {
      case "error":
        throw new ResolveError(answer.code === "PARSE_ERROR" ? "data_loss" : "unknown", answer.message);
      case "codeDefault":
        this.#delivery.evaluated(flag, undefined);
        return { reason: answer.reason, metadata };
      case "value":
        this.#delivery.evaluated(flag, answer.variant);
        return { value: answer.value, reason: answer.reason, variant: answer.variant, metadata };
    }
  }
}

function isVisible(flag: ServedFlag, { viewer }: Asker): boolean {
  return viewer === "server" || flag.isClientVisible;
}

function isOfType(type: ValueType, value: JsonValue): boolean {
  switch (type) {
    case "Boolean":
      return typeof value === "boolean";
    case "String":
      return typeof value === "string";
    case "Float":
      return typeof value === "number";
    case "Int":
      return Number.isSafeInteger(value);
    case "Object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
  }
}

function nameOf(type: ValueType): string {
  return { Boolean: "a boolean", String: "text", Float: "a number", Int: "a whole number", Object: "an object" }[type];
}
