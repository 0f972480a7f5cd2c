import type { KubeConfig } from "@kubernetes/client-node";
import { request as send } from "undici";
import { restRequestSeconds, restRequests } from "../telemetry/metrics.ts";
import { type Clock, type Random, systemClock, systemRandom } from "./clock.ts";
import {
  type Connection,
  Credentials,
  loadKubeConfig,
  loadPersonsKubeConfig,
  namespaceOf,
  serverOf,
} from "./credentials.ts";
import { ApiError, errorOf } from "./errors.ts";
import { readLines } from "./lines.ts";
import { ServerTime } from "./server-time.ts";

export { loadKubeConfig, loadPersonsKubeConfig, namespaceOf, serverOf };

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ApiRequest {
  readonly method: Method;
  readonly path: string;
  readonly query?: Query;
  /** Sent as JSON, whatever `contentType` says: JSON is YAML too. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** JSON of another name than application/json. */
  readonly accept?: string;
  readonly signal?: AbortSignal;
  /** For the request with all its repetitions; 15 s where nothing is said. */
  readonly timeoutMs?: number;
}

export type StreamEnd = { readonly kind: "closed" } | { readonly kind: "idle" } | { readonly kind: "aborted" };

export interface ApiClientOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Called right before each sending of a write, repetitions included. What it throws is thrown to the caller, and nothing
   * is sent: a leader that woke up late must not write. */
  readonly beforeWrite?: (request: ApiRequest) => void;
  readonly userAgent?: string;
}

const TIMEOUT_MS = 15_000;
const IDLE_MS = 150_000;
const ATTEMPTS = 4;
const FIRST_WAIT_MS = 100;

/** Speaks HTTP/1.1 to one API server over shared connections. Its only errors are `ApiError`s, and what `beforeWrite` throws. */
export class ApiClient {
  readonly #server: string;
  readonly #host: string;
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #serverTime: ServerTime;
  #beforeWrite: ((request: ApiRequest) => void) | undefined;

  /** @param config a kubeconfig, or what loads it: then a file that changes is followed, credentials included
   * @throws Error where it names no cluster */
  constructor(config: KubeConfig | (() => KubeConfig), options: ApiClientOptions = {}) {
    const load = typeof config === "function" ? config : () => config;
    this.#server = serverOf(load());
    this.#host = new URL(this.#server).host;
    this.#clock = options.clock ?? systemClock;
    this.#serverTime = new ServerTime(this.#clock);
    this.#random = options.random ?? systemRandom;
    this.#beforeWrite = options.beforeWrite;
    this.#credentials = new Credentials(load, this.#clock, options.userAgent ?? "zenith");
  }

  /** Sets what is asked right before each sending of a write; see `ApiClientOptions.beforeWrite`. */
  fence(beforeWrite: (request: ApiRequest) => void): void {
    this.#beforeWrite = beforeWrite;
  }

  /** Milliseconds since the epoch, as the server would say. */
  serverNow(): number {
    return this.#serverTime.now();
  }

  /** One request, one answer, parsed. A read is repeated after a fault of the network and after 429, 502, 503 and 504; a write
   * only after 429, which says that nothing was done; anything once after 401, with credentials read anew.
   * @throws ApiError */
  async request<T = unknown>(request: ApiRequest): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    const dueMs = startMs + (request.timeoutMs ?? TIMEOUT_MS);
    let credentialsSinceMs: number | undefined;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(request, dueMs - this.#clock.monotonicMs(), credentialsSinceMs);
      if (outcome.kind === "answer") return outcome.body as T;
      const { fault } = outcome;
      if (fault.kind === "unauthorized" && credentialsSinceMs === undefined) {
        credentialsSinceMs = startMs;
        continue;
      }
      const waitMs = fault.retryAfterMs ?? FIRST_WAIT_MS * 2 ** attempt * (0.5 + this.#random());
      const inTime = this.#clock.monotonicMs() + waitMs < dueMs;
      if (!mayRepeat(request, fault) || attempt >= ATTEMPTS || !inTime) throw fault;
      await this.#clock.sleep(waitMs, request.signal);
    }
  }

  /** A watch: calls `onOpen` once it is accepted, and `onLine` for each complete line until the server closes, nothing comes for `idleMs`, or it is aborted.
   * @throws ApiError on anything but 200, and on a broken connection; and what `onLine` throws */
  async stream(
    path: string,
    query: Query,
    onLine: (line: Buffer) => void,
    signal: AbortSignal,
    idleMs = IDLE_MS,
    onOpen: () => void = () => {},
  ): Promise<StreamEnd> {
    const request = { method: "GET", path, query } as const;
    const ender = new Ender(this.#clock, signal, idleMs, new ApiError(`Silent: ${path}`, { kind: "timeout" }));
    let thrown: { readonly error: unknown } | undefined;
    const guarded = (line: Buffer): void => {
      try {
        onLine(line);
      } catch (error) {
        thrown = { error };
        throw error;
      }
    };
    try {
      const { headers, watches } = await this.#credentials.get();
      const answer = await this.#send(request, headers, watches, ender.signal);
      if (answer.statusCode !== 200) throw await this.#refusal(answer, request);
      await this.#expectJson(answer, request);
      onOpen();
      await readLines(answer.body, guarded, () => ender.postpone());
      return { kind: "closed" };
    } catch (error) {
      if (thrown !== undefined) throw thrown.error;
      if (signal.aborted) return { kind: "aborted" };
      if (ender.isOver) return { kind: "idle" };
      const fault = toApiError(error, request, signal);
      // The next watch reads its credentials anew.
      if (fault.kind === "unauthorized") await this.#credentials.get(this.#clock.monotonicMs()).catch(() => undefined);
      throw fault;
    } finally {
      ender.done();
    }
  }

  async close(): Promise<void> {
    await this.#credentials.close();
  }

  async #attempt(
    request: ApiRequest,
    leftMs: number,
    credentialsSinceMs: number | undefined,
  ): Promise<{ kind: "answer"; body: unknown } | { kind: "fault"; fault: ApiError }> {
    const late = new ApiError(`Cannot ${describe(request)}: no answer in time`, { kind: "timeout" });
    const ender = new Ender(this.#clock, request.signal, leftMs, late);
    const startMs = this.#clock.monotonicMs();
    let code = "<error>";
    try {
      const { headers, requests } = await this.#credentials.get(credentialsSinceMs).catch((cause: unknown) => {
        throw new ApiError(`Cannot ${describe(request)}: credentials are not to be had`, { kind: "network", cause });
      });
      if (request.method !== "GET") {
        try {
          this.#beforeWrite?.(request);
        } catch (error) {
          throw new Fenced(error);
        }
      }
      const answer = await this.#send(request, headers, requests, ender.signal);
      code = String(answer.statusCode);
      if (answer.statusCode >= 300) throw await this.#refusal(answer, request);
      return { kind: "answer", body: parseBody(await answer.body.text(), request) };
    } catch (error) {
      if (error instanceof Fenced) throw error.cause;
      return { kind: "fault", fault: toApiError(error, request, request.signal) };
    } finally {
      ender.done();
      const seconds = (this.#clock.monotonicMs() - startMs) / 1_000;
      restRequests.inc({ code, method: request.method, host: this.#host });
      restRequestSeconds.observe({ verb: request.method, host: this.#host }, seconds);
    }
  }

  async #send(
    request: ApiRequest,
    headers: Connection["headers"],
    dispatcher: Connection["requests"],
    signal: AbortSignal,
  ) {
    const sentMs = this.#clock.monotonicMs();
    const { method, path, query, body, contentType = "application/json", accept = "application/json" } = request;
    const answer = await send(`${this.#server}${path}${queryText(query)}`, {
      method,
      dispatcher,
      headers: {
        ...headers,
        accept,
        ...(body === undefined ? {} : { "content-type": contentType }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
      // Our own limits end a request; undici's would come in between.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#serverTime.note(header(answer.headers.date), sentMs, this.#clock.monotonicMs());
    return answer;
  }

  async #refusal(answer: Awaited<ReturnType<typeof send>>, request: ApiRequest): Promise<ApiError> {
    const body = await answer.body.text();
    return errorOf(
      answer.statusCode,
      body,
      header(answer.headers["retry-after"]),
      describe(request),
      this.#clock.now(),
    );
  }

  async #expectJson(answer: Awaited<ReturnType<typeof send>>, request: ApiRequest): Promise<void> {
    if (header(answer.headers["content-type"])?.includes("json") === true) return;
    await answer.body.dump();
    throw noJson(request);
  }
}

/** Ends a request when its caller gives up or when time is up. Listeners are taken off again: signals outlive requests. */
class Ender {
  isOver = false;
  readonly #clock: Clock;
  readonly #outer: AbortSignal | undefined;
  readonly #limitMs: number;
  readonly #reason: ApiError;
  readonly #controller = new AbortController();
  readonly #onAbort = (): void => this.#controller.abort(this.#outer?.reason);
  #timer: { cancel(): void };

  constructor(clock: Clock, outer: AbortSignal | undefined, limitMs: number, reason: ApiError) {
    this.#clock = clock;
    this.#outer = outer;
    this.#limitMs = limitMs;
    this.#reason = reason;
    this.#timer = this.#start();
    outer?.addEventListener("abort", this.#onAbort);
    if (outer?.aborted === true) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the time anew. */
  postpone(): void {
    this.#timer.cancel();
    this.#timer = this.#start();
  }

  done(): void {
    this.#timer.cancel();
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }

  #start(): { cancel(): void } {
    return this.#clock.after(this.#limitMs, () => {
      this.isOver = true;
      this.#controller.abort(this.#reason);
    });
  }
}

/** Carries what `beforeWrite` threw past the translation of network faults. */
class Fenced {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

function mayRepeat({ method }: ApiRequest, { kind, status }: ApiError): boolean {
  if (kind === "throttled") return true;
  return method === "GET" && (kind === "network" || status === 502 || status === 503 || status === 504);
}

function describe({ method, path }: ApiRequest): string {
  return `${method} ${path}`;
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function parseBody(text: string, request: ApiRequest): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw noJson(request, cause);
  }
}

function noJson(request: ApiRequest, cause?: unknown): ApiError {
  const message = `Cannot ${describe(request)}: the answer is no JSON; is a proxy in between?`;
  return new ApiError(message, { status: 200, kind: "server", cause });
}

function queryText(query: Query = {}): string {
  const pairs = Object.entries(query).filter(([, v]) => v !== undefined);
  return pairs.length === 0 ? "" : `?${pairs.map(([k, v]) => `${k}=${encodeURIComponent(String(v))}`).join("&")}`;
}

function toApiError(error: unknown, request: ApiRequest, signal: AbortSignal | undefined): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const kind = signal?.aborted === true ? "aborted" : "network";
  return new ApiError(`Cannot ${describe(request)}: ${message}`, { kind, cause: error });
}
