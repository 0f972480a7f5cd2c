import { FlagdCore, MemoryStorage } from "@openfeature/flagd-core";
import { vi } from "vitest";
import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import { type Compiled, type CompileInput, compileFlag } from "../../../src/core/flags/compile.ts";
import type { FlagDefinition } from "../../../src/core/flags/definition.ts";

export const NOW = Date.parse("2027-01-01T00:00:00Z");

export function compile(flag: FeatureFlag, more: Partial<CompileInput> = {}): Compiled {
  return compileFlag({ flag, segments: new Map(), others: new Map(), kills: [], nowMs: NOW, ...more });
}

/** The definition of a flag that compiles.
 * @throws Error with the reason where it does not */
export function definitionOf(flag: FeatureFlag, more: Partial<CompileInput> = {}): FlagDefinition {
  const compiled = compile(flag, more);
  if (compiled.kind === "invalid") throw new Error(`${compiled.reason}: ${compiled.message}`);
  return compiled.definition;
}

const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

export interface Answer {
  readonly variant: string | undefined;
  readonly value: unknown;
  readonly reason: string | undefined;
  readonly errorCode: string | undefined;
}
export type Ask = (context?: Context, atMs?: number) => Answer;
export type Context = NonNullable<Parameters<FlagdCore["resolve"]>[3]>;

/** flagd's own evaluation of a definition; `interpreted` as where code cannot be generated, at the edge say.
 * @throws ParseError where flagd's published schema refuses the definition: flagd-core carries it */
export function evaluator(definition: FlagDefinition, interpreted = false): Ask {
  const storage = new MemoryStorage(silent, { disableDynamicCodeGeneration: interpreted });
  storage.setConfigurations(JSON.stringify({ flags: { flag: definition } }), true);
  const [type] = Object.values(definition.variants).map((value) => typeof value);
  const core = new FlagdCore(storage, silent);
  return (context = {}, atMs = NOW) => {
    if (Date.now() !== atMs) vi.setSystemTime(atMs);
    const { value, variant, reason, errorCode } = core.resolve(
      type as "string",
      "flag",
      "code default",
      context,
      silent,
    );
    return { value, variant, reason, errorCode };
  };
}

/** `count` users, the same ones every time. */
export function users(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `user-${i}`);
}
