import { hostname } from "node:os";
import type { KubeObject, ObjectRef } from "../api/kubernetes.ts";
import type { Logger } from "../telemetry/log.ts";
import { leaderStatus } from "../telemetry/metrics.ts";
import { type Clock, type Random, systemClock, systemRandom } from "./clock.ts";
import { isKind } from "./errors.ts";
import { defineResource, type Resources } from "./resource.ts";

defineResource("coordination.k8s.io/v1", "Lease", "leases");

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
  #term = 0;

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

  /** The number of times that the Lease has changed hands: stamped on what must not be moved by an earlier leader. */
  term(): number {
    return this.#term;
  }

  /** False from the moment at which another may hold the Lease. */
  mayWrite(): boolean {
    return (
      this.#renewedMs !== undefined &&
      this.#clock.monotonicMs() - this.#renewedMs < (this.#options.leaseMs ?? 15_000) - 1_000
    );
  }

  /** Resolves when this process leads, or when the signal is aborted. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#try()) {
        leaderStatus.set({ name: this.#options.name }, 1);
        return;
      }
      const retryMs = this.#options.retryMs ?? 2_000;
      await this.#clock.sleep(retryMs * (0.6 + 0.4 * (this.#options.random ?? systemRandom)()), signal);
    }
  }

  /** Renews until the signal is aborted; resolves early when the Lease is lost. */
  async hold(signal: AbortSignal): Promise<"lost" | "stopped"> {
    const deadlineMs = this.#options.renewDeadlineMs ?? 10_000;
    while (!signal.aborted) {
      await this.#clock.sleep(this.#options.retryMs ?? 2_000, signal);
      if (signal.aborted) break;
      await this.#try();
      if (this.#clock.monotonicMs() - (this.#renewedMs ?? 0) > deadlineMs) {
        leaderStatus.set({ name: this.#options.name }, 0);
        return "lost";
      }
    }
    return "stopped";
  }

  /** Gives the Lease back, so that the next need not wait for it to run out. */
  async release(): Promise<void> {
    if (!this.mayWrite()) return;
    try {
      const lease = await this.#resources.get<Lease>(this.#ref);
      if (lease.spec.holderIdentity !== this.identity) return;
      await this.#write(lease, {
        ...lease.spec,
        holderIdentity: "",
        leaseDurationSeconds: 1,
        renewTime: microTime(this.#clock.now()),
      });
    } catch (error) {
      this.#options.log?.warn({ error: String(error) }, "the Lease could not be given back; it runs out by itself");
    }
    this.#renewedMs = undefined;
    leaderStatus.set({ name: this.#options.name }, 0);
  }

  async #try(): Promise<boolean> {
    const startMs = this.#clock.monotonicMs();
    try {
      const lease = await this.#resources.get<Lease>(this.#ref);
      const mine = lease.spec.holderIdentity === this.identity;
      if (!mine && !this.#hasRunOut(lease)) return false;
      const term = (lease.spec.leaseTransitions ?? 0) + (mine ? 0 : 1);
      const now = microTime(this.#clock.now());
      const written = await this.#write(lease, {
        ...this.#mine(now),
        leaseTransitions: term,
        acquireTime: mine ? (lease.spec.acquireTime ?? now) : now,
      });
      this.#took(startMs, term, written);
      return true;
    } catch (error) {
      if (isKind(error, "notFound")) return await this.#create(startMs);
      if (!isKind(error, "conflict", "exists"))
        this.#options.log?.warn({ error: String(error) }, "the Lease could not be read or renewed");
      return false;
    }
  }

  async #create(startMs: number): Promise<boolean> {
    const now = microTime(this.#clock.now());
    const { namespace, name } = this.#options;
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { namespace, name },
      spec: { ...this.#mine(now), acquireTime: now, leaseTransitions: 0 },
    };
    try {
      this.#took(startMs, 0, await this.#resources.create<Lease>(lease));
      return true;
    } catch (error) {
      if (!isKind(error, "exists")) this.#options.log?.warn({ error: String(error) }, "the Lease could not be created");
      return false;
    }
  }

  #mine(now: string): Lease["spec"] {
    return {
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.ceil((this.#options.leaseMs ?? 15_000) / 1_000),
      renewTime: now,
    };
  }

  #took(startMs: number, term: number, lease: Lease): void {
    this.#renewedMs = startMs; // When it was sent: the answer may have been long on its way.
    this.#term = term;
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

/** Leases want six digits; JavaScript has three. */
function microTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`;
}
