import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { ensureBinaries } from "../cluster/binaries.ts";
import { bold, say, table } from "../demo/terminal.ts";
import { saveFigures } from "./figures.ts";
import { benchFlags } from "./flags.ts";
import { benchBaking, benchBurst, benchRest, benchWrites } from "./fleet.ts";
import { benchJudge } from "./judge.ts";
import { benchKill } from "./kill.ts";
import { benchPlan } from "./plan.ts";
import { benchRevert } from "./revert.ts";
import type { Row } from "./row.ts";
import { benchTelemetry } from "./telemetry.ts";

const USAGE = `npm run bench [-- NAME ... options]

  judge    how often a healthy release is reverted, and how soon a bad one
  plan     what one decision costs
  telemetry  what measuring adds to that, and what a scrape costs
  revert   from the answer that shows a breach to the route at 0, one and twenty
  writes   writes of one canary, and after an abort
  rest     many Rollouts at rest, restarted, and the Lease handed over
  baking   what judging costs in status writes (takes six minutes)
  burst    many canaries at once
  flags    evaluations a second, memory with 10,000 flags, and how soon one of them has changed
  kill     from kubectl apply of a KillSwitch to a thousand clients

  --save         keep the figures in test/bench/figures.json, which docs/sizing.md is made from; on an idle machine only
  --rollouts N   how many for rest (default 2000) and burst (default 500)
  --runs N       how often for kill (default 20)
  --each         says each write of writes, with what it changed
`;

interface Sizes {
  readonly rollouts?: number;
  readonly runs?: number;
  readonly each?: boolean;
}

const BENCHES: Readonly<Record<string, (sizes: Sizes) => Promise<Row[]>>> = {
  plan: () => benchPlan(),
  telemetry: () => benchTelemetry(),
  revert: () => benchRevert(),
  writes: ({ each }) => benchWrites(each),
  baking: ({ rollouts = 100 }) => benchBaking(rollouts),
  burst: ({ rollouts = 500 }) => benchBurst(rollouts),
  rest: ({ rollouts = 2_000 }) => benchRest(rollouts),
  flags: () => benchFlags(),
  kill: ({ runs = 20 }) => benchKill(runs),
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rollouts: { type: "string" },
      runs: { type: "string" },
      each: { type: "boolean" },
      save: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    say(USAGE);
    return 0;
  }
  const wanted = positionals.length === 0 ? ["judge", ...Object.keys(BENCHES)] : positionals;
  const unknown = wanted.find((name) => name !== "judge" && BENCHES[name] === undefined);
  if (unknown !== undefined) {
    process.stderr.write(`"${unknown}" is no benchmark.\n\n${USAGE}`);
    return 2;
  }
  const sizes: Sizes = {
    ...(values.rollouts === undefined ? {} : { rollouts: Number(values.rollouts) }),
    ...(values.runs === undefined ? {} : { runs: Number(values.runs) }),
    each: values.each === true,
  };
  if (wanted.includes("judge")) await benchJudge();
  const named = wanted.filter((name) => name !== "judge");
  if (named.length === 0) return 0;
  if (named.some((name) => name !== "plan" && name !== "telemetry")) await ensureBinaries();
  const rows: Row[] = [];
  for (const name of named) {
    process.stderr.write(`${name} …\n`);
    const measured = (await BENCHES[name]?.(sizes)) ?? [];
    if (values.save === true) saveFigures(name, measured);
    rows.push(...measured);
  }
  say(bold(`\nMeasured on ${cpus().length} cores, control plane, load and operator on one machine\n`));
  say(
    table(
      ["what", "budget", "measured", "how"],
      rows.map(({ what, budget, measured, how }) => [what, budget, measured, how]),
    ),
  );
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
setTimeout(() => process.exit(), 1_000).unref();
