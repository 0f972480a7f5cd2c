import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, kubeConfigOf, type Seen, startScriptedServer } from "../kube/scripted-server.ts";
import { type Ran, runOffline } from "./terminal.ts";

/** Runs a command line in this process, against an API server that plays these answers.
 * @returns what came of it, and every request that was made */
export async function runScripted(
  answer: Answer,
  argv: readonly string[],
): Promise<Ran & { readonly seen: readonly Seen[] }> {
  const server = await startScriptedServer();
  const folder = mkdtempSync(join(tmpdir(), "zenith-scripted-"));
  try {
    server.play(answer);
    const config = join(folder, "kubeconfig");
    writeFileSync(config, kubeConfigOf(server.url).exportConfig());
    return { ...(await runOffline([...argv, "-n", "shop", "--kubeconfig", config])), seen: server.seen };
  } finally {
    rmSync(folder, { recursive: true });
    await server.stop();
  }
}

/** A list, as the API server gives it. */
export function listOf(...items: readonly unknown[]): unknown {
  return { metadata: { resourceVersion: "7" }, items };
}

export const PATHS = {
  rollout: "/apis/zenith.sh/v1alpha1/namespaces/shop/rollouts/web",
  leases: "/apis/coordination.k8s.io/v1/leases",
  deployments: "/apis/apps/v1/namespaces/shop/deployments",
  deployment: "/apis/apps/v1/namespaces/shop/deployments/web",
} as const;
