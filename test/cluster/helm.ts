import { join } from "node:path";
import { type Binaries, ensureBinaries } from "./binaries.ts";
import { type Cluster, type CommandResult, run } from "./cluster.ts";
import { ROOT } from "./playground.ts";

export const CHART = join(ROOT, "charts/zenith");

/** The real Helm 4. */
export async function helm(
  args: readonly string[],
  { cluster, user }: { cluster?: Cluster; user?: string } = {},
): Promise<CommandResult> {
  const binaries: Binaries = await ensureBinaries();
  if (cluster === undefined) return await run(binaries.helm, args);
  const kubeconfig = user === undefined ? cluster.kubeconfig : cluster.userKubeconfig(user);
  return await run(binaries.helm, args, { env: { ...helmHomes(cluster), KUBECONFIG: kubeconfig } });
}

/** Where Helm keeps files of its own: in the cluster's folder, not in the user's. */
export function helmHomes(cluster: Pick<Cluster, "path">): Record<string, string> {
  const kinds = ["cache", "config", "data"];
  return Object.fromEntries(kinds.map((kind) => [`HELM_${kind.toUpperCase()}_HOME`, cluster.path(`helm/${kind}`)]));
}
