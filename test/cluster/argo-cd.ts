import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./binaries.ts";
import { run } from "./cluster.ts";
import { ROOT } from "./playground.ts";

const SOURCES = join(ROOT, "test/cluster/argo-cd");

/** Builds what stands for Argo CD, once: a small program around the Lua and the jq that it uses. */
async function program(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of ["go.mod", "go.sum", "main.go"]) hash.update(readFileSync(join(SOURCES, name)));
  const path = join(cacheFolder(), `argo-cd-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(path)) return path;
  mkdirSync(cacheFolder(), { recursive: true });
  const scratch = `${path}.${process.pid}`;
  const { code, stderr } = await run("go", ["build", "-o", scratch, "."], { cwd: SOURCES, env: { CGO_ENABLED: "0" } });
  if (code !== 0) throw new Error(`Argo CD's Lua and jq do not build: ${stderr.slice(-1_000)}`);
  renameSync(scratch, path);
  return path;
}

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
  const { code, stdout, stderr } = await run(await program(), args, { input: JSON.stringify(object) });
  if (code !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout) as unknown;
}
