import { join } from "node:path";
import { type Binaries, ensureBinaries } from "./binaries.ts";
import { type Cluster, type CommandResult, run } from "./cluster.ts";
import { ROOT } from "./playground.ts";

export const CHART = join(ROOT, "charts/zenith");

/** The real Helm 4. Its own files lie in the cluster's folder, not in the user's. */
export async function helm(
  args: readonly string[],
  { cluster, user }: { cluster?: Cluster; user?: string } = {},
): Promise<CommandResult> {
  const binaries: Binaries = await ensureBinaries();
  if (cluster === undefined) return await run(binaries.helm, args);
  const kubeconfig = user === undefined ? cluster.kubeconfig : cluster.userKubeconfig(user);
  const home = (name: string) => cluster.path(`helm/${name}`);
  const env = {
    HELM_CACHE_HOME: home("cache"),
    HELM_CONFIG_HOME: home("config"),
    HELM_DATA_HOME: home("data"),
    KUBECONFIG: kubeconfig,
  };
  return await run(binaries.helm, args, { env });
}
