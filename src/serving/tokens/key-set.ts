import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Clock } from "../../kube/clock.ts";
import type { ApiClient } from "../../kube/transport.ts";
import type { Logger } from "../../telemetry/log.ts";
import { readWhole, writeWhole } from "../files.ts";

/** Who signs ServiceAccount tokens in this cluster, and with which keys. */
export interface Issuer {
  readonly issuer: string;
  readonly keys: JSONWebKeySet;
}

const FRESH_MS = 10 * 60_000;
/** A token with a key that is not known may have a new one; or be made up, and then the API server is not asked again. */
const NOT_SOONER_MS = 30_000;
const RETRY_MS = 5_000;

/** Keeps the cluster's keys, in memory and beside the snapshot: an API server that is away must lock nobody out. */
export class KeySet {
  readonly #client: Pick<ApiClient, "request">;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #file: string | undefined;
  #known: (Issuer & { readonly find: JWTVerifyGetKey }) | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #isTold = false;

  /** @param file where they are kept; undefined: nowhere */
  constructor(options: {
    readonly client: Pick<ApiClient, "request">;
    readonly clock: Clock;
    readonly log: Logger;
    readonly file: string | undefined;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#file = options.file;
  }

  get known(): (Issuer & { readonly find: JWTVerifyGetKey }) | undefined {
    return this.#known;
  }

  /** Keeps the keys current until the signal is aborted. What is on disk counts until the API server has answered. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#load();
    while (!signal.aborted) {
      const isFresh = await this.refresh(signal);
      await this.#clock.sleep(isFresh ? FRESH_MS : RETRY_MS, signal);
    }
  }

  /** Asks the API server again, though not more than every half minute: for a token whose key is not known. */
  async refreshForUnknown(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#askedMs >= NOT_SOONER_MS) await this.refresh();
  }

  /** @returns whether the API server has answered */
  async refresh(signal?: AbortSignal): Promise<boolean> {
    this.#askedMs = this.#clock.monotonicMs();
    const get = <T>(path: string, accept: string) =>
      this.#client.request<T>({ method: "GET", path, accept, ...(signal === undefined ? {} : { signal }) });
    try {
      const { issuer } = await get<{ issuer: string }>("/.well-known/openid-configuration", "application/json");
      const keys = await get<JSONWebKeySet>("/openid/v1/jwks", "application/jwk-set+json");
      const text = JSON.stringify({ issuer, keys });
      const isNew =
        this.#known === undefined || text !== JSON.stringify({ issuer: this.#known.issuer, keys: this.#known.keys });
      this.#take({ issuer, keys });
      if (isNew && this.#file !== undefined) await writeWhole(this.#file, text);
      this.#isTold = false;
      return true;
    } catch (error) {
      if (signal?.aborted !== true && !this.#isTold)
        this.#log.warn({ error: messageOf(error) }, "cannot read the cluster's keys; those that are known go on");
      this.#isTold = true;
      return false;
    }
  }

  async #load(): Promise<void> {
    if (this.#file === undefined) return;
    try {
      const text = await readWhole(this.#file);
      if (text !== undefined) this.#take(JSON.parse(text) as Issuer);
    } catch (error) {
      this.#log.warn(
        { error: messageOf(error) },
        "the kept keys of the cluster cannot be read; the API server is asked",
      );
    }
  }

  #take({ issuer, keys }: Issuer): void {
    this.#known = { issuer, keys, find: createLocalJWKSet(keys) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
