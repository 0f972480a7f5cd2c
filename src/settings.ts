import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { parse as parseYaml } from "yaml";
import * as z from "zod";

/** How a role is told what to do: flags, the same names in the environment, and a file, in that order of precedence. One schema
 * of a role says what is accepted wherever it stands, and every refusal says where it stood. */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const ADDRESS = /^([^\s:]*|\[[0-9a-f:.]+\]):([0-9]{1,5})$/i;

export const refusing = (accepted: string) => ({ error: `must be ${accepted}` });
export const text = z.string(refusing("text")).min(1, refusing("not empty"));
export const path = text;
export const namespace = z.string(refusing("a namespace")).regex(DNS_LABEL, refusing("a namespace's name"));
export const namespaces = z
  .preprocess(splitList, z.array(namespace, refusing("a list of namespaces, separated by commas")))
  .transform((names) => [...new Set(names)]);
export const address = z
  .string(refusing("host:port or :port, or 0 to turn it off"))
  .refine(isAddress, refusing("host:port or :port, or 0 to turn it off"));
export const url = z
  .string(refusing("an http(s) address"))
  .refine(isPlainUrl, refusing("an http(s) address, without credentials, query or fragment"));
export const origins = z.preprocess(
  splitList,
  z.array(
    z
      .string(refusing("text"))
      .refine(isOrigin, refusing("* or origins such as https://shop.example, separated by commas")),
    refusing("a list of origins, separated by commas"),
  ),
);
export const bool = z.preprocess(
  (value) => (value === "true" ? true : value === "false" ? false : value),
  z.boolean(refusing("true or false")),
);
export const oneOf = <const T extends readonly string[]>(...values: T) => z.enum(values, refusing(values.join(", ")));

export function count(most: number) {
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

function isOrigin(value: string): boolean {
  return value === "*" || (isPlainUrl(value) && new URL(value).origin === value);
}

function isPlainUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username + password + search + hash === "";
}

/** What every role is asked. */
export const common = {
  kubeconfig: path.optional().describe("kubeconfig file (default: in-cluster, then KUBECONFIG)"),
  namespaces: namespaces.default([]).describe("namespaces to watch, separated by commas; none: all"),
  "log-level": oneOf("debug", "info", "warn", "error").default("info").describe("debug, info, warn or error"),
  "log-format": oneOf("json", "text").default("json").describe("json or text"),
};

/** Settings that are not accepted: a line for each, with the flag, the value, where it stood, and what is accepted. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

interface Given {
  readonly value: unknown;
  readonly from: string; // "the flag", "ZENITH_LOG_LEVEL", "settings.yaml"
}
type Settings = ReadonlyMap<string, Given>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** A role's settings: its schema, and what no single one of them can tell. */
export interface Role<S extends z.ZodObject> {
  /** As in `zenith operator`. */
  readonly name: string;
  readonly description: string;
  readonly schema: S;
  /** Those that may stand alone: `--leader-elect`. */
  readonly switches?: readonly string[];
  conflictsOf?(values: z.output<S>): string[];
}

/** Reads the settings of a role.
 * @param args what stands behind its name
 * @param environment `ZENITH_<NAME>`, upper case with underscores; empty counts as not given, as templates write it
 * @param read gives the text of the file that `--config` names
 * @throws ConfigError, or CommanderError with `commander.helpDisplayed` after `--help` */
export function readSettings<S extends z.ZodObject>(
  role: Role<S>,
  args: readonly string[],
  environment: Environment,
  read = (path: string) => readFileSync(path, "utf8"),
): z.output<S> {
  const { config: file, ...flags } = parseFlags(role, args);
  const keys = Object.keys(role.schema.shape);
  const given: Settings = new Map([
    ...(file === undefined ? [] : fromFile(String(file), read)),
    ...fromEnvironment(keys, environment),
    ...Object.entries(flags).map(([key, value]) => [key, { value, from: "the flag" }] as const),
  ]);
  const parsed = role.schema.safeParse(Object.fromEntries([...given].map(([key, { value }]) => [key, value])));
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.map((issue) => sentenceOf(issue, given, keys)).join("\n"));
  const conflicts = role.conflictsOf?.(parsed.data) ?? [];
  if (conflicts.length > 0) throw new ConfigError(conflicts.join("\n"));
  return parsed.data;
}

function parseFlags({ name, description, schema, switches = [] }: Role<z.ZodObject>, args: readonly string[]) {
  const command = new Command(`zenith ${name}`)
    .description(description)
    .usage("[flags]")
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .option("--config <file>", "YAML file with these settings, by the same names")
    .addHelpText("after", "\nEach is also read from the environment: --log-level from ZENITH_LOG_LEVEL.");
  for (const { key, description, fallback } of settingsOf(schema)) {
    const value = switches.includes(key) ? "[true|false]" : "<value>";
    command.option(`--${key} ${value}`, `${description}${fallback === "" ? "" : ` (default: ${fallback})`}`);
  }
  try {
    command.parse(
      args.map((argument) => bareIfUnknown(argument, schema)),
      { from: "user" },
    );
  } catch (error) {
    if (error instanceof CommanderError && error.code === "commander.helpDisplayed") throw error;
    throw new ConfigError(error instanceof Error ? error.message.replace(/^error: /, "") : String(error));
  }
  const options = command.opts<Record<string, unknown>>();
  const given = ["config", ...Object.keys(schema.shape)].map((key) => [key, options[camelCase(key)]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Readonly<Record<string, unknown>>;
}

/** Commander finds the flag that was meant only where no value hangs on the one that was given. */
function bareIfUnknown(argument: string, { shape }: z.ZodObject): string {
  const key = /^--([^=]+)=/.exec(argument)?.[1];
  return key === undefined || key === "config" || key in shape ? argument : `--${key}`;
}

/** One setting of a role, in words. */
export interface Setting {
  readonly key: string;
  /** The variable that it is read from, too. */
  readonly variable: string;
  readonly description: string;
  /** What holds where it is left out; empty: nothing does. */
  readonly fallback: string;
}

/** The settings that a schema knows, in its order. */
export function settingsOf(schema: z.ZodObject): Setting[] {
  return (Object.entries(schema.shape) as [string, z.ZodType][]).map(([key, field]) => ({
    key,
    variable: variableOf(key),
    description: field.description ?? "",
    fallback: field instanceof z.ZodDefault ? String(field.def.defaultValue) : "",
  }));
}

function variableOf(key: string): string {
  return `ZENITH_${key.toUpperCase().replaceAll("-", "_")}`;
}

function camelCase(key: string): string {
  return key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Only names that we know: the kubelet puts variables of a Service called "zenith" beside ours. */
function fromEnvironment(keys: readonly string[], environment: Environment): [string, Given][] {
  return keys.flatMap((key) => {
    const from = variableOf(key);
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

function sentenceOf(issue: z.core.$ZodIssue, given: Settings, keys: readonly string[]): string {
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => `"${key}" in ${given.get(key)?.from}`).join(", ");
    return `${names} is no setting; known are ${keys.join(", ")}`;
  }
  const key = String(issue.path[0]);
  const found = given.get(key);
  if (found === undefined) return `--${key} is needed`;
  return `--${key} ${issue.message} (got ${withoutCredentials(JSON.stringify(found.value))} from ${found.from})`;
}

/** What is refused is shown, in logs too: a password in an address is not. */
function withoutCredentials(shown: string): string {
  return shown.replace(/[^/"\s]*@/, "***@");
}
