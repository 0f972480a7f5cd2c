import { parseArgs } from "node:util";
import { report, reportPlanted, tell } from "./report.ts";
import type { SubjectName } from "./subjects.ts";

const { values } = parseArgs({
  options: {
    flags: { type: "boolean" },
    seeds: { type: "string" },
    from: { type: "string" },
    seed: { type: "string" },
    workers: { type: "string" },
    planted: { type: "boolean" },
  },
});
const subject: SubjectName = values.flags === true ? "flags" : "rollouts";
if (values.planted === true) process.exitCode = await reportPlanted(subject, Number(values.seeds ?? 2_000));
else if (values.seed !== undefined) process.exitCode = await tell(subject, Number(values.seed));
else
  process.exitCode = await report(subject, {
    seeds: Number(values.seeds ?? 1_000),
    from: Number(values.from ?? 1),
    ...(values.workers === undefined ? {} : { threads: Number(values.workers) }),
  });
