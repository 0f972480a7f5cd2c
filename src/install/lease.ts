import type { KubeObject, ObjectRef } from "../api/kubernetes.ts";
import { isKind } from "../kube/errors.ts";
import { defineResource, type Resources } from "../kube/resource.ts";

defineResource("coordination.k8s.io/v1", "Lease", "leases");

interface Lease extends KubeObject {
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly renewTime?: string;
  };
}

/** Who leads, as the Lease tells it. */
export interface Leadership {
  /** Empty where nobody does. */
  readonly holder: string;
  /** Changes with every renewal. */
  readonly version: string;
  readonly durationMs: number;
  /** When it was last renewed, in milliseconds since the epoch. */
  readonly renewedMs: number;
}

/** @returns undefined where no operator has ever led there */
export async function readLeadership(resources: Resources, namespace: string): Promise<Leadership | undefined> {
  const ref: ObjectRef = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace, name: "zenith-operator" };
  try {
    const { metadata, spec } = await resources.get<Lease>(ref);
    return {
      holder: spec.holderIdentity ?? "",
      version: metadata.resourceVersion ?? "",
      durationMs: (spec.leaseDurationSeconds ?? 15) * 1_000,
      renewedMs: Date.parse(spec.renewTime ?? "") || 0,
    };
  } catch (error) {
    if (isKind(error, "notFound")) return undefined;
    throw error;
  }
}
