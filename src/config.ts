import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { parse as parseYaml } from "yaml";
import { z } from "zod";

/** How the operator is told what to do: flags, the same names in the environment, and a file, in that order of precedence.
 * One schema says what is accepted wherever it stands, and every refusal says where it stood. */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const ADDRESS = /^([^\s:]*|\[[0-9a-f:.]+\]):([0-9]{1,5})$/i;

const refusing = (accepted: string) => ({ error: `must be ${accepted}` });
const text = z.string(refusing("text")).min(1, refusing("not empty"));
const path = text;
const namespace = z.string(refusing("a namespace")).regex(DNS_LABEL, refusing("a namespace's name"));
const namespaces = z
  .preprocess(splitList, z.array(namespace, refusing("a list of namespaces, separated by commas")))
  .transform((names) => [...new Set(names)]);
const address = z
  .string(refusing("host:port or :port, or 0 to turn it off"))
  .refine(isAddress, refusing("host:port or :port, or 0 to turn it off"));
const url = z
  .string(refusing("an http(s) address"))
  .refine(isPlainUrl, refusing("an http(s) address, without credentials, query or fragment"));
const bool = z.preprocess(
  (value) => (value === "true" ? true : value === "false" ? false : value),
  z.boolean(refusing("true or false")),
);
const oneOf = <const T extends readonly string[]>(...values: T) => z.enum(values, refusing(values.join(", ")));

function count(most: number) {
  const accepted = refusing(`a whole number from 1 to ${most}`);
  const fromText = (value: unknown) => (typeof value === "string" && /^[0-9]+$/.test(value) ? Number(value) : value);
  return z.preprocess(fromText, z.int(accepted).min(1, accepted).max(most, accepted));
}

function splitList(value: unknown): unknown {
  if (typeof value !== "string") return value;
  return value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function isAddress(value: string): boolean {
  if (value === "0") return true;
  const port = ADDRESS.exec(value)?.[2];
  return port !== undefined && Number(port) <= 65_535;
}

function isPlainUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username + password + search + hash === "";
}

const schema = z.strictObject({
  kubeconfig: path.optional().describe("kubeconfig file (default: in-cluster, then KUBECONFIG)"),
  namespaces: namespaces.default([]).describe("namespaces to watch, separated by commas; none: all"),
  "prometheus-url": url.optional().describe("Prometheus that releases are judged by"),
  "prometheus-bearer-token-file": path.optional().describe("file with a bearer token for Prometheus; re-read"),
  "prometheus-basic-auth-file": path.optional().describe("file with user:password for Prometheus; re-read"),
  "prometheus-headers-file": path.optional().describe("file with one Name: value a line for Prometheus; re-read"),
  "prometheus-ca-file": path.optional().describe("CA certificates that Prometheus is verified by; re-read"),
  "prometheus-cert-file": path.optional().describe("client certificate for Prometheus; re-read"),
  "prometheus-key-file": path.optional().describe("key of the client certificate; re-read"),
  "metrics-bind-address": address.default(":8080").describe("where /metrics is served; 0: nowhere"),
  "health-probe-bind-address": address.default(":8081").describe("where /healthz and /readyz are served; 0: nowhere"),
  "leader-elect": bool.default(true).describe("hold a Lease, so that only one of several operators acts"),
  "leader-election-namespace": namespace.default("zenith-system").describe("namespace of the Lease"),
  "max-concurrent-reconciles": count(256).default(8).describe("Rollouts looked at at once, 1 to 256"),
  "log-level": oneOf("debug", "info", "warn", "error").default("info").describe("debug, info, warn or error"),
  "log-format": oneOf("json", "text").default("json").describe("json or text"),
});
const KEYS = Object.keys(schema.shape) as (keyof typeof schema.shape)[];
const SWITCHES: readonly string[] = ["leader-elect"];

export interface Config {
  readonly kubeconfig?: string;
  /** Empty: all. */
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
  /** `host:port`, `:port`, or `0` for nowhere. */
  readonly metricsBindAddress: string;
  readonly healthProbeBindAddress: string;
  readonly leaderElect: boolean;
  readonly leaderElectionNamespace: string;
  readonly maxConcurrentReconciles: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "json" | "text";
}

/** Settings that are not accepted: a line for each, with the flag, the value, where it stood, and what is accepted. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

interface Given {
  readonly value: unknown;
  readonly from: string; // "the flag", "ZENITH_LOG_LEVEL", "settings.yaml"
}
type Settings = ReadonlyMap<string, Given>;

/** Reads the settings of `zenith operator`.
 * @param args what stands behind `operator`
 * @param environment `ZENITH_<NAME>`, upper case with underscores; empty counts as not given, as templates write it
 * @param read gives the text of the file that `--config` names
 * @throws ConfigError, or CommanderError with `commander.helpDisplayed` after `--help`
 * @example parseConfig(["--leader-elect=false"], { ZENITH_LOG_LEVEL: "debug" }) */
export function parseConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  read = (path: string) => readFileSync(path, "utf8"),
): Config {
  const { config: file, ...flags } = parseFlags(args);
  const given: Settings = new Map([
    ...(file === undefined ? [] : fromFile(String(file), read)),
    ...fromEnvironment(environment),
    ...Object.entries(flags).map(([key, value]) => [key, { value, from: "the flag" }] as const),
  ]);
  const parsed = schema.safeParse(Object.fromEntries([...given].map(([key, { value }]) => [key, value])));
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => sentenceOf(issue, given)).join("\n"));
  const conflicts = conflictsOf(parsed.data);
  if (conflicts.length > 0) throw new ConfigError(conflicts.join("\n"));
  return configOf(parsed.data);
}

function parseFlags(args: readonly string[]): Readonly<Record<string, unknown>> {
  const command = new Command("zenith operator")
    .description("Watches Rollouts, shifts their traffic, judges and takes back.")
    .usage("[flags]")
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .option("--config <file>", "YAML file with these settings, by the same names")
    .addHelpText("after", "\nEach is also read from the environment: --log-level from ZENITH_LOG_LEVEL.");
  for (const key of KEYS) {
    const field = schema.shape[key];
    const value = SWITCHES.includes(key) ? "[true|false]" : "<value>";
    command.option(`--${key} ${value}`, `${field.description ?? ""}${defaultOf(field)}`);
  }
  try {
    command.parse(args.map(bareIfUnknown), { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.code === "commander.helpDisplayed") throw error;
    throw new ConfigError(error instanceof Error ? error.message.replace(/^error: /, "") : String(error));
  }
  const options = command.opts<Record<string, unknown>>();
  const given = ["config", ...KEYS].map((key) => [key, options[camelCase(key)]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** Commander finds the flag that was meant only where no value hangs on the one that was given. */
function bareIfUnknown(argument: string): string {
  const key = /^--([^=]+)=/.exec(argument)?.[1];
  return key === undefined || key === "config" || key in schema.shape ? argument : `--${key}`;
}

function defaultOf(field: z.ZodType): string {
  if (!(field instanceof z.ZodDefault)) return "";
  const { defaultValue } = field.def;
  return Array.isArray(defaultValue) ? "" : ` (default: ${String(defaultValue)})`;
}

function camelCase(key: string): string {
  return key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Only names that we know: the kubelet puts variables of a Service called "zenith" beside ours. */
function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): [string, Given][] {
  return KEYS.flatMap((key) => {
    const from = `ZENITH_${key.toUpperCase().replaceAll("-", "_")}`;
    const value = environment[from];
    return value === undefined || value === "" ? [] : [[key, { value, from }]];
  });
}

function fromFile(file: string, read: (path: string) => string): [string, Given][] {
  try {
    const value: unknown = parseYaml(read(file), { maxAliasCount: 10 });
    if (value === null || value === undefined) return [];
    if (typeof value !== "object" || Array.isArray(value)) throw new Error("it must hold settings by name");
    return Object.entries(value).map(([key, entry]) => [key, { value: entry, from: file }]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`--config: cannot read ${JSON.stringify(file)}: ${reason}`);
  }
}

function sentenceOf(issue: z.core.$ZodIssue, given: Settings): string {
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => `"${key}" in ${given.get(key)?.from}`).join(", ");
    return `${names} is no setting; known are ${KEYS.join(", ")}`;
  }
  const key = String(issue.path[0]);
  const { value, from } = given.get(key) ?? { value: undefined, from: "the flag" };
  return `--${key} ${issue.message} (got ${withoutCredentials(JSON.stringify(value))} from ${from})`;
}

/** What is refused is shown, in logs too: a password in an address is not. */
function withoutCredentials(shown: string): string {
  return shown.replace(/[^/"\s]*@/, "***@");
}

type Values = z.output<typeof schema>;

/** What no single setting can tell. */
function conflictsOf(values: Values): string[] {
  const has = (key: keyof Values) => values[key] !== undefined;
  const conflicts: string[] = [];
  if (has("prometheus-cert-file") !== has("prometheus-key-file"))
    conflicts.push("--prometheus-cert-file and --prometheus-key-file must be given together");
  if (has("prometheus-bearer-token-file") && has("prometheus-basic-auth-file"))
    conflicts.push("--prometheus-bearer-token-file and --prometheus-basic-auth-file exclude each other; give one");
  const lost = KEYS.filter((key) => key.startsWith("prometheus-") && key !== "prometheus-url" && has(key));
  if (lost.length > 0 && !has("prometheus-url"))
    conflicts.push(`--${lost[0]} is of no use without --prometheus-url; give both or neither`);
  return conflicts;
}

function configOf(values: Values): Config {
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
