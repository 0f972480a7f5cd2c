import * as z from "zod";
import {
  address,
  bool,
  common,
  count,
  type Environment,
  namespace,
  path,
  type Role,
  readSettings,
  refusing,
  text,
  url,
} from "./settings.ts";

export { ConfigError } from "./settings.ts";

/** What the operator is told. */
const schema = z.strictObject({
  ...common,
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
  gates: bool
    .default(false)
    .describe("read ConfigMaps with the label zenith.sh/gate, as gates of tests and coverage need"),
  "flag-servers": text
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, refusing("namespace/name of a Service"))
    .optional()
    .describe("Service, namespace/name, of the flag servers' management ports, to ask what they have delivered"),
  "max-concurrent-reconciles": count(256).default(8).describe("Rollouts looked at at once, 1 to 256"),
});
type Values = z.output<typeof schema>;

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
  /** Whether ConfigMaps are read, for gates of tests and coverage. */
  readonly gates: boolean;
  /** The Service of the flag servers' management ports; undefined: nobody is asked what was delivered. */
  readonly flagServers?: { readonly namespace: string; readonly name: string };
  readonly maxConcurrentReconciles: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "json" | "text";
}

export const operatorRole: Role<typeof schema> = {
  name: "operator",
  description: "Watches Rollouts, shifts their traffic, judges and takes back.",
  schema,
  switches: ["leader-elect", "gates"],
  conflictsOf,
};

/** Reads the settings of `zenith operator`; see `readSettings`.
 * @example parseConfig(["--leader-elect=false"], { ZENITH_LOG_LEVEL: "debug" }) */
export function parseConfig(
  args: readonly string[],
  environment: Environment,
  read?: (path: string) => string,
): Config {
  return configOf(readSettings(operatorRole, args, environment, read));
}

/** What no single setting can tell. */
function conflictsOf(values: Values): string[] {
  const has = (key: keyof Values) => values[key] !== undefined;
  const conflicts: string[] = [];
  if (has("prometheus-cert-file") !== has("prometheus-key-file"))
    conflicts.push("--prometheus-cert-file and --prometheus-key-file must be given together");
  if (has("prometheus-bearer-token-file") && has("prometheus-basic-auth-file"))
    conflicts.push("--prometheus-bearer-token-file and --prometheus-basic-auth-file exclude each other; give one");
  const lost = Object.keys(schema.shape).filter(
    (key) => key.startsWith("prometheus-") && key !== "prometheus-url" && has(key as keyof Values),
  );
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
    gates: values.gates,
    ...flagServersOf(values["flag-servers"]),
    maxConcurrentReconciles: values["max-concurrent-reconciles"],
    logLevel: values["log-level"],
    logFormat: values["log-format"],
  };
}

function flagServersOf(service: string | undefined): Pick<Config, "flagServers"> {
  const [namespace = "", name = ""] = service?.split("/") ?? [];
  return service === undefined ? {} : { flagServers: { namespace, name } };
}
