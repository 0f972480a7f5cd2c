import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent, type Dispatcher, request as send } from "undici";
import { restRequestSeconds, restRequests } from "../telemetry/metrics.ts";
import { type Clock, systemClock } from "./clock.ts";
import { ApiError, errorOf } from "./errors.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ApiRequest {
  readonly method: Method;
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export type StreamEnd = { readonly kind: "closed" } | { readonly kind: "idle" } | { readonly kind: "aborted" };

export interface ApiClientOptions {
  readonly clock?: Clock;
  /** Called right before each mutating send; throws to forbid it: a leader that woke up late must not write. */
  readonly beforeWrite?: () => void;
  readonly userAgent?: string;
}

/** Credentials are read again this often, and once when the server says 401. */
const CREDENTIALS_MS = 60_000;
const TIMEOUT_MS = 15_000;
const ATTEMPTS = 4;

/** kubeconfig at `path`, else the Pod's own account, else KUBECONFIG and ~/.kube/config. */
export function loadKubeConfig(path?: string, environment: NodeJS.ProcessEnv = process.env): KubeConfig {
  const config = new KubeConfig();
  if (path !== undefined) config.loadFromFile(path);
  else if (environment.KUBERNETES_SERVICE_HOST !== undefined) config.loadFromCluster();
  else config.loadFromDefault();
  return config;
}

/** Speaks HTTP/1.1 to one API server over shared connections. HTTP/2 is off: one broken connection would stall every
 * request and every watch on it. */
export class ApiClient {
  readonly #config: KubeConfig;
  readonly #clock: Clock;
  readonly #server: string;
  readonly #userAgent: string;
  #beforeWrite: (() => void) | undefined;
  #credentials:
    | { headers: Record<string, string>; tls: string; readAtMs: number; requests: Agent; watches: Agent }
    | undefined;
  #offsetMs: number | undefined;

  constructor(config: KubeConfig, options: ApiClientOptions = {}) {
    const cluster = config.getCurrentCluster();
    if (cluster === null)
      throw new Error("The kubeconfig names no current cluster; set one with kubectl config use-context");
    this.#config = config;
    this.#clock = options.clock ?? systemClock;
    this.#server = cluster.server.replace(/\/$/, "");
    this.#userAgent = options.userAgent ?? "zenith";
    this.#beforeWrite = options.beforeWrite;
  }

  /** Sets what is asked right before each mutating send. */
  fence(beforeWrite: () => void): void {
    this.#beforeWrite = beforeWrite;
  }

  /** Milliseconds by which the server's clock is ahead of ours, from its latest Date header; 0 before the first. */
  serverTimeOffsetMs(): number {
    return this.#offsetMs ?? 0;
  }

  /** One request, one answer, parsed. Requests that change nothing when repeated are repeated on a network fault, 429 and 503.
   * @throws ApiError */
  async request<T = unknown>(request: ApiRequest): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.#once(request, attempt)) as T;
      } catch (error) {
        const fault = toApiError(error, request);
        const repeatable = request.method === "GET" || fault.kind === "throttled";
        if (fault.kind === "unauthorized" && attempt === 1) {
          this.#credentials = undefined;
          continue;
        }
        const waitMs = fault.retryAfterMs ?? 100 * 2 ** attempt;
        const spent = this.#clock.monotonicMs() - startMs + waitMs > (request.timeoutMs ?? TIMEOUT_MS);
        if (!repeatable || !fault.retryable || attempt >= ATTEMPTS || spent || request.signal?.aborted === true)
          throw fault;
        await this.#clock.sleep(waitMs, request.signal);
      }
    }
  }

  async #once(
    { method, path, query, body, contentType, signal, timeoutMs }: ApiRequest,
    attempt: number,
  ): Promise<unknown> {
    const { headers, requests } = await this.#connect(attempt > 1);
    const deadline = new AbortController();
    const timer = this.#clock.after(timeoutMs ?? TIMEOUT_MS, () =>
      deadline.abort(new ApiError(`Cannot ${method} ${path}: no answer in time`, { kind: "timeout" })),
    );
    if (method !== "GET") this.#beforeWrite?.();
    const startMs = this.#clock.monotonicMs();
    let code = "<error>";
    try {
      const answer = await send(`${this.#server}${path}${queryText(query)}`, {
        method,
        dispatcher: requests,
        headers: {
          ...headers,
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": contentType ?? "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
      });
      code = String(answer.statusCode);
      this.#noteDate(answer.headers.date);
      const text = await answer.body.text();
      if (answer.statusCode >= 300)
        throw errorOf(answer.statusCode, text, header(answer.headers["retry-after"]), `${method} ${path}`);
      return parseBody(text, `${method} ${path}`);
    } finally {
      timer.cancel();
      restRequests.inc({ code, method, host: this.#server });
      restRequestSeconds.observe({ verb: method, host: this.#server }, (this.#clock.monotonicMs() - startMs) / 1_000);
    }
  }

  /** A watch: calls `onLine` for each complete line until the server closes, nothing comes for `idleMs`, or it is aborted.
   * A last line without an end is dropped: it may be half of one.
   * @throws ApiError on anything but 200, and on a broken connection */
  async stream(
    path: string,
    query: Query,
    onLine: (line: Buffer) => void,
    signal: AbortSignal,
    idleMs = 150_000,
  ): Promise<StreamEnd> {
    const { headers, watches } = await this.#connect(false);
    const idle = new AbortController();
    let timer = this.#clock.after(idleMs, () => idle.abort());
    const what = `watch ${path}`;
    try {
      const answer = await send(`${this.#server}${path}${queryText(query)}`, {
        dispatcher: watches,
        headers: { ...headers, accept: "application/json" },
        signal: AbortSignal.any([signal, idle.signal]),
        headersTimeout: 30_000,
        bodyTimeout: 0,
      });
      this.#noteDate(answer.headers.date);
      if (answer.statusCode !== 200)
        throw errorOf(answer.statusCode, await answer.body.text(), header(answer.headers["retry-after"]), what);
      if (!String(answer.headers["content-type"] ?? "").includes("json")) {
        await answer.body.dump();
        throw new ApiError(`Cannot ${what}: the answer is no JSON; is a proxy in between?`, {
          status: 200,
          kind: "server",
        });
      }
      await readLines(answer.body, onLine, () => {
        timer.cancel();
        timer = this.#clock.after(idleMs, () => idle.abort());
      });
      return { kind: "closed" };
    } catch (error) {
      if (signal.aborted) return { kind: "aborted" };
      if (idle.signal.aborted) return { kind: "idle" };
      throw toApiError(error, { method: "GET", path });
    } finally {
      timer.cancel();
    }
  }

  async #connect(fresh: boolean) {
    const known = this.#credentials;
    const nowMs = this.#clock.monotonicMs();
    if (known !== undefined && !(fresh && nowMs - known.readAtMs > 1_000) && nowMs - known.readAtMs < CREDENTIALS_MS)
      return known;
    const options: RequestOptions = { headers: {} };
    await this.#config.applyToHTTPSOptions(options);
    const { ca, cert, key, rejectUnauthorized, servername, headers = {} } = options;
    const tls = JSON.stringify([String(ca), String(cert), String(key), rejectUnauthorized, servername]);
    const all = { ...(headers as Record<string, string>), "user-agent": this.#userAgent };
    if (known?.tls === tls) {
      this.#credentials = { ...known, headers: all, readAtMs: nowMs };
      return this.#credentials;
    }
    const connect = clean({ ca, cert, key, rejectUnauthorized, servername });
    this.#credentials = {
      headers: all,
      tls,
      readAtMs: nowMs,
      requests: new Agent({ allowH2: false, connections: 32, connect }),
      watches: new Agent({ allowH2: false, pipelining: 0, bodyTimeout: 0, connect }),
    };
    return this.#credentials;
  }

  #noteDate(date: string | string[] | undefined): void {
    const ms = Date.parse(String(date));
    // The header counts whole seconds: the middle of that second is the best guess.
    if (!Number.isNaN(ms)) {
      const offset = ms + 500 - this.#clock.now();
      if (this.#offsetMs === undefined || Math.abs(offset - this.#offsetMs) > 1_000)
        this.#offsetMs = Math.abs(offset) < 1_000 ? 0 : offset;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#credentials?.requests.destroy(), this.#credentials?.watches.destroy()]);
  }
}

function clean<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function parseBody(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError(`Cannot ${what}: the answer is no JSON; is a proxy in between?`, {
      status: 200,
      kind: "server",
      cause,
    });
  }
}

function queryText(query: Query = {}): string {
  const pairs = Object.entries(query).filter(([, v]) => v !== undefined);
  return pairs.length === 0 ? "" : `?${pairs.map(([k, v]) => `${k}=${encodeURIComponent(String(v))}`).join("&")}`;
}

function toApiError(error: unknown, { method, path }: { method: string; path: string }): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(`Cannot ${method} ${path}: ${message}`, { kind: "network", cause: error });
}

/** Splits at newlines on bytes, so that a character cut in two by a chunk is whole again before it is decoded. */
async function readLines(
  body: Dispatcher.ResponseData["body"],
  onLine: (line: Buffer) => void,
  onData: () => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    onData();
    let data: Buffer = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let end = data.indexOf(10); end !== -1; end = data.indexOf(10)) {
      onLine(data.subarray(0, end));
      data = data.subarray(end + 1);
    }
    rest = data;
  }
}
