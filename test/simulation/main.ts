import { parseArgs } from "node:util";
import { report, reportPlanted } from "./report.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string" },
    seed: { type: "string" },
    planted: { type: "boolean" },
  },
});
if (values.planted === true) process.exitCode = reportPlanted(Number(values.seeds ?? 2_000));
else
  process.exitCode = report({
    seeds: values.seed === undefined ? Number(values.seeds ?? 1_000) : 1,
    from: Number(values.seed ?? values.from ?? 1),
    story: values.seed !== undefined,
  });
