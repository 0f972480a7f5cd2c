import { readFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent } from "undici";
import type { Clock } from "./clock.ts";

/** Who we are to the server, and the connections made as that. */
export interface Connection {
  readonly headers: Readonly<Record<string, string>>;
  /** For requests: many share few connections. */
  readonly requests: Agent;
  /** For watches: each has a connection of its own. */
  readonly watches: Agent;
  readonly readAtMs: number;
}

/** Tokens and certificates are rotated under our feet: what was read is good for this long, as in client-go. */
const GOOD_FOR_MS = 60_000;
const MOST_CONNECTIONS = 32;

/** The kubeconfig at `path`, else the Pod's own account, else KUBECONFIG and ~/.kube/config.
 * @throws Error where there is none, or where it cannot be read */
export function loadKubeConfig(path?: string, environment: NodeJS.ProcessEnv = process.env): KubeConfig {
  const config = new KubeConfig();
  if (path !== undefined) config.loadFromFile(path);
  else if (environment.KUBERNETES_SERVICE_HOST !== undefined) config.loadFromCluster();
  else config.loadFromDefault();
  return config;
}

/** What a person at a terminal means: the file that is named, else KUBECONFIG and ~/.kube/config, else the Pod's own account.
 * @param choice `context` by name; left out, the current one
 * @throws Error where there is none, or no such context: then it names those that exist */
export function loadPersonsKubeConfig(choice: { readonly path?: string; readonly context?: string }): KubeConfig {
  const config = new KubeConfig();
  if (choice.path !== undefined) config.loadFromFile(choice.path);
  else config.loadFromDefault();
  const { context } = choice;
  if (context === undefined) return config;
  if (config.getContextObject(context) === null) {
    const names = config.getContexts().map(({ name }) => name);
    throw new Error(`There is no context "${context}" in the kubeconfig; it has ${names.join(", ") || "none"}`);
  }
  config.setCurrentContext(context);
  return config;
}

/** The namespace of the current context; "default" where it names none. */
export function namespaceOf(config: KubeConfig): string {
  return config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
}

/** The address of the cluster that a kubeconfig points at.
 * @throws Error with what to do */
export function serverOf(config: KubeConfig): string {
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new Error("The kubeconfig names no current cluster; choose one with kubectl config use-context");
  if (cluster.proxyUrl !== undefined && cluster.proxyUrl !== "")
    throw new Error(`The kubeconfig asks for the proxy ${cluster.proxyUrl}, which Zenith cannot use; remove proxy-url`);
  return cluster.server.replace(/\/$/, "");
}

/** Keeps one pair of agents, and makes a new one only when certificates change. HTTP/2 stays off: one broken connection
 * would stall every request and every watch on it. */
export class Credentials {
  readonly #load: () => KubeConfig;
  readonly #clock: Clock;
  readonly #userAgent: string;
  #current: (Connection & { readonly tls: string }) | undefined;
  #reading: Promise<Connection> | undefined;

  constructor(load: () => KubeConfig, clock: Clock, userAgent: string) {
    this.#load = load;
    this.#clock = clock;
    this.#userAgent = userAgent;
  }

  /** @param notBeforeMs what was read earlier than this (monotonic) was refused, and is read again */
  get(notBeforeMs = Number.NEGATIVE_INFINITY): Promise<Connection> {
    const known = this.#current;
    const since = Math.max(notBeforeMs, this.#clock.monotonicMs() - GOOD_FOR_MS);
    if (known !== undefined && known.readAtMs > since) return Promise.resolve(known);
    // Many requests find out at once: one of them reads.
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async close(): Promise<void> {
    await Promise.all([this.#current?.requests.destroy(), this.#current?.watches.destroy()]);
    this.#current = undefined;
  }

  async #read(): Promise<Connection> {
    const config = this.#load();
    const options: RequestOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    const { ca, cert, key, rejectUnauthorized, servername } = options;
    const connect = withoutUndefined({ ca, cert, key, rejectUnauthorized, servername });
    const tls = JSON.stringify(Object.entries(connect).map(([name, value]) => [name, String(value)]));
    const headers = headersOf(config, options, this.#userAgent);
    const readAtMs = this.#clock.monotonicMs();
    const known = this.#current;
    if (known?.tls === tls) {
      this.#current = { ...known, headers, readAtMs };
      return this.#current;
    }
    this.#current = {
      headers,
      tls,
      readAtMs,
      requests: new Agent({ allowH2: false, connections: MOST_CONNECTIONS, connect }),
      watches: new Agent({ allowH2: false, pipelining: 0, connect }),
    };
    // What runs on the old connections may end by itself.
    void known?.requests.close();
    void known?.watches.close();
    return this.#current;
  }
}

function headersOf(config: KubeConfig, options: RequestOptions, userAgent: string): Record<string, string> {
  const headers = { ...(options.headers as Record<string, string>), "user-agent": userAgent };
  const user = config.getCurrentUser();
  // client-node keeps one token for the whole process and does not trim it; the file is read here instead.
  const tokenFile: unknown = user?.authProvider?.config?.tokenFile;
  if (typeof tokenFile === "string")
    return { ...headers, Authorization: `Bearer ${readFileSync(tokenFile, "utf8").trim()}` };
  if (typeof options.auth === "string")
    return { ...headers, Authorization: `Basic ${Buffer.from(options.auth).toString("base64")}` };
  return headers;
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
