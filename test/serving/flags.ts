import type { FlagDefinition } from "../../src/core/flags/definition.ts";
import type { CompiledFlag } from "../../src/serving/served-flag.ts";

/** A boolean flag that is off for everyone, and what differs from that. */
export function aFlag(
  key: string,
  more: Omit<Partial<CompiledFlag>, "definition"> & { definition?: Partial<FlagDefinition> } = {},
): CompiledFlag {
  const definition: FlagDefinition = {
    state: "ENABLED",
    variants: { on: true, off: false },
    defaultVariant: "off",
    targeting: {},
    metadata: { flagSetId: more.flagSet ?? "shop", version: more.version ?? "v1" },
    ...more.definition,
  };
  return { key, flagSet: "shop", visibility: "client", version: "v1", byClock: false, ...more, definition };
}

/** Who has the plan "pro" gets "on". */
export const forPros = { if: [{ "===": [{ var: "plan" }, "pro"] }, "on", "off"] };

/** A quarter of all users get "on", the same ones always. */
export const aQuarter = {
  fractional: [{ cat: ["seed", { var: "targetingKey" }] }, ["on", 25], ["off", 75]],
};
