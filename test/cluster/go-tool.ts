import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheFolder } from "./binaries.ts";
import { run } from "./cluster.ts";

/** Builds a Go program once for each state of its module, and keeps it where the other binaries are.
 * @param folder of the module
 * @param target what is built: "." for the module's own, or a package that it requires
 * @returns the program's path
 * @throws Error with the end of what Go said */
export async function goTool(folder: string, target = "."): Promise<string> {
  const hash = createHash("sha256").update(target);
  for (const name of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, name)));
  const path = join(cacheFolder(), `${basename(folder)}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(path)) return path;
  mkdirSync(cacheFolder(), { recursive: true });
  const scratch = `${path}.${process.pid}`;
  const { code, stderr } = await run("go", ["build", "-o", scratch, target], {
    cwd: folder,
    env: { CGO_ENABLED: "0" },
  });
  if (code !== 0) throw new Error(`${basename(folder)} does not build: ${stderr.slice(-1_000)}`);
  renameSync(scratch, path);
  return path;
}
