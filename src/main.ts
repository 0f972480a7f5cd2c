import { CommanderError } from "commander";
import { ConfigError, parseConfig } from "./config.ts";
import { runCheck, runUninstall } from "./install/run.ts";
import { SettingsError } from "./install/settings.ts";
import { runOperator } from "./operator.ts";
import { createLog } from "./telemetry/log.ts";

const USAGE = `Usage: zenith ROLE [flags]

  operator   watches Rollouts, shifts their traffic, judges and takes back
  uninstall  brings releases to rest and lets go of every Rollout; the chart runs it before it goes
  check      looks at an install from the inside; helm test runs it

zenith operator --help lists the flags.
`;

/** Ends with a sentence and the code of a wrong use. */
function refuse(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

async function main([role, ...args]: readonly string[]): Promise<number> {
  if (Number.parseInt(process.versions.node, 10) < 24)
    refuse(`Zenith needs Node 24 or later (found ${process.version}); start it with npm run zenith -- operator`);
  if (role === undefined || role === "--help" || role === "-h") {
    process.stdout.write(USAGE);
    return role === undefined ? 2 : 0;
  }
  if (role === "check") return await runCheck(args, process.env);
  if (role === "uninstall") return await runUninstall(args, process.env, createLog("info", "json"));
  if (role !== "operator") refuse(`"${role}" is no role; ${USAGE}`);
  const config = parseConfig(args, process.env);
  const log = createLog(config.logLevel, config.logFormat);
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1); // The second one forces.
      stop.abort();
    });
  }
  process.on("unhandledRejection", (error) => {
    log.error({ error: error instanceof Error ? error.stack : String(error) }, "a fault that nothing handled; ending");
    process.exit(1);
  });
  return await runOperator(config, log, stop.signal);
}

try {
  const code = await main(process.argv.slice(2));
  process.exit(code); // Whatever is still open: who lost the Lease ends now.
} catch (error) {
  if (error instanceof ConfigError || error instanceof SettingsError) refuse(error.message);
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
