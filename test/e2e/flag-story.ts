import { request } from "undici";
import type { FeatureFlag, FeatureFlagStatus } from "../../src/api/feature-flag.ts";
import type { KubeObject } from "../../src/api/kubernetes.ts";
import { defineResource } from "../../src/kube/resource.ts";
import type { Store } from "../../src/kube/store.ts";
import type { FlagServer } from "../cluster/flag-server.ts";
import type { Playground } from "../cluster/playground.ts";
import { Access } from "../cluster/watch.ts";
import { podSpec, route, service } from "../demo/shop.ts";

const FLAGS = defineResource("zenith.sh/v1alpha1", "FeatureFlag", "featureflags");

/** What tests ask of flags: kubectl's words, and to wait for what a status says. */
export class FlagStory {
  readonly #playground: Playground;
  readonly #access: Access;
  readonly #flags: Store<FeatureFlag>;

  private constructor(playground: Playground, access: Access, flags: Store<FeatureFlag>) {
    this.#playground = playground;
    this.#access = access;
    this.#flags = flags;
  }

  static async begin(playground: Playground): Promise<FlagStory> {
    const access = new Access(playground.cluster.kubeconfig, "story");
    return new FlagStory(playground, access, await access.watch<FeatureFlag>(FLAGS));
  }

  async end(): Promise<void> {
    await this.#access.close();
  }

  /** @returns what kubectl printed
   * @throws Error with what it complained of */
  async kubectl(...args: string[]): Promise<string> {
    return await this.#run(args);
  }

  /** Applies YAML, as a person or a GitOps tool does. */
  async apply(text: string, ...args: string[]): Promise<string> {
    return await this.#run(["apply", ...args, "-f", "-"], text);
  }

  async #run(args: string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.#playground.cluster.kubectl(args, input === undefined ? {} : { input });
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
    return stdout.trim();
  }

  status(name: string, namespace = "default"): FeatureFlagStatus {
    return this.#flags.get(namespace, name)?.status ?? {};
  }

  /** Tells of every change of a flag.
   * @returns what ends it */
  watch(name: string, told: (flag: FeatureFlag) => void): () => void {
    return this.#flags.subscribe((_type, flag) => {
      if (flag.metadata.name === name) told(flag);
    });
  }

  /** Resolves as soon as the status is as wanted.
   * @throws Error with what the flag says instead */
  async until(
    name: string,
    isThere: (status: FeatureFlagStatus) => boolean,
    what: string,
    patienceMs = 60_000,
  ): Promise<FeatureFlagStatus> {
    if (isThere(this.status(name))) return this.status(name);
    return await new Promise<FeatureFlagStatus>((resolve, reject) => {
      const timer = setTimeout(() => {
        off();
        const { phase, message } = this.status(name);
        reject(new Error(`Waited ${patienceMs / 1_000} s for ${what}; ${name} is ${phase}: ${message}`));
      }, patienceMs);
      const off = this.#flags.subscribe((_type, flag) => {
        if (flag.metadata.name !== name || !isThere(flag.status ?? {})) return;
        clearTimeout(timer);
        off();
        resolve(flag.status ?? {});
      });
    });
  }

  async phase(wanted: string, name: string): Promise<FeatureFlagStatus> {
    return await this.until(name, ({ phase }) => phase === wanted, `phase ${wanted}`);
  }
}

/** A shop whose programs ask a flag server, and say which variant each request met. */
export function flagShop(
  server: FlagServer,
  harmFile: string,
  more: Readonly<Record<string, string>> = {},
  name = "web",
): KubeObject[] {
  const env = { SYNC_PORT: String(server.ports.sync), HARM_FILE: harmFile, ...more };
  const spec = podSpec("shop/web:v1", env) as { containers: object[] };
  const labels = { app: name };
  const containers = spec.containers.map((one) => ({ ...one, command: ["node", "test/cluster/flag-app.mjs"] }));
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { ...spec, containers } },
    },
  } as KubeObject;
  return [deployment, service({ name }), route({ name })];
}

/** What the program answers to a user: which variant, and whether it failed. */
export async function ask(
  gatewayUrl: string,
  user: string,
  key: string,
): Promise<{ variant: string | undefined; failed: boolean }> {
  try {
    const headers = { host: "web.example", "x-user": user };
    const { statusCode, headers: got, body } = await request(`${gatewayUrl}/${key}`, { headers });
    await body.dump();
    const variant = got["x-version"];
    return { variant: typeof variant === "string" ? variant : undefined, failed: statusCode >= 400 };
  } catch {
    return { variant: undefined, failed: true };
  }
}
