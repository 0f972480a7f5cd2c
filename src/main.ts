import { CommanderError } from "commander";
import { ConfigError, parseConfig } from "./config.ts";
import { SettingsError } from "./install/settings.ts";
import { systemClock } from "./kube/clock.ts";
import { createLog, type Logger } from "./telemetry/log.ts";

const USAGE = `Usage: zenith ROLE [flags]

  operator   watches Rollouts, shifts their traffic, judges and takes back
  flags      watches FeatureFlags and serves them to OpenFeature SDKs; flags token makes a token for browsers
  uninstall  brings releases to rest and lets go of every Rollout; the chart runs it before it goes
  check      looks at an install from the inside; helm test runs it

zenith operator --help and zenith flags --help list the flags.
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
  // A role loads what it needs, and nothing of the others.
  if (role === "check") return await (await import("./install/run.ts")).runCheck(args, process.env);
  if (role === "uninstall") {
    const { runUninstall } = await import("./install/run.ts");
    return await runUninstall(args, process.env, createLog("info", "json"));
  }
  if (role === "flags" && args[0] === "token") {
    const { makeToken } = await import("./flags-token.ts");
    process.stdout.write(`${await makeToken(args.slice(1), process.env, systemClock.now())}\n`);
    return 0;
  }
  switch (role) {
    case "operator": {
      const config = parseConfig(args, process.env);
      const log = createLog(config.logLevel, config.logFormat);
      const { runOperator } = await import("./operator.ts");
      return await runOperator(config, log, whenStopped(log));
    }
    case "flags": {
      const { parseFlagsConfig } = await import("./flags-config.ts");
      const config = parseFlagsConfig(args, process.env);
      const log = createLog(config["log-level"], config["log-format"]);
      const { runFlags } = await import("./flags-server.ts");
      return await runFlags(config, log, whenStopped(log));
    }
    default:
      return refuse(`"${role}" is no role; ${USAGE}`);
  }
}

/** Aborted by a signal; the second one forces. What nothing handles ends the process: half of it must not go on. */
function whenStopped(log: Logger): AbortSignal {
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
  return stop.signal;
}

// Whoever reads along may leave first: `zenith operator --help | head`. The log has a way of its own.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });

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
