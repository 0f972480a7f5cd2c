import { afterEach, beforeEach } from "vitest";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { Reflector, type ReflectorOptions } from "../../src/kube/reflector.ts";
import { defineResource } from "../../src/kube/resource.ts";
import { Store } from "../../src/kube/store.ts";
import type { ApiClient } from "../../src/kube/transport.ts";
import {
  type Answer,
  fastClock,
  json,
  type ScriptedServer,
  type Seen,
  startScriptedServer,
} from "./scripted-server.ts";

/** The reflector's minutes in milliseconds of ours. */
export const FACTOR = 100;

const POD = defineResource("v1", "Pod", "pods");

export interface Running {
  readonly store: Store<KubeObject>;
  readonly reflector: Reflector<KubeObject>;
  readonly told: string[];
  readonly restored: string[];
  readonly ended: Promise<unknown>;
}

/** A scripted server for each test, and reflectors that end with it. */
export class ReflectorLab {
  server!: ScriptedServer;
  stop!: AbortController;
  #runs: Promise<unknown>[] = [];

  /** Called once by a file of tests. */
  static open(): ReflectorLab {
    const lab = new ReflectorLab();
    beforeEach(async () => {
      lab.server = await startScriptedServer();
      lab.stop = new AbortController();
      lab.#runs = [];
    });
    afterEach(async () => {
      lab.stop.abort();
      await Promise.all(lab.#runs);
      await lab.server.stop();
    });
    return lab;
  }

  run(options: ReflectorOptions = {}, client: ApiClient = this.server.client({ clock: fastClock(10) })): Running {
    const store = new Store<KubeObject>();
    const told: string[] = [];
    const restored: string[] = [];
    store.subscribe((type, { metadata }) => told.push(`${type} ${metadata.name} ${metadata.resourceVersion}`));
    const reflector = new Reflector(client, POD, store, {
      clock: fastClock(FACTOR),
      random: () => 0,
      onRestoredServer: (kind) => restored.push(kind),
      ...options,
    });
    const ended = reflector.run(this.stop.signal);
    this.#runs.push(ended.catch(() => undefined));
    return { store, reflector, told, restored, ended };
  }

  /** What was asked for, in words. */
  asked(): string[] {
    return this.server.seen.map(meaning);
  }
}

export function aPod(name: string, version: number, namespace = "shop"): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace, resourceVersion: String(version) } };
}

export function line(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

export function bookmark(version: number, annotations?: Record<string, string>): string {
  return line("BOOKMARK", { kind: "Pod", metadata: { resourceVersion: String(version), annotations } });
}

/** The whole as a stream, and what comes behind it. */
export function whole(version: number, pods: readonly KubeObject[], ...then: string[]): string[] {
  const end = bookmark(version, { "k8s.io/initial-events-end": "true" });
  return [...pods.map((pod) => line("ADDED", pod)), end, ...then];
}

export function list(version: number, pods: readonly KubeObject[], next?: string): Answer {
  const items = pods.map(({ metadata }) => ({ metadata })); // As lists give them: without their kind.
  return json(200, { kind: "PodList", metadata: { resourceVersion: String(version), continue: next }, items });
}

/** How a request of a reflector is meant. */
export function meaning({ query }: Seen): string {
  if (query.get("sendInitialEvents") === "true") return "whole";
  if (query.get("watch") === "true") return `watch from ${query.get("resourceVersion")}`;
  if (query.get("limit") === "1") return "how old?";
  return query.has("continue") ? `page ${query.get("continue")}` : "list";
}
