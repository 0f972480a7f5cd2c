import { hostname } from "node:os";
import type { KubeObject, ObjectRef } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { leaderStatus } from "../telemetry/metrics.ts";
import { type Clock, type Random, systemClock, systemRandom } from "./clock.ts";
import { isKind } from "./errors.ts";
import { defineResource, type Resources } from "./resource.ts";

defineResource("coordination.k8s.io/v1", "Lease", "leases");

/** Writing ends so long before another may take the Lease: what was sent needs time to arrive. */
const MARGIN_MS = 1_000;

interface Lease extends KubeObject {
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface ElectorOptions {
  readonly namespace: string;
  readonly name: string;
  readonly identity?: string;
  readonly clock?: Clock;
  /** The server's time, in milliseconds since the epoch, which people's tools compare the Lease with; the clock's unless said. */
  readonly now?: () => number;
  readonly random?: Random;
  readonly log?: Logger;
  readonly leaseMs?: number; // 15 s
  readonly renewDeadlineMs?: number; // 10 s
  readonly retryMs?: number; // 2 s
}

/**
 * Holds a Lease. Whether another's has run out is told by how long we have seen it unchanged on our own monotonic clock: the
 * clocks of two machines need not agree. A leader that could not renew in time must not write again: ask `mayWrite` right
 * before each send.
 */
export class Elector {
  readonly identity: string;
  readonly #resources: Resources;
  readonly #options: ElectorOptions;
  readonly #clock: Clock;
  readonly #ref: ObjectRef;
  #seen: { version: string; atMs: number } | undefined;
  #renewedMs: number | undefined;
  #term: string | undefined;
  #isOver = false;

  constructor(resources: Resources, options: ElectorOptions) {
    this.#resources = resources;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.identity =
      options.identity ?? `${hostname()}_${Math.floor((options.random ?? systemRandom)() * 1e9).toString(36)}`;
    this.#ref = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      namespace: options.namespace,
      name: options.name,
    };
  }

  /** Names the time for which this process leads, to be stamped on what an earlier leader must not move; undefined before it
   * leads. Two terms are told apart by `isLaterTerm`. */
  term(): string | undefined {
    return this.#term;
  }

  /** False from the moment at which another may hold the Lease. */
  mayWrite(): boolean {
    return !this.#isOver && this.#sinceRenewalMs() < this.#leaseMs() - MARGIN_MS;
  }

  /** Resolves when this process leads, or when the signal is aborted. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if ((await this.#take()) === "held") {
        leaderStatus.set({ name: this.#options.name }, 1);
        return;
      }
      await this.#clock.sleep(this.#retryMs() * (0.6 + 0.4 * (this.#options.random ?? systemRandom)()), signal);
    }
  }

  /** Renews until the signal is aborted; resolves early when the Lease is lost. Then `mayWrite` is false for ever: whoever
   * held the Lease meanwhile has changed the world, and only a new process knows nothing of the old one. */
  async hold(signal: AbortSignal): Promise<"lost" | "stopped"> {
    for (;;) {
      await this.#clock.sleep(this.#retryMs(), signal);
      if (signal.aborted) return "stopped";
      const deadlineMs = this.#options.renewDeadlineMs ?? 10_000;
      const leftMs = Math.max(this.#retryMs(), deadlineMs - this.#sinceRenewalMs());
      const outcome = await this.#within(leftMs, this.#take(), signal);
      if (signal.aborted) return "stopped";
      if (outcome === "held" || (outcome !== "another's" && this.#sinceRenewalMs() < deadlineMs)) continue;
      this.#end();
      return "lost";
    }
  }

  /** Gives the Lease back, so that the next need not wait for it to run out. */
  async release(): Promise<void> {
    try {
      // A renewal that is still under way may come in between, once.
      if (this.mayWrite()) await this.#giveBack().catch(() => this.#giveBack());
    } catch (error) {
      this.#options.log?.warn({ error: String(error) }, "the Lease could not be given back; it runs out by itself");
    }
    this.#end();
  }

  async #giveBack(): Promise<void> {
    const lease = await this.#resources.get<Lease>(this.#ref);
    if (lease.spec.holderIdentity !== this.identity) return;
    const renewTime = microTime(this.#now());
    await this.#write(lease, { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime });
  }

  #end(): void {
    this.#isOver = true;
    leaderStatus.set({ name: this.#options.name }, 0);
  }

  #now(): number {
    return this.#options.now?.() ?? this.#clock.now();
  }

  #leaseMs(): number {
    return this.#options.leaseMs ?? 15_000;
  }

  #retryMs(): number {
    return this.#options.retryMs ?? 2_000;
  }

  #sinceRenewalMs(): number {
    return this.#renewedMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - this.#renewedMs;
  }

  /** An answer that never comes must not hide that time is up. */
  async #within<T>(ms: number, promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    const answered = new AbortController();
    const limit = this.#clock.sleep(ms, AbortSignal.any([signal, answered.signal])).then(() => undefined);
    return await Promise.race([promise, limit]).finally(() => answered.abort());
  }

  /** Takes the Lease, or renews it. Who has held it once does not take it from another, nor back. */
  async #take(): Promise<"held" | "another's" | "unknown"> {
    const startMs = this.#clock.monotonicMs();
    try {
      const lease = await this.#resources.get<Lease>(this.#ref);
      const mine = lease.spec.holderIdentity === this.identity;
      if (!mine && (this.#term !== undefined || !this.#hasRunOut(lease))) return "another's";
      const now = microTime(this.#now());
      const written = await this.#write(lease, {
        ...this.#mine(now),
        leaseTransitions: (lease.spec.leaseTransitions ?? 0) + (mine ? 0 : 1),
        acquireTime: mine ? (lease.spec.acquireTime ?? now) : now,
      });
      this.#took(startMs, written);
      return "held";
    } catch (error) {
      if (isKind(error, "notFound")) return await this.#create(startMs);
      if (!isKind(error, "conflict", "exists"))
        this.#options.log?.warn({ error: String(error) }, "the Lease could not be read or renewed");
      return "unknown";
    }
  }

  async #create(startMs: number): Promise<"held" | "unknown"> {
    const now = microTime(this.#now());
    const { namespace, name } = this.#options;
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { namespace, name },
      spec: { ...this.#mine(now), acquireTime: now, leaseTransitions: 0 },
    };
    try {
      this.#took(startMs, await this.#resources.create<Lease>(lease));
      return "held";
    } catch (error) {
      if (!isKind(error, "exists")) this.#options.log?.warn({ error: String(error) }, "the Lease could not be created");
      return "unknown";
    }
  }

  #mine(now: string): Lease["spec"] {
    return {
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.ceil(this.#leaseMs() / 1_000),
      renewTime: now,
    };
  }

  #took(startMs: number, lease: Lease): void {
    this.#renewedMs = startMs; // When it was sent: the answer may have been long on its way.
    this.#term = `${lease.spec.leaseTransitions ?? 0}/${lease.metadata.uid ?? ""}`;
    this.#seen = { version: lease.metadata.resourceVersion ?? "", atMs: startMs };
  }

  async #write(lease: Lease, spec: Lease["spec"]): Promise<Lease> {
    const operations = [
      { op: "replace" as const, path: "/metadata/resourceVersion", value: lease.metadata.resourceVersion ?? "" },
      { op: "replace" as const, path: "/spec", value: spec },
    ];
    return await this.#resources.jsonPatch<Lease>(this.#ref, operations);
  }

  #hasRunOut(lease: Lease): boolean {
    if ((lease.spec.holderIdentity ?? "") === "") return true;
    const version = lease.metadata.resourceVersion ?? "";
    if (this.#seen?.version !== version) {
      this.#seen = { version, atMs: this.#clock.monotonicMs() };
      return false;
    }
    return this.#clock.monotonicMs() - this.#seen.atMs > (lease.spec.leaseDurationSeconds ?? 15) * 1_000;
  }
}

/** Whether a term that was found is later than ours. Terms of two Leases cannot be told apart: one of them was deleted.
 * @example isLaterTerm("3/uid", "2/uid") // true */
export function isLaterTerm(found: string, ours: string): boolean {
  const [[foundNumber, foundLease], [ourNumber, ourLease]] = [found.split("/"), ours.split("/")];
  return foundLease === ourLease && Number(foundNumber) > Number(ourNumber);
}

/** Leases want six digits; JavaScript has three. */
function microTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`;
}
