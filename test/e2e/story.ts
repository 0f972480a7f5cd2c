import type { KubeObject } from "../../src/api/kubernetes.ts";
import type { Rollout } from "../../src/api/rollout.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import type { Playground } from "../cluster/playground.ts";
import { Access } from "../cluster/watch.ts";

const ROLLOUTS = defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts");

export type Status = NonNullable<Rollout["status"]>;

/** What tests ask of a playground: kubectl's words, and to wait for what a status says. */
export class Story {
  readonly playground: Playground;
  readonly #access: Access;
  readonly #rollouts: Store<Rollout>;

  private constructor(playground: Playground, access: Access, rollouts: Store<Rollout>) {
    this.playground = playground;
    this.#access = access;
    this.#rollouts = rollouts;
  }

  static async begin(playground: Playground): Promise<Story> {
    const access = new Access(playground.cluster.kubeconfig, "story");
    return new Story(playground, access, await access.watch<Rollout>(ROLLOUTS));
  }

  async end(): Promise<void> {
    await this.#access.close();
  }

  /** @returns what kubectl printed
   * @throws Error with what it complained of */
  async kubectl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.playground.cluster.kubectl(args);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
    return stdout.trim();
  }

  async read<T extends KubeObject = KubeObject & { spec: Record<string, unknown> }>(
    kind: string,
    name: string,
  ): Promise<T> {
    return JSON.parse(await this.kubectl("get", kind, name, "-o", "json")) as T;
  }

  /** Sets the Deployment's image, and waits until the operator has seen it. */
  async release(image: string, name = "web"): Promise<void> {
    await this.kubectl("set", "image", `deployment/${name}`, `web=${image}`);
    const { generation } = (await this.read("deployment", name)).metadata;
    await this.until(
      name,
      (status) => (status.workload?.observedGeneration ?? 0) >= (generation ?? 0),
      "the new image to be seen",
    );
  }

  /** Gives a verb, bound to the present canary. */
  async request(verb: string, name = "web"): Promise<void> {
    const hash = this.status(name).canary?.revision ?? this.status(name).stable?.revision;
    const value = `${verb}@${hash}#${Date.now().toString(36)}`;
    await this.kubectl("annotate", "--overwrite", `rollout.zenith.sh/${name}`, `zenith.sh/request=${value}`);
  }

  status(name = "web", namespace = "default"): Status {
    return this.#rollouts.get(namespace, name)?.status ?? {};
  }

  /** Resolves as soon as the status is as wanted.
   * @throws Error with what the Rollout says instead */
  async until(name: string, isThere: (status: Status) => boolean, what: string, patienceMs = 90_000): Promise<Status> {
    if (isThere(this.status(name))) return this.status(name);
    return await new Promise<Status>((resolve, reject) => {
      const timer = setTimeout(() => {
        off();
        const { phase, message, progress } = this.status(name);
        reject(
          new Error(
            `Waited ${patienceMs / 1000} s for ${what}; ${name} is ${phase} (${progress?.stage}, ${progress?.mark}): ${message}`,
          ),
        );
      }, patienceMs);
      const off = this.#rollouts.subscribe((_type, rollout) => {
        if (rollout.metadata.name !== name || !isThere(rollout.status ?? {})) return;
        clearTimeout(timer);
        off();
        resolve(rollout.status ?? {});
      });
    });
  }

  async phase(wanted: string, name = "web"): Promise<Status> {
    return await this.until(name, ({ phase }) => phase === wanted, `phase ${wanted}`);
  }
}
