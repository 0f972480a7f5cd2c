import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./playground.ts";

/*
 * What an upgrade comes from: an earlier commit's sources and chart, run beside today's.
 *
 * That commit is the parent of the last one that changed what is installed: after a change of the docs alone HEAD~1 would hold
 * the very same sources, and show nothing. Where there is no such commit to be read, today's tree has to stand in for it, so that
 * the rest of the chart's life is still seen; tests say so, by a skip with the reason, as what they then show is no upgrade.
 */

/** What is installed, and what its sources need to run. */
const INSTALLED = ["src", "charts"];
const CONTENTS = [...INSTALLED, "package.json"];

export type Earlier =
  | { readonly kind: "commit"; readonly commit: string }
  | { readonly kind: "missing"; readonly why: string };

/** Finds the commit that an upgrade comes from.
 * @param named a commit to come from instead
 * @throws Error where the named commit cannot be run */
export function findEarlier(named = process.env.UPGRADE_FROM ?? ""): Earlier {
  const found = named === "" ? parentOfLastChange() : commitOf(named);
  if (named !== "" && found.kind === "missing") throw new Error(`UPGRADE_FROM is ${named}, but ${found.why}`);
  return found;
}

/** Unpacks a commit's sources and chart into a folder, with today's packages. */
export function unpackTree(commit: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const archive = execFileSync("git", ["-C", ROOT, "archive", commit, ...CONTENTS], { maxBuffer: 1 << 30 });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

function parentOfLastChange(): Earlier {
  // Unpacked inside someone else's repository, ours would be searched in theirs.
  const top = git("rev-parse", "--show-toplevel");
  if (top === undefined || realpathSync(top) !== realpathSync(ROOT)) return missing("there is no Git history here");
  const last = git("rev-list", "--max-count=1", "HEAD", "--", ...INSTALLED);
  return commitOf(`${last}~1`);
}

function commitOf(name: string): Earlier {
  const commit = git("rev-parse", "--verify", "--quiet", `${name}^{commit}`);
  if (commit === undefined) return missing("the history here does not reach back to it");
  const { dependencies } = JSON.parse(git("show", `${commit}:package.json`) ?? "{}") as { dependencies?: object };
  const gone = Object.keys(dependencies ?? {}).filter((name) => !existsSync(join(ROOT, "node_modules", name)));
  if (gone.length > 0) return missing(`${commit.slice(0, 7)} needs packages that have left: ${gone.join(", ")}`);
  return { kind: "commit", commit };
}

function missing(why: string): Earlier {
  return { kind: "missing", why };
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}
