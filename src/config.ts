import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { parse as parseYaml } from "yaml";
import { z } from "zod";

/** How the operator is told what to do: flags, the same names in the environment, and a file, in that order of precedence. */
const ADDRESS = /^([^\s:]*|\[[0-9a-f:]+\]):[0-9]{1,5}$/i;
const address = z
  .string()
  .refine(
    (text) => text === "" || text === "0" || ADDRESS.test(text),
    "must read host:port or :port, or 0 to turn it off",
  );
const list = z.union([
  z.array(z.string()),
  z.string().transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ),
]);
const bool = z.union(
  [z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")],
  "must be true or false",
);
const count = (most: number) =>
  z.coerce
    .number(`must be a whole number from 1 to ${most}`)
    .int(`must be a whole number from 1 to ${most}`)
    .min(1, `must be from 1 to ${most}`)
    .max(most, `must be from 1 to ${most}`);
const url = z
  .string()
  .refine((text) => /^https?:\/\/[^\s/@]+/.test(text), "must be an http(s) address without credentials");
const file = z.string().min(1).optional();

const schema = z.strictObject({
  kubeconfig: file.describe("kubeconfig file (default: in-cluster, then KUBECONFIG)"),
  namespaces: list.default([]).describe("namespaces to watch; empty means all"),
  "prometheus-url": url.optional().describe("Prometheus that releases are judged by"),
  "prometheus-bearer-token-file": file.describe("file with a bearer token for Prometheus; re-read"),
  "prometheus-basic-auth-file": file.describe("file with user:password for Prometheus; re-read"),
  "prometheus-headers-file": file.describe("file with one Name: value a line, sent to Prometheus; re-read"),
  "prometheus-ca-file": file.describe("CA certificates that Prometheus is verified by"),
  "prometheus-cert-file": file.describe("client certificate for Prometheus"),
  "prometheus-key-file": file.describe("key of the client certificate"),
  "metrics-bind-address": address.default(":8080").describe("where /metrics is served"),
  "health-probe-bind-address": address.default(":8081").describe("where /healthz and /readyz are served"),
  "leader-elect": bool.default(true).describe("hold a Lease, so that only one of several operators acts"),
  "leader-election-namespace": z.string().default("zenith-system").describe("namespace of the Lease"),
  "max-concurrent-reconciles": count(256).default(8).describe("passes at once"),
  "log-level": z
    .enum(["debug", "info", "warn", "error"], "must be debug, info, warn or error")
    .default("info")
    .describe("least level that is logged"),
  "log-format": z.enum(["json", "text"], "must be json or text").default("json").describe("how lines are written"),
});

export interface Config {
  readonly kubeconfig?: string;
  readonly namespaces: readonly string[];
  readonly prometheus: {
    readonly url?: string;
    readonly bearerTokenFile?: string;
    readonly basicAuthFile?: string;
    readonly headersFile?: string;
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
  readonly metricsBindAddress: string;
  readonly healthProbeBindAddress: string;
  readonly leaderElect: boolean;
  readonly leaderElectionNamespace: string;
  readonly maxConcurrentReconciles: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "json" | "text";
}

/** A setting that is not accepted: the message names the flag, the value and what is accepted. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Values = Readonly<Record<string, unknown>>;

/** Reads the settings of `zenith operator`.
 * @param args what stands behind `operator`
 * @throws ConfigError */
export function parseConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  read = (path: string) => readFileSync(path, "utf8"),
): Config {
  const flags = parseFlags(args);
  const { config: path, ...given } = flags;
  const fromFile = typeof path === "string" ? fileValues(path, read) : {};
  const fromEnvironment = Object.fromEntries(
    Object.keys(schema.shape).flatMap((key) => {
      const value = environment[`ZENITH_${key.toUpperCase().replaceAll("-", "_")}`];
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
  const merged: Values = { ...fromFile, ...fromEnvironment, ...given };
  const parsed = schema.safeParse(merged);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => sentenceOf(issue, merged)).join("\n"));
  return configOf(parsed.data);
}

function sentenceOf(issue: z.core.$ZodIssue, values: Values): string {
  if (issue.code === "unrecognized_keys")
    return `${issue.keys.map((key) => `"${key}"`).join(", ")} is no setting; known are ${Object.keys(schema.shape).join(", ")}`;
  const key = String(issue.path[0]);
  return `--${key}: ${issue.message} (got ${JSON.stringify(values[key])})`;
}

function fileValues(path: string, read: (path: string) => string): Values {
  try {
    const value: unknown = parseYaml(read(path), { maxAliasCount: 10 });
    if (value === null || value === undefined) return {};
    if (typeof value !== "object" || Array.isArray(value)) throw new Error("it must hold settings by name");
    return value as Values;
  } catch (error) {
    throw new ConfigError(
      `--config: cannot read ${JSON.stringify(path)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function parseFlags(args: readonly string[]): Values {
  const command = new Command("operator")
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined });
  command
    .description("Watches Rollouts and moves their traffic.")
    .option("--config <file>", "YAML file with these settings, by the same names");
  for (const [key, field] of Object.entries(schema.shape)) command.option(`--${key} [value]`, field.description ?? "");
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.code === "commander.helpDisplayed") throw error;
    throw new ConfigError(error instanceof Error ? error.message.replace(/^error: /, "") : String(error));
  }
  const options = command.opts<Record<string, unknown>>();
  return Object.fromEntries(
    ["config", ...Object.keys(schema.shape)].flatMap((key) =>
      options[camel(key)] === undefined ? [] : [[key, options[camel(key)]] as const],
    ),
  );
}

function camel(key: string): string {
  return key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function configOf(values: z.output<typeof schema>): Config {
  const prometheus = {
    url: values["prometheus-url"],
    bearerTokenFile: values["prometheus-bearer-token-file"],
    basicAuthFile: values["prometheus-basic-auth-file"],
    headersFile: values["prometheus-headers-file"],
    caFile: values["prometheus-ca-file"],
    certFile: values["prometheus-cert-file"],
    keyFile: values["prometheus-key-file"],
  };
  return {
    ...(values.kubeconfig === undefined ? {} : { kubeconfig: values.kubeconfig }),
    namespaces: values.namespaces,
    prometheus: Object.fromEntries(Object.entries(prometheus).filter(([, value]) => value !== undefined)),
    metricsBindAddress: values["metrics-bind-address"],
    healthProbeBindAddress: values["health-probe-bind-address"],
    leaderElect: values["leader-elect"],
    leaderElectionNamespace: values["leader-election-namespace"],
    maxConcurrentReconciles: values["max-concurrent-reconciles"],
    logLevel: values["log-level"],
    logFormat: values["log-format"],
  };
}
