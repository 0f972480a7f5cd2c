import { parseArgs } from "node:util";

/** Settings of the jobs that come with an install. They are written by the chart, not by people; a wrong one is refused all the same. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

export interface UninstallSettings {
  readonly kubeconfig?: string;
  /** Where the operator and its Lease are. */
  readonly namespace: string;
  /** Name of the operator's Deployment. */
  readonly operator: string;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly timeoutMs: number;
}

export interface CheckSettings {
  readonly kubeconfig?: string;
  /** Where the Lease is, and where the dry runs are made. */
  readonly namespace: string;
  /** Whether the admission policy must be at work there. */
  readonly policy: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws SettingsError with a sentence */
export function parseUninstall(args: readonly string[], environment: Environment): UninstallSettings {
  const values = parse(args, ["kubeconfig", "namespace", "namespaces", "operator", "timeout"]);
  const seconds = values.timeout ?? "120";
  if (!/^[1-9][0-9]{0,3}$/.test(seconds))
    throw new SettingsError(`--timeout must be whole seconds, 1 to 9999 (got ${JSON.stringify(seconds)})`);
  return {
    ...(values.kubeconfig === undefined ? {} : { kubeconfig: values.kubeconfig }),
    namespace: namespaceOf(values, environment),
    operator: values.operator ?? "zenith-operator",
    namespaces: (values.namespaces ?? "").split(",").filter((name) => name !== ""),
    timeoutMs: Number(seconds) * 1_000,
  };
}

/** @throws SettingsError with a sentence */
export function parseCheck(args: readonly string[], environment: Environment): CheckSettings {
  const values = parse(args, ["kubeconfig", "namespace", "policy"]);
  const policy = values.policy ?? "true";
  if (policy !== "true" && policy !== "false")
    throw new SettingsError(`--policy must be true or false (got ${JSON.stringify(policy)})`);
  return {
    ...(values.kubeconfig === undefined ? {} : { kubeconfig: values.kubeconfig }),
    namespace: namespaceOf(values, environment),
    policy: policy === "true",
  };
}

function parse(args: readonly string[], names: readonly string[]): Record<string, string | undefined> {
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  try {
    return parseArgs({ args: [...args], options, strict: true }).values as Record<string, string | undefined>;
  } catch (error) {
    throw new SettingsError(`${error instanceof Error ? error.message : error}; known are --${names.join(", --")}`);
  }
}

function namespaceOf(values: Record<string, string | undefined>, environment: Environment): string {
  const namespace = values.namespace ?? environment.ZENITH_NAMESPACE ?? "";
  if (namespace === "") throw new SettingsError("--namespace or ZENITH_NAMESPACE must name the operator's namespace");
  return namespace;
}
