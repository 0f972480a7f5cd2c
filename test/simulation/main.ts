import { parseArgs } from "node:util";
import { report, reportPlanted, tell } from "./report.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string" },
    seed: { type: "string" },
    workers: { type: "string" },
    planted: { type: "boolean" },
  },
});
if (values.planted === true) process.exitCode = reportPlanted(Number(values.seeds ?? 2_000));
else if (values.seed !== undefined) process.exitCode = tell(Number(values.seed));
else
  process.exitCode = await report({
    seeds: Number(values.seeds ?? 1_000),
    from: Number(values.from ?? 1),
    ...(values.workers === undefined ? {} : { threads: Number(values.workers) }),
  });
