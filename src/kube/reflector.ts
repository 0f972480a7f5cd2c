import type { KubeObject } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { cacheObjects, watchEvents, watchRestarts } from "../telemetry/metrics.ts";
import { type Clock, systemClock } from "./clock.ts";
import { ApiError, isKind } from "./errors.ts";
import { type ListPage, pathOf, type ResourceType } from "./resource.ts";
import { compareVersions, type Store } from "./store.ts";
import type { ApiClient } from "./transport.ts";

export interface ReflectorOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly log?: Logger;
  /** Called where a consistent list is older than what we know: the server was restored, and the cache is of another world. */
  readonly onRestoredServer?: (kind: string) => void;
  readonly idleMs?: number;
  readonly pageSize?: number;
}

const FIRST_WAIT_MS = 800;
const LONGEST_WAIT_MS = 30_000;
const HEALTHY_MS = 120_000;

/**
 * Keeps a store equal to the API server's objects of one kind: list, then watch with bookmarks, for ever. Every way in which
 * a watch can end has a name and a wait; none ends the reflector but its signal.
 */
export class Reflector<T extends KubeObject> {
  readonly type: ResourceType;
  readonly store: Store<T>;
  readonly #client: ApiClient;
  readonly #options: ReflectorOptions;
  readonly #clock: Clock;
  #version: string | undefined;
  #lastHeardMs: number;

  constructor(client: ApiClient, type: ResourceType, store: Store<T>, options: ReflectorOptions = {}) {
    this.type = type;
    this.store = store;
    this.#client = client;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#lastHeardMs = this.#clock.monotonicMs();
  }

  /** Milliseconds since anything was heard, bookmarks included. */
  silentMs(): number {
    return this.#clock.monotonicMs() - this.#lastHeardMs;
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    while (!signal.aborted) {
      const startMs = this.#clock.monotonicMs();
      const { reason, retryAfterMs, error } = await this.#session(signal);
      if (signal.aborted) return;
      watchRestarts.inc({ kind: this.type.kind, reason });
      const livedMs = this.#clock.monotonicMs() - startMs;
      if (livedMs > HEALTHY_MS) waitMs = FIRST_WAIT_MS;
      const clean = reason === "closed" || reason === "idle";
      if (!clean)
        this.#options.log?.warn(
          { kind: this.type.kind, reason, error: error?.message },
          "a watch ended; it begins again",
        );
      // A server that closes at once is not asked again at once.
      const pause =
        clean && livedMs > 1_000 ? 0 : (retryAfterMs ?? waitMs * (1 + (this.#options.random ?? Math.random)()));
      if (!(clean && livedMs > 1_000)) waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
      await this.#clock.sleep(pause, signal);
    }
  }

  async #session(signal: AbortSignal): Promise<{ reason: string; retryAfterMs?: number; error?: ApiError }> {
    try {
      if (this.#version === undefined) await this.#list(signal);
      const end = await this.#watch(signal);
      return { reason: end };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.kind === "gone" || error.reason === "Expired") this.#version = undefined;
      return {
        reason: error.kind,
        error,
        ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      };
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { namespace, labelSelector, pageSize = 500 } = this.#options;
    const items: T[] = [];
    let next: string | undefined;
    let version = "0";
    do {
      const page: ListPage<T> = await this.#client.request({
        method: "GET",
        path: pathOf(this.type, namespace),
        query: { limit: pageSize, continue: next, labelSelector },
        signal,
        timeoutMs: 60_000,
      });
      for (const item of page.items) items.push(this.#strip(item));
      version = page.metadata.resourceVersion ?? version;
      next = page.metadata.continue || undefined;
      await new Promise((resolve) => setImmediate(resolve));
    } while (next !== undefined);
    // A list without resourceVersion is consistent: one older than what we know comes from another history.
    if (compareVersions(version, this.store.version()) < 0 && this.store.hasSynced())
      this.#options.onRestoredServer?.(this.type.kind);
    this.#heard();
    this.store.replace(items, version);
    cacheObjects.set({ kind: this.type.kind }, this.store.size);
    this.#version = version;
  }

  async #watch(signal: AbortSignal): Promise<string> {
    const { namespace, labelSelector, idleMs, random = Math.random } = this.#options;
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: this.#version,
      labelSelector,
      timeoutSeconds: Math.round(290 + 300 * random()),
    };
    let fault: ApiError | undefined;
    const inner = new AbortController();
    const end = await this.#client.stream(
      pathOf(this.type, namespace),
      query,
      (line) => {
        if (fault !== undefined) return;
        fault = this.#event(line);
        if (fault !== undefined) inner.abort();
      },
      AbortSignal.any([signal, inner.signal]),
      idleMs,
    );
    if (fault !== undefined) throw fault;
    return end.kind;
  }

  /** Takes one line in; an ERROR event, or a line that is no event, is a fault that ends the watch. */
  #event(line: Buffer): ApiError | undefined {
    this.#heard();
    let event: { type: string; object: T & { code?: number; reason?: string; message?: string } };
    try {
      event = JSON.parse(line.toString("utf8"));
    } catch (cause) {
      return new ApiError(`Cannot read an event of ${this.type.kind}`, { kind: "network", cause });
    }
    const { type, object } = event;
    if (type === "ERROR") {
      const gone = object.code === 410 || object.reason === "Expired" || object.reason === "Gone";
      return new ApiError(`The watch of ${this.type.kind} ended: ${object.message ?? ""}`, {
        status: object.code ?? 0,
        kind: gone ? "gone" : "server",
        reason: object.reason ?? "",
      });
    }
    watchEvents.inc({ kind: this.type.kind });
    this.#version = object.metadata.resourceVersion ?? this.#version;
    if (type === "BOOKMARK") this.store.advance(this.#version ?? "0");
    else if (type === "DELETED") this.store.remove(this.#strip(object));
    else this.store.set(this.#strip(object));
    cacheObjects.set({ kind: this.type.kind }, this.store.size);
    return undefined;
  }

  #heard(): void {
    this.#lastHeardMs = this.#clock.monotonicMs();
  }

  /** What nobody here reads and what makes most of an object's weight. Lists leave kind and apiVersion out of their items. */
  #strip(object: T): T {
    const { managedFields: _fields, annotations, ...metadata } = object.metadata;
    const { "kubectl.kubernetes.io/last-applied-configuration": _applied, ...kept } = annotations ?? {};
    return {
      ...object,
      apiVersion: this.type.apiVersion,
      kind: this.type.kind,
      metadata: annotations === undefined ? metadata : { ...metadata, annotations: kept },
    };
  }
}

export function isMissingKind(error: unknown): boolean {
  return isKind(error, "notFound");
}
