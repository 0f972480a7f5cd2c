import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { ROOT } from "./playground.ts";

/** Makes a folder for a person's PATH: kubectl and helm as the cluster was built with, and `kubectl zenith` from the sources, by the
 * Node that the project brings.
 * @returns the folder; it goes with the cluster */
export function toolboxOf(cluster: Pick<Cluster, "binaries" | "path">): string {
  const folder = cluster.path("bin");
  mkdirSync(folder, { recursive: true });
  for (const name of ["kubectl", "helm"] as const) symlinkSync(cluster.binaries[name], join(folder, name));
  const plugin = [process.execPath, "--disable-warning=ExperimentalWarning", join(ROOT, "src/cli/main.ts")];
  const script = `#!/bin/sh\nexec ${plugin.map(quoted).join(" ")} "$@"\n`;
  writeFileSync(join(folder, "kubectl-zenith"), script, { mode: 0o755 });
  return folder;
}

/** As a shell reads it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
