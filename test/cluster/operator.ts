import { readFileSync } from "node:fs";
import type { Cluster } from "./cluster.ts";
import { claimPorts } from "./ports.ts";
import { type Running, start } from "./processes.ts";
import { untilReady } from "./readiness.ts";

/** The operator as it is deployed, a process of its own, as the cluster's admin; resolves once it leads.
 * @param flags beside those that let several run on one machine */
export async function startOperator(cluster: Cluster, flags: readonly string[] = []): Promise<Running> {
  const [metrics = 0, health = 0] = await claimPorts(2);
  const logFile = cluster.path(`operator-${metrics}.log`);
  const own = [
    `--kubeconfig=${cluster.kubeconfig}`,
    `--metrics-bind-address=127.0.0.1:${metrics}`,
    `--health-probe-bind-address=127.0.0.1:${health}`,
    "--leader-elect=false",
  ];
  const running = await start(process.execPath, ["src/main.ts", "operator", ...own, ...flags], { logFile });
  const leads = async () => readFileSync(logFile, "utf8").includes('"leading"');
  await untilReady("The operator", { running, logFile }, leads);
  return running;
}
