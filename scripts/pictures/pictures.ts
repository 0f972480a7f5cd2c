import { styleFor } from "../../src/cli/io.ts";
import { renderReport } from "../../src/cli/render/report.ts";
import { renderTree } from "../../src/cli/render/tree.ts";
import { NOW_MS, REPORTED, TREE } from "./shop.ts";
import { terminalPicture } from "./terminal.ts";

/** The pictures of the README, by path: what `kubectl zenith` shows at a terminal, drawn by its own code. */
export function pictures(): Record<string, string> {
  const style = styleFor({ isTerminal: true, environment: { LANG: "C.UTF-8", TERM: "xterm" } }, true);
  const report = REPORTED.status?.report;
  if (report === undefined) throw new Error("The Rollout of the picture has a report");
  return {
    "docs/pictures/get.svg": terminalPicture(
      "kubectl zenith get web -n production --watch",
      renderTree(TREE, NOW_MS, style),
    ),
    "docs/pictures/report.svg": terminalPicture(
      "kubectl zenith report web -n production",
      renderReport(REPORTED, report, style),
    ),
  };
}
