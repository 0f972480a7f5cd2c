import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { ROOT } from "./playground.ts";
import { claimPorts } from "./ports.ts";
import { type Running, start } from "./processes.ts";
import { isWell, untilReady } from "./readiness.ts";

export interface FlagServerPorts {
  readonly ofrep: number;
  readonly evaluation: number;
  readonly sync: number;
  readonly management: number;
}

export interface FlagServer {
  readonly running: Running;
  readonly ports: FlagServerPorts;
  readonly ofrepUrl: string;
  readonly managementUrl: string;
  readonly logFile: string;
  /** Lines of its log so far, parsed. */
  log(): Record<string, unknown>[];
}

export interface FlagServerOptions {
  readonly entry?: string;
  /** Of an earlier one, that its clients know. */
  readonly ports?: FlagServerPorts;
  /** Resolves although it is not ready yet. */
  readonly mayWait?: boolean;
}

export async function flagServerPorts(): Promise<FlagServerPorts> {
  const [ofrep = 0, evaluation = 0, sync = 0, management = 0] = await claimPorts(4);
  return { ofrep, evaluation, sync, management };
}

/** Starts `zenith flags`, as a process of its own, with the admin's rights unless `flags` say otherwise; resolves once it is ready. */
export async function startFlagServer(
  cluster: Cluster,
  flags: readonly string[] = [],
  options: FlagServerOptions = {},
): Promise<FlagServer> {
  const { entry = join(ROOT, "src/main.ts"), ports = await flagServerPorts(), mayWait = false } = options;
  const logFile = cluster.path(`flags-${ports.management}-${Date.now()}.log`);
  const defaults = [
    `--kubeconfig=${cluster.kubeconfig}`,
    ...Object.entries(ports).map(([name, port]) => `--${name}-bind-address=127.0.0.1:${port}`),
    "--drain-seconds=1",
  ].filter((flag) => !flags.some((own) => own.startsWith(`${flag.split("=")[0]}=`)));
  // As in the manifests.
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--max-semi-space-size=2",
    entry,
    "flags",
    ...defaults,
    ...flags,
  ];
  const running = await start(process.execPath, args, { logFile });
  const managementUrl = `http://127.0.0.1:${ports.management}`;
  if (!mayWait) await untilReady("The flag server", { running, logFile }, () => isWell(`${managementUrl}/readyz`));
  return {
    running,
    ports,
    ofrepUrl: `http://127.0.0.1:${ports.ofrep}`,
    managementUrl,
    logFile,
    log: () =>
      readFileSync(logFile, "utf8")
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}
