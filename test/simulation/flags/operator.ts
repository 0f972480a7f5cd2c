import type { FeatureFlag } from "../../../src/api/feature-flag.ts";
import type { JsonPatchOperation, KubeObject, ObjectRef } from "../../../src/api/kubernetes.ts";
import { FlagController } from "../../../src/controllers/feature-flag/controller.ts";
import type { FlagPlan, planFlag } from "../../../src/core/flags/control/plan.ts";
import type { FlagSnapshot } from "../../../src/core/flags/control/snapshot.ts";
import { type Clock, sleepOn } from "../../../src/kube/clock.ts";
import { ApiError } from "../../../src/kube/errors.ts";
import type { EventRecorder } from "../../../src/kube/events.ts";
import { Resources, resourceType } from "../../../src/kube/resource.ts";
import type { ApiClient, ApiRequest } from "../../../src/kube/transport.ts";
import type { MetricsSource } from "../../../src/metrics/prometheus.ts";
import type { Logger } from "../../../src/telemetry/log.ts";
import "../../../src/controllers/rollout/caches.ts"; // Makes our kinds known.
import type { Agenda } from "../agenda.ts";
import { type ApiServer, refuse } from "../cluster/api-server.ts";
import { Caches, flagStoresOf } from "../cluster/caches.ts";
import type { WriteFault } from "../faults.ts";
import { OPERATOR } from "../operator.ts";
import type { Rng } from "../rng.ts";

/** One decision, and what it rests on: what a write is checked against. */
export interface FlagPass {
  readonly snapshot: FlagSnapshot;
  readonly plan: FlagPlan;
}

export interface FlagHooks {
  readonly fault: () => WriteFault | undefined;
  readonly onPass: (pass: FlagPass) => void;
  readonly onCrash: (why: string) => void;
  /** Deciding threw, or something else that is never to be. */
  readonly onBroken: (message: string) => void;
  readonly plan: typeof planFlag;
  /** A write that comes late, and the pass that it comes from. */
  readonly late: (pass: FlagPass, write: () => void) => void;
  /** What of a write is really sent. */
  readonly send: (operations: readonly JsonPatchOperation[]) => readonly JsonPatchOperation[];
}

/** One process of the operator: the real FlagController, on virtual time, with caches and an API server that are not always
 * what they should be. */
export class FlagOperator {
  caches: Caches | undefined;
  readonly #world: { agenda: Agenda; api: ApiServer; metrics: MetricsSource; rng: Rng; hooks: FlagHooks };
  #process = 0;

  constructor(world: { agenda: Agenda; api: ApiServer; metrics: MetricsSource; rng: Rng; hooks: FlagHooks }) {
    this.#world = world;
    world.api.onCommit((commit) => this.caches?.take(commit));
  }

  /** A new process: it lists, then looks at every flag. */
  start(): void {
    const { api, rng } = this.#world;
    const before = this.#process;
    const list = () => {
      if (before === this.#process) this.#begin();
    };
    api.whenUp(list, () => rng.int(500, 20_000));
  }

  #begin(): void {
    const { agenda, api, rng, metrics, hooks } = this.#world;
    const mine = ++this.#process;
    const lives = () => this.#process === mine;
    const caches = new Caches(agenda, api, rng.fork(), () => {}, flagStoresOf);
    this.caches = caches;
    const clock = clockOf(agenda, lives);
    let last: FlagPass | undefined;
    const late = (write: () => void) => (last === undefined ? write() : hooks.late(last, write));
    const client = { request: (request: ApiRequest) => this.#send(request, { lives, late }) } as unknown as ApiClient;
    new FlagController({
      sources: caches.sources,
      resources: new Resources(client),
      metrics,
      events: { record: () => {} } as unknown as EventRecorder,
      clock,
      now: () => agenda.nowMs,
      log: logOf(hooks),
      concurrency: 1,
      plan: (snapshot) => {
        const plan = hooks.plan(snapshot);
        if (!lives()) return plan;
        last = { snapshot, plan };
        hooks.onPass(last);
        return plan;
      },
    }).start();
  }

  /** All memory is lost; what was written stays. Another process starts after a while. */
  crash(why: string, downMs: number): void {
    this.#world.hooks.onCrash(why);
    this.caches?.close();
    this.caches = undefined;
    const mine = ++this.#process; // What the old one still waits for never comes.
    this.#world.agenda.after(downMs, () => {
      if (this.#process === mine) this.start();
    });
  }

  /** One write, and what may happen to it: lost before or after it took effect, or the process with it. */
  #send(request: ApiRequest, { lives, late }: Process): Promise<KubeObject> {
    const { agenda, rng } = this.#world;
    return new Promise((resolve, reject) => {
      agenda.after(rng.int(2, 25), () => {
        if (!lives()) return;
        try {
          const object = this.#arrive(request, late);
          agenda.after(rng.int(1, 10), () => {
            if (object !== undefined && lives()) resolve(object);
          });
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** @returns undefined where the process did not live to see the answer */
  #arrive({ path, body }: ApiRequest, late: Process["late"]): KubeObject | undefined {
    const { api, rng, hooks } = this.#world;
    const patch = () => api.patch(OPERATOR, refAt(path), hooks.send(body as JsonPatchOperation[]), "status");
    api.reach();
    const fault = hooks.fault();
    if (fault === "twoLeaders") {
      this.crash("asleep, until another leads", rng.int(200, 20_000));
      this.#world.agenda.after(rng.int(1_000, 90_000), () => late(() => refusable(patch)));
      return undefined;
    }
    if (fault === "crashBefore") {
      this.crash(fault, rng.int(500, 20_000));
      return undefined;
    }
    if (fault === "errorBefore") throw refuse("server", "the API server is not available");
    if (fault === "conflict") throw refuse("conflict", "the object has been modified");
    const object = patch();
    if (api.isDown) throw refuse("timeout", "no answer came"); // It went with the answer.
    if (fault === "crashAfter") {
      this.crash(fault, rng.int(500, 20_000));
      return undefined;
    }
    if (fault === "errorAfter") throw refuse("timeout", "no answer came");
    return object;
  }
}

interface Process {
  readonly lives: () => boolean;
  /** Does what comes of this process after another leads. */
  readonly late: (write: () => void) => void;
}

/** Nobody is left who would hear the refusal. */
function refusable(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

const FLAG = resourceType("zenith.sh/v1alpha1", "FeatureFlag");

/** The only object of which the controller writes anything, and that is its status. */
function refAt(path: string): ObjectRef {
  const found = /^\/apis\/zenith\.sh\/v1alpha1\/namespaces\/([^/]+)\/featureflags\/([^/]+)\/status$/.exec(path);
  if (found === null) throw new Error(`A flag's controller must write the status of flags alone, and not ${path}`);
  const [, namespace = "", name = ""] = found;
  return { apiVersion: FLAG.apiVersion, kind: FLAG.kind, namespace, name };
}

function clockOf(agenda: Agenda, lives: () => boolean): Clock {
  const clock: Clock = {
    now: () => agenda.nowMs,
    monotonicMs: () => agenda.nowMs,
    after: (ms, run) => {
      let isOpen = true;
      agenda.after(ms, () => {
        if (isOpen && lives()) run();
      });
      return {
        cancel: () => {
          isOpen = false;
        },
      };
    },
    sleep: (ms, signal) => sleepOn(clock, ms, signal),
  };
  return clock;
}

/** A pass that fails is tried again; one in which nothing could be decided is a fault of ours. */
function logOf({ onBroken }: FlagHooks): Logger {
  const error = (fields: { readonly error?: string }, text: string) => {
    if (text === "nothing can be decided") onBroken(`${text}: ${fields.error}`);
  };
  return { info: () => {}, warn: () => {}, debug: () => {}, error } as unknown as Logger;
}

export function isFlag(object: KubeObject): object is FeatureFlag {
  return object.kind === "FeatureFlag";
}
