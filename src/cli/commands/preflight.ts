import { Command } from "commander";
import { changed } from "../change.ts";
import { readSnapshot } from "../cluster/snapshot.ts";
import { EXIT } from "../errors.ts";
import type { Check } from "../preflight/checks.ts";
import { preflight } from "../preflight/read.ts";
import type { Bind } from "../program.ts";
import { FORMATS, formatOf, renderData } from "../render/data.ts";
import { renderPreflight } from "../render/preflight.ts";
import { nameOf, ROLLOUT_KINDS, type Session } from "../session.ts";
import { outputOption } from "./options.ts";

interface Options {
  readonly image?: readonly string[];
  readonly prometheusUrl?: string;
  readonly output?: string;
}

export function preflightCommand(bind: Bind): Command {
  const collect = (value: string, before: readonly string[] = []) => [...before, value];
  return new Command("preflight")
    .argument("<rollout>", "its name")
    .description(
      "Looks at five things before a release, from your seat: tests, coverage, flags, configuration, environment; ends with 1 where one of them fails, and says what to do.",
    )
    .option("--image <image>", "look for this image: IMAGE, or CONTAINER=IMAGE; may be repeated", collect)
    .option("--prometheus-url <url>", "ask the very queries from here (default: what the operator said of them)")
    .addOption(outputOption())
    .action(bind(async (session, [name], options) => await run(session, nameOf(name, ROLLOUT_KINDS), options)));
}

async function run(session: Session, name: string, options: Options): Promise<number> {
  const format = formatOf(options.output, FORMATS);
  const seen = await readSnapshot(session.cluster, name);
  const snapshot = changed(seen.snapshot, { images: options.image ?? [] });
  const checks = await preflight(session.cluster, { ...seen, snapshot }, options.prometheusUrl);
  if (format === undefined) session.print(...renderPreflight(checks, session.style));
  else session.print(renderData({ rollout: name, passed: passed(checks), of: checks.length, checks }, format));
  return passed(checks) === checks.length ? EXIT.ok : EXIT.error;
}

/** What is not asked for stands in nobody's way. */
function passed(checks: readonly Check[]): number {
  return checks.filter(({ outcome }) => outcome !== "failed").length;
}
