import { hostname } from "node:os";
import { join } from "node:path";
import type { FeatureFlag } from "./api/feature-flag.ts";
import type { FlagSegment } from "./api/flag-segment.ts";
import type { KillSwitch } from "./api/kill-switch.ts";
import type { KubeObject } from "./api/kubernetes.ts";
import type { FlagsConfig } from "./flags-config.ts";
import { systemClock } from "./kube/clock.ts";
import { isNowhere, listenAt } from "./kube/manager.ts";
import { Reflector } from "./kube/reflector.ts";
import { defineResource, type ResourceType } from "./kube/resource.ts";
import { Store } from "./kube/store.ts";
import { ApiClient, loadKubeConfig } from "./kube/transport.ts";
import { Compilation } from "./serving/compilation.ts";
import { DeliveryCounts } from "./serving/delivery.ts";
import { OpenStreams } from "./serving/grpc/streams.ts";
import { createManagement } from "./serving/management.ts";
import { type Serving, startServing } from "./serving/serving.ts";
import { Snapshot } from "./serving/snapshot.ts";
import { FlagStore } from "./serving/store.ts";
import { Authorizer } from "./serving/tokens/authorizer.ts";
import { ClientKeys } from "./serving/tokens/client-keys.ts";
import { KeySet } from "./serving/tokens/key-set.ts";
import type { Logger } from "./telemetry/log.ts";

const API = "zenith.sh/v1alpha1";
const TYPES = {
  flags: defineResource(API, "FeatureFlag", "featureflags"),
  segments: defineResource(API, "FlagSegment", "flagsegments"),
  kills: defineResource(API, "KillSwitch", "killswitches"),
};
/** An API server that is there answers within this; longer, and the snapshot is served. */
const LISTED_WITHIN_MS = 1_000;
/** New clients should find another server before those that are connected are sent there. */
const UNNOTICED_MS = 2_000;

/** Runs the flag server until the signal is aborted.
 * @returns the exit code: 0 after a stop that was asked for
 * @throws Error with a sentence where it cannot start */
export async function runFlags(config: FlagsConfig, log: Logger, asked: AbortSignal): Promise<number> {
  const ended = new AbortController();
  const restored = new AbortController();
  const server = new FlagsServer(config, log, () => restored.abort());
  try {
    await server.start(AbortSignal.any([asked, ended.signal]), ended.signal);
    await Promise.race([aborted(asked), aborted(restored.signal)]);
    await server.drain();
    return asked.aborted ? 0 : 1;
  } finally {
    ended.abort();
    await server.close();
  }
}

class FlagsServer {
  readonly #config: FlagsConfig;
  readonly #log: Logger;
  readonly #client: ApiClient;
  readonly #store = new FlagStore();
  readonly #delivery = new DeliveryCounts(this.#store, systemClock);
  readonly #sources = {
    flags: new Store<FeatureFlag>(),
    segments: new Store<FlagSegment>(),
    kills: new Store<KillSwitch>(),
  };
  readonly #reflectors: Reflector<KubeObject>[] = [];
  readonly #open: { close(): Promise<void> }[] = [];
  readonly #healthStreams = new OpenStreams(systemClock, 100);
  readonly #snapshot: Snapshot | undefined;
  #serving: Serving | undefined;
  /** What readiness still waits for. */
  #waitsFor: string | undefined = "waiting for the first list, or a snapshot";

  constructor(config: FlagsConfig, log: Logger, onRestoredServer: () => void) {
    this.#config = config;
    this.#log = log;
    this.#client = new ApiClient(() => loadKubeConfig(config.kubeconfig), { userAgent: "zenith-flags" });
    this.#open.push(this.#client);
    const folder = config["snapshot-dir"];
    this.#snapshot =
      folder === undefined ? undefined : new Snapshot({ folder, store: this.#store, clock: systemClock, log });
    this.#watch(TYPES.flags, this.#sources.flags, onRestoredServer);
    this.#watch(TYPES.segments, this.#sources.segments, onRestoredServer);
    this.#watch(TYPES.kills, this.#sources.kills, onRestoredServer);
  }

  /** Resolves once flags are served.
   * @param stopped ends the wait for them
   * @param ended ends what is watched: clients that are still to be sent away hear of a kill, too */
  async start(stopped: AbortSignal, ended: AbortSignal): Promise<void> {
    const clientKeys = new ClientKeys(this.#config["client-token-key-file"], systemClock);
    const keySet = this.#makeKeySet();
    await this.#startManagement();
    for (const reflector of this.#reflectors) void reflector.run(ended);
    void keySet.run(ended);
    const compiled = this.#compileOnceListed(stopped);
    const isFirst = await Promise.race([compiled, systemClock.sleep(LISTED_WITHIN_MS, stopped).then(() => false)]);
    const kept = isFirst ? undefined : await this.#snapshot?.load();
    if (kept !== undefined)
      this.#log.info({ flags: kept }, "the API server has not answered yet; serving the snapshot");
    else await compiled;
    if (stopped.aborted) return;
    this.#serving = await this.#startServing(clientKeys, keySet);
    this.#open.push(this.#serving);
    this.#waitsFor = undefined;
    this.#log.info({ flags: this.#store.size }, "serving");
  }

  async drain(): Promise<void> {
    this.#waitsFor = "going";
    this.#log.info({ streams: this.#delivery.connected() }, "stopping; clients are sent to other servers");
    const drainMs = this.#config["drain-seconds"] * 1_000;
    await systemClock.sleep(Math.min(UNNOTICED_MS, drainMs / 3));
    await this.#serving?.drain(drainMs / 3);
    await this.#snapshot?.flushed();
  }

  async close(): Promise<void> {
    for (const one of this.#open.splice(0).reverse()) await one.close();
  }

  #watch<T extends KubeObject>(type: ResourceType, store: Store<T>, onRestored: () => void): void {
    const onRestoredServer = (kind: string): void => {
      this.#log.error(
        { kind },
        "the API server is older than what was seen of it: restored from a backup? Starting afresh",
      );
      onRestored();
    };
    const { namespaces } = this.#config;
    const parts = namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }));
    for (const part of parts) {
      const reflector = new Reflector<T>(this.#client, type, store, { ...part, log: this.#log, onRestoredServer });
      this.#reflectors.push(reflector as unknown as Reflector<KubeObject>);
    }
  }

  /** What a snapshot held is replaced by what is compiled, flag by flag.
   * @returns true once the first lists are compiled and served */
  async #compileOnceListed(signal: AbortSignal): Promise<boolean> {
    const nowMs = () => this.#client.serverNow();
    const parts = { sources: this.#sources, store: this.#store, clock: systemClock, nowMs, log: this.#log };
    const compilation = new Compilation(parts);
    while (!this.#reflectors.every(({ store }) => store.hasSynced())) {
      if (signal.aborted) return false;
      await systemClock.sleep(10, signal);
    }
    await compilation.start();
    this.#snapshot?.keep();
    return true;
  }

  #makeKeySet(): KeySet {
    const folder = this.#config["snapshot-dir"];
    const file = folder === undefined ? undefined : join(folder, "keys.json");
    return new KeySet({ client: this.#client, clock: systemClock, log: this.#log, file });
  }

  async #startManagement(): Promise<void> {
    const address = this.#config["management-bind-address"];
    if (isNowhere(address)) return;
    const management = createManagement({
      delivery: this.#delivery,
      server: hostname(),
      waitsFor: () => this.#waitsFor,
      streams: this.#healthStreams,
      clock: systemClock,
    });
    this.#open.push(management);
    await listenAt(management.net, address, "--management-bind-address");
  }

  #startServing(clientKeys: ClientKeys, keySet: KeySet): Promise<Serving> {
    const config = this.#config;
    const { anonymous, "default-flag-set": defaultFlagSet, "token-audience": audience } = config;
    const isServerAway = () => this.#reflectors.some((reflector) => reflector.watch() === undefined);
    const parts = { keySet, clientKeys, audience, anonymous, defaultFlagSet, isServerAway, clock: systemClock };
    return startServing({
      store: this.#store,
      delivery: this.#delivery,
      authorize: new Authorizer(parts).authorize,
      clientKeys: () => clientKeys.get(),
      isOpen: anonymous !== "off",
      defaultFlagSet,
      origins: config["cors-allowed-origins"],
      mostStreams: config["max-streams"],
      addresses: {
        ofrep: config["ofrep-bind-address"],
        evaluation: config["evaluation-bind-address"],
        sync: config["sync-bind-address"],
      },
      clock: systemClock,
      log: this.#log,
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}
