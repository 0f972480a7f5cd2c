import { join } from "node:path";
import { run } from "./cluster.ts";
import { goTool } from "./go-tool.ts";
import { ROOT } from "./playground.ts";

/** What stands for Argo CD: a small program around the Lua and the jq that it uses. Go may have to build it first, which takes
 * minutes. */
export const argoCd = () => goTool(join(ROOT, "test/cluster/argo-cd"));

/** Runs a script on an object, as Argo CD runs health checks and actions.
 * @param script path of the file
 * @throws Error with what Lua complains of */
export async function runLua(script: string, object: unknown): Promise<unknown> {
  return await ask(["lua", script], object);
}

/** The object as Argo CD compares it: without what `ignoreDifferences` names by jq. */
export async function without(jqPathExpressions: readonly string[], object: unknown): Promise<unknown> {
  return await ask(["ignore", ...jqPathExpressions], object);
}

async function ask(args: readonly string[], object: unknown): Promise<unknown> {
  const { code, stdout, stderr } = await run(await argoCd(), args, { input: JSON.stringify(object) });
  if (code !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout) as unknown;
}
