import { systemClock } from "../kube/clock.ts";
import { Resources } from "../kube/resource.ts";
import { ApiClient, loadKubeConfig } from "../kube/transport.ts";
import type { Logger } from "../telemetry/log.ts";
import { check } from "./check.ts";
import { parseCheck, parseUninstall } from "./settings.ts";
import { uninstall } from "./uninstall.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `zenith uninstall`: what the chart runs before it goes.
 * @returns the exit code
 * @throws SettingsError, ApiError */
export async function runUninstall(args: readonly string[], environment: Environment, log: Logger): Promise<number> {
  const settings = parseUninstall(args, environment);
  const client = new ApiClient(() => loadKubeConfig(settings.kubeconfig), { userAgent: "zenith-uninstall" });
  try {
    await uninstall(settings, { resources: new Resources(client), clock: systemClock, log });
    return 0;
  } finally {
    await client.close();
  }
}

/** `zenith check`: what `helm test` runs. Prints a line for each finding.
 * @returns the exit code: 0 where all is as it should be
 * @throws SettingsError, ApiError */
export async function runCheck(args: readonly string[], environment: Environment): Promise<number> {
  const settings = parseCheck(args, environment);
  const client = new ApiClient(() => loadKubeConfig(settings.kubeconfig), { userAgent: "zenith-check" });
  try {
    const serverNow = () => client.serverNow();
    const findings = await check(settings, { resources: new Resources(client), clock: systemClock, serverNow });
    for (const { ok, what, saw } of findings) process.stdout.write(`${ok ? "ok    " : "FAILED"}  ${what}: ${saw}\n`);
    return findings.every(({ ok }) => ok) ? 0 : 1;
  } finally {
    await client.close();
  }
}
