import type { KubeObject, ManagedFieldsEntry } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { cacheObjects, watchEvents, watchRestarts } from "../telemetry/metrics.ts";
import { type Clock, type Random, systemClock, systemRandom } from "./clock.ts";
import { ApiError } from "./errors.ts";
import { pathOf, type ResourceType } from "./resource.ts";
import { compareVersions, type Store } from "./store.ts";
import type { ApiClient } from "./transport.ts";

export interface ReflectorOptions {
  /** Watches this namespace alone, and fills that part of the store. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  /** What is outside is as if it did not exist. */
  readonly fieldSelector?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Logger;
  /** Called where a consistent answer is older than what we know: the server was restored, and the cache is of another world.
   * The store is left as it is; whoever goes on after this call is told again. */
  readonly onRestoredServer?: (kind: string) => void;
  /** A kind that the cluster may lack: until its definition is installed, the store counts as full and is empty. */
  readonly optional?: boolean;
  /** What is kept of managedFields, which make most of an object's weight; none unless said. */
  readonly managers?: (entries: readonly ManagedFieldsEntry[]) => readonly ManagedFieldsEntry[];
  /** A watch that says nothing for so long, bookmarks included, is ended. */
  readonly idleMs?: number;
  readonly pageSize?: number;
}

/** Why a session ended: the reason is a label of `watch_restarts_total`. */
interface End {
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
  readonly error?: ApiError;
}

const FIRST_WAIT_MS = 800;
const LONGEST_WAIT_MS = 30_000;
/** A server that cannot be reached costs nothing to ask, and every second without a watch counts once it is back. */
const LONGEST_WAIT_UNREACHABLE_MS = 4_000;
/** A session that lived so long shows that the server is well, and the next wait is the first one again. */
const HEALTHY_MS = 120_000;
/** A server that closes sooner than this is not asked again at once. */
const SHORT_LIVED_MS = 1_000;
const LIST_TIMEOUT_MS = 60_000;
const MOST_LATE_MS = 30_000;
/** A watch that ends earlier than it was asked to, by more than this, was ended by a server that goes. */
const EARLY_MS = 5_000;
/** Bookmarks come about once a minute: who heard nothing for so long may be the only one who thinks that there is a watch. */
const SILENT_MS = 90_000;
/** What nobody is told for so long may have taken its time: deadlines begin anew. A watch that is merely cut is back sooner. */
export const GAP_MS = 10_000;
const CHANGES = new Set(["ADDED", "MODIFIED", "DELETED"]);
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

type WatchEvent<T> = {
  readonly type: string;
  readonly object: T & { code?: number; reason?: string; message?: string };
};

interface Page<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

/**
 * Keeps a store equal to the API server's objects of one kind, for ever: the whole as a stream or as a list in pages, then a
 * watch with bookmarks. Every way in which a session can end has a name and a wait; only its signal ends the reflector.
 */
export class Reflector<T extends KubeObject> {
  readonly type: ResourceType;
  readonly store: Store<T>;
  readonly #client: ApiClient;
  readonly #options: ReflectorOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #part: string;
  readonly #path: string;
  /** Where the next watch goes on; undefined where the whole is needed first. */
  #version: string | undefined;
  /** Whether the server was seen to refuse the whole as a stream. */
  #refusesStreams = false;
  /** After a session that broke, the server may be another: it is asked how old it is first. */
  #mustVerify = false;
  #lastHeardMs: number;
  /** When the session began, or its watch: a slow list before it is no sign of a watch that holds. */
  #sinceMs = 0;
  /** How many watches there were; `#open` while the last of them is under way. */
  #watches = 0;
  /** What the log knows: why there is no watch; undefined while there is one. */
  #told: string | undefined;
  #open = false;
  /** When the last watch ended, and since when none was missing for long. */
  #closedMs: number | undefined;
  #toldSinceMs = Number.POSITIVE_INFINITY;

  constructor(client: ApiClient, type: ResourceType, store: Store<T>, options: ReflectorOptions = {}) {
    this.type = type;
    this.store = store;
    this.#client = client;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#part = options.namespace ?? "";
    this.#path = pathOf(type, options.namespace);
    this.#lastHeardMs = this.#clock.monotonicMs();
    store.expect(this.#part);
  }

  /** Milliseconds since anything was heard, bookmarks included. */
  lastEventAgeMs(): number {
    return this.#clock.monotonicMs() - this.#lastHeardMs;
  }

  /** Which watch keeps the store current, by number; undefined while there is none, or one that has been silent for long.
   * Between two numbers something may have been missed: what is known may be old until it is read live. */
  watch(): number | undefined {
    return this.#open && this.lastEventAgeMs() < SILENT_MS ? this.#watches : undefined;
  }

  /** Since when there is no gap of note in what the watches tell, by the monotonic clock: no earlier than now where there is one. */
  toldSinceMs(): number {
    const nowMs = this.#clock.monotonicMs();
    return this.#open || !this.#isGap(nowMs) ? Math.min(nowMs, this.#toldSinceMs) : nowMs;
  }

  #isGap(nowMs: number): boolean {
    return this.#closedMs === undefined || nowMs - this.#closedMs >= GAP_MS;
  }

  /** Runs until the signal is aborted.
   * @throws what a listener of the store throws: that is a fault of ours, and no watch may hide it */
  async run(signal: AbortSignal): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    let wasUnreachable = false;
    while (!signal.aborted) {
      this.#sinceMs = this.#clock.monotonicMs();
      const end = await this.#session(signal);
      if (signal.aborted) return;
      watchRestarts.inc({ kind: this.type.kind, reason: end.reason });
      this.#tell(end);
      const livedMs = this.#clock.monotonicMs() - this.#sinceMs;
      if (livedMs > HEALTHY_MS) waitMs = FIRST_WAIT_MS;
      const regular = ["closed", "closedEarly", "idle", "overdue"].includes(end.reason);
      if ((regular && livedMs > SHORT_LIVED_MS) || end.reason === "streamRefused") continue;
      const isUnreachable = end.reason === "network";
      // A server that has come back may refuse for a moment: how long it was away says nothing of that.
      if (wasUnreachable && !isUnreachable) waitMs = FIRST_WAIT_MS;
      wasUnreachable = isUnreachable;
      const longestMs = isUnreachable ? LONGEST_WAIT_UNREACHABLE_MS : LONGEST_WAIT_MS;
      const ownMs = Math.min(waitMs, longestMs) * (1 + this.#random());
      // A proxy may say 0, or a time that is past: then ours stands, or nobody would wait at all.
      const pauseMs = Math.max(end.retryAfterMs ?? 0, ownMs);
      waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
      await this.#clock.sleep(Math.min(pauseMs, 2 * LONGEST_WAIT_MS), signal);
    }
  }

  /** One list and watch, from where we stand to whatever ends it. */
  async #session(signal: AbortSignal): Promise<End> {
    try {
      if (this.#mustVerify) await this.#verify(signal);
      if (this.#version === undefined && this.#refusesStreams) await this.#list(signal);
      const reason = await this.#watch(signal);
      // Silence is as good as a break: a server that was restored to an older version has nothing to say for long.
      this.#mustVerify = (reason === "idle" || reason === "closedEarly") && this.#version !== undefined;
      return { reason };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.kind === "gone" || error.reason === "Expired") this.#version = undefined;
      else this.#mustVerify = this.#version !== undefined;
      if (error.kind === "notFound" && this.#options.optional === true) this.#absent();
      return { reason: error.kind, error, retryAfterMs: error.retryAfterMs };
    } finally {
      if (this.#open) this.#closedMs = this.#clock.monotonicMs();
      this.#open = false;
    }
  }

  /** Asks for no object, but for how old the server is. Without resourceVersion the answer is consistent. */
  async #verify(signal: AbortSignal): Promise<void> {
    const page = await this.#page(signal, { limit: 1 });
    this.#refuseOlder(page.metadata.resourceVersion);
    this.#mustVerify = false;
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { pageSize = 500, labelSelector, fieldSelector } = this.#options;
    const items: T[] = [];
    let next: string | undefined;
    let version = "0";
    do {
      const page: Page<T> = await this.#page(signal, { limit: pageSize, continue: next, labelSelector, fieldSelector });
      for (const item of page.items) items.push(this.#strip(item));
      version = page.metadata.resourceVersion;
      next = page.metadata.continue || undefined;
      // Between two pages the event loop turns.
      await new Promise((resolve) => setImmediate(resolve));
    } while (next !== undefined);
    this.#take(items, version);
  }

  async #page(signal: AbortSignal, query: Readonly<Record<string, string | number | undefined>>): Promise<Page<T>> {
    const request = { method: "GET", path: this.#path, query, signal, timeoutMs: LIST_TIMEOUT_MS } as const;
    const page = await this.#client.request<unknown>(request);
    if (!isPage<T>(page))
      throw new ApiError(`Cannot read ${this.#path}: the answer is no list; is a proxy in between?`, {
        kind: "server",
      });
    this.#heard();
    return page;
  }

  /** The whole of our part, consistently read. */
  #take(items: readonly T[], version: string): void {
    this.#refuseOlder(version);
    for (const item of items) {
      const { namespace = "", name, resourceVersion = "0" } = item.metadata;
      const known = this.store.get(namespace, name)?.metadata.resourceVersion ?? "0";
      if (compareVersions(resourceVersion, known) < 0) this.#restored();
    }
    this.store.replace(items, version, this.#part);
    this.#version = version;
    this.#mustVerify = false;
    cacheObjects.set({ kind: this.type.kind }, this.store.size);
  }

  /** A consistent read that is older than what we know comes from another history: a backup was restored. */
  #refuseOlder(version: string): void {
    if (compareVersions(version, this.store.version(this.#part)) < 0) this.#restored();
  }

  #restored(): never {
    this.#version = undefined;
    this.#options.onRestoredServer?.(this.type.kind);
    throw new ApiError(`Cannot read ${this.#path}: the server is older than what was seen of it`, { kind: "server" });
  }

  async #watch(signal: AbortSignal): Promise<string> {
    const timeoutSeconds = Math.round(290 + 300 * this.#random());
    const start = this.#version;
    let initial: Map<string, T> | undefined = start === undefined ? new Map() : undefined;
    let fault: ApiError | undefined;
    let isAnswered = false;
    this.#sinceMs = this.#clock.monotonicMs();
    const onOpen = (): void => {
      isAnswered = true;
      this.#heard();
      if (initial === undefined) this.#opened();
    };
    const inner = new AbortController();
    const limitMs = timeoutSeconds * 1_000 + MOST_LATE_MS;
    const limit = this.#clock.after(limitMs, () => inner.abort());
    // A server that does not know how to stream the whole may watch on in silence.
    const whole = this.#clock.after(LIST_TIMEOUT_MS, () => {
      if (initial !== undefined) inner.abort();
    });
    const onLine = (line: Buffer): void => {
      if (fault !== undefined) return;
      const event = this.#parse(line);
      if (event instanceof ApiError) {
        fault = event;
        inner.abort();
      } else if (initial === undefined) this.#event(event);
      else if (event.type === "BOOKMARK") {
        const annotations: Readonly<Record<string, string>> = event.object.metadata.annotations ?? {};
        if (annotations[INITIAL_EVENTS_END] !== "true") return;
        const items = initial;
        initial = undefined;
        this.#take([...items.values()], event.object.metadata.resourceVersion ?? "0");
        this.#opened();
      } else this.#gather(initial, event);
    };
    try {
      const query = this.#query(start, timeoutSeconds);
      const end = await this.#client.stream(
        this.#path,
        query,
        onLine,
        AbortSignal.any([signal, inner.signal]),
        this.#options.idleMs,
        onOpen,
      );
      if (fault !== undefined) throw fault;
      if (end.kind === "idle") return "idle";
      if (end.kind === "closed") {
        const early = this.#clock.monotonicMs() - this.#sinceMs < timeoutSeconds * 1_000 - EARLY_MS;
        return early ? "closedEarly" : "closed";
      }
      if (signal.aborted || initial === undefined) return "overdue";
      return isAnswered ? this.#refused() : "idle";
    } catch (error) {
      // Older servers do not know the parameters, or may not combine them.
      const refused = start === undefined && error instanceof ApiError && error.kind === "invalid";
      if (refused) return this.#refused();
      throw error;
    } finally {
      limit.cancel();
      whole.cancel();
    }
  }

  /** The whole as it comes in. Servers before 1.31 may send what changes meanwhile among it: the last that is said counts. */
  #gather(whole: Map<string, T>, { type, object }: WatchEvent<T>): void {
    const key = `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
    if (type === "DELETED") whole.delete(key);
    else whole.set(key, this.#strip(object));
  }

  #opened(): void {
    if (this.#told !== undefined) this.#options.log?.info({ kind: this.type.kind }, "the watch goes on");
    this.#told = undefined;
    const nowMs = this.#clock.monotonicMs();
    if (this.#isGap(nowMs)) this.#toldSinceMs = nowMs;
    this.#watches++;
    this.#open = true;
  }

  #refused(): string {
    this.#refusesStreams = true;
    return "streamRefused";
  }

  #query(
    start: string | undefined,
    timeoutSeconds: number,
  ): Readonly<Record<string, string | number | boolean | undefined>> {
    const { labelSelector, fieldSelector } = this.#options;
    const common = { watch: true, allowWatchBookmarks: true, labelSelector, fieldSelector, timeoutSeconds };
    if (start !== undefined) return { ...common, resourceVersion: start };
    return { ...common, sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" };
  }

  /** One line as an event; a fault where it is none, or where it says that the watch has ended. */
  #parse(line: Buffer): WatchEvent<T> | ApiError {
    this.#heard();
    const { kind } = this.type;
    try {
      const event = JSON.parse(line.toString("utf8")) as WatchEvent<T>;
      if (event.type === "BOOKMARK" ? hasMetadata(event.object) : CHANGES.has(event.type) && isObject(event.object))
        return event;
      const { code = 0, reason = "", message = "" } = event.object;
      const gone = code === 410 || reason === "Expired" || reason === "Gone";
      const fields = { status: code, kind: gone ? ("gone" as const) : ("server" as const), reason };
      return new ApiError(`The watch of ${kind} ended: ${message.slice(0, 1_000)}`, fields);
    } catch (cause) {
      return new ApiError(`Cannot read an event of ${kind}: the line is no event`, { kind: "network", cause });
    }
  }

  #event({ type, object }: WatchEvent<T>): void {
    watchEvents.inc({ kind: this.type.kind });
    const version = object.metadata.resourceVersion ?? "0";
    if (compareVersions(version, this.#version ?? "0") > 0) this.#version = version;
    if (type === "BOOKMARK") this.store.advance(version, this.#part);
    else if (type === "DELETED") this.store.remove(this.#strip(object));
    else this.store.set(this.#strip(object));
    cacheObjects.set({ kind: this.type.kind }, this.store.size);
  }

  /** The kind is not served: nothing of it exists. */
  #absent(): void {
    this.store.replace([], this.store.version(this.#part), this.#part);
    this.#version = undefined;
    this.#mustVerify = false;
  }

  #heard(): void {
    this.#lastHeardMs = this.#clock.monotonicMs();
  }

  /** One line for an outage, however often it is tried; and one where it turns out that the right is missing, which no time
   * mends. */
  #tell({ reason, error }: End): void {
    if (error === undefined || error.kind === "gone") return;
    const absent = error.kind === "notFound" && this.#options.optional === true;
    const fields = { kind: this.type.kind, reason, error: error.message };
    const isTold = this.#told !== undefined && (reason !== "forbidden" || this.#told === reason);
    if (!isTold) this.#told = reason;
    if (isTold) this.#options.log?.debug(fields, "a watch does not begin yet; it is tried again");
    else if (absent) this.#options.log?.debug(fields, "the cluster does not serve this kind; it is asked again");
    else this.#options.log?.warn(fields, "a watch ended; it begins again");
  }

  /** Leaves out what nobody here reads and what makes most of an object's weight, and puts in what lists leave out. */
  #strip(object: T): T {
    const { managedFields = [], annotations, ...rest } = object.metadata;
    const managers = this.#options.managers?.(managedFields) ?? [];
    const metadata = managers.length === 0 ? rest : { ...rest, managedFields: managers };
    const { "kubectl.kubernetes.io/last-applied-configuration": _applied, ...kept } = annotations ?? {};
    return {
      ...object,
      apiVersion: this.type.apiVersion,
      kind: this.type.kind,
      metadata: annotations === undefined ? metadata : { ...metadata, annotations: kept },
    };
  }
}

/** What answers in the API server's place may send anything: only what can be kept is taken. */
function isPage<T>(value: unknown): value is Page<T> {
  const { metadata, items } = (value ?? {}) as { metadata?: { resourceVersion?: unknown } | null; items?: unknown };
  return typeof metadata?.resourceVersion === "string" && Array.isArray(items) && items.every(isObject);
}

function isObject(value: unknown): boolean {
  return hasMetadata(value) && typeof (value as { metadata: { name?: unknown } }).metadata.name === "string";
}

function hasMetadata(value: unknown): boolean {
  const metadata = (value as { metadata?: unknown } | null | undefined)?.metadata;
  return typeof metadata === "object" && metadata !== null;
}
