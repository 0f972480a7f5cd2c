import type { KubeObject } from "../../api/kubernetes.ts";
import { ApiError, isKind } from "../../kube/errors.ts";
import { defineResource, pathOf, Resources, type ResourceType } from "../../kube/resource.ts";
import { ApiClient, loadPersonsKubeConfig, namespaceOf, type Query, serverOf } from "../../kube/transport.ts";
import { CliError } from "../errors.ts";

/** The kinds that the commands read. */
export const KINDS = {
  rollouts: defineResource("zenith.sh/v1alpha1", "Rollout", "rollouts"),
  deployments: defineResource("apps/v1", "Deployment", "deployments"),
  replicaSets: defineResource("apps/v1", "ReplicaSet", "replicasets"),
  revisions: defineResource("apps/v1", "ControllerRevision", "controllerrevisions"),
  pods: defineResource("v1", "Pod", "pods"),
  flags: defineResource("zenith.sh/v1alpha1", "FeatureFlag", "featureflags"),
  segments: defineResource("zenith.sh/v1alpha1", "FlagSegment", "flagsegments"),
  kills: defineResource("zenith.sh/v1alpha1", "KillSwitch", "killswitches"),
  leases: defineResource("coordination.k8s.io/v1", "Lease", "leases"),
} as const;

export interface Choice {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
}

/** The cluster that a person means, and the namespace in it. */
export class Cluster {
  readonly client: ApiClient;
  readonly resources: Resources;
  readonly namespace: string;
  readonly server: string;

  /** @throws CliError where no cluster is named */
  constructor({ kubeconfig, context, namespace }: Choice) {
    const choice = {
      ...(kubeconfig === undefined ? {} : { path: kubeconfig }),
      ...(context === undefined ? {} : { context }),
    };
    try {
      const config = loadPersonsKubeConfig(choice);
      this.server = serverOf(config);
      this.namespace = namespace || namespaceOf(config); // An empty one says nothing, as to kubectl.
      this.client = new ApiClient(() => loadPersonsKubeConfig(choice), { userAgent: "kubectl-zenith" });
    } catch (error) {
      throw new CliError(sentence(error), "see kubectl config get-contexts, or name a file with --kubeconfig");
    }
    if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(this.namespace))
      throw new CliError(`"${this.namespace}" is no namespace`, "its name has small letters, digits and -");
    this.resources = new Resources(this.client, "kubectl-zenith");
  }

  /** One object by its name.
   * @throws CliError that names those which exist, where this one does not */
  async read<T extends KubeObject>(type: ResourceType, name: string): Promise<T> {
    const { namespace } = this;
    const { apiVersion, kind } = type;
    try {
      return await this.resources.get<T>({ apiVersion, kind, namespace, name });
    } catch (error) {
      const isMissing = error instanceof ApiError && error.kind === "notFound";
      if (!isMissing || (error.details as { name?: string } | undefined)?.name !== name) throw error;
    }
    throw new CliError(`There is no ${kind} "${name}" in namespace ${namespace}`, await this.#others(type));
  }

  async #others(type: ResourceType): Promise<string> {
    const others = (await this.listIfAllowed(type, this.namespace)) ?? [];
    const names = others.map(({ metadata }) => metadata.name);
    if (names.length > 0) return `there are ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`;
    return "there is none in this namespace; name another with -n, or see kubectl zenith get -A";
  }

  /** One object; undefined where it does not exist, or its person may not read it. */
  async getIfAllowed<T extends KubeObject>({ apiVersion, kind }: ResourceType, name: string): Promise<T | undefined> {
    return await ifAllowed(this.resources.get<T>({ apiVersion, kind, namespace: this.namespace, name }));
  }

  /** What a person may not read, or a cluster lacks, is undefined: they see the rest. */
  async listIfAllowed<T extends KubeObject>(
    type: ResourceType,
    namespace: string,
    query: Query = {},
  ): Promise<T[] | undefined> {
    return await ifAllowed(this.resources.list<T>(type, namespace, query));
  }

  /** Whether the cluster serves Rollouts at all. */
  async knowsRollouts(): Promise<boolean> {
    try {
      await this.client.request({ method: "GET", path: pathOf(KINDS.rollouts, this.namespace), query: { limit: 1 } });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.kind === "notFound") return false;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

async function ifAllowed<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isKind(error, "forbidden", "notFound")) return undefined;
    throw error;
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
