import { parseArgs } from "node:util";
import { report } from "./report.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string" },
    seed: { type: "string" },
    planted: { type: "boolean" },
  },
});
process.exitCode = report({
  seeds: values.seed === undefined ? Number(values.seeds ?? 1_000) : 1,
  from: Number(values.seed ?? values.from ?? 1),
  story: values.seed !== undefined,
});
