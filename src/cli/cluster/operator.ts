import type { KubeObject } from "../../api/kubernetes.ts";
import { isKind } from "../../kube/errors.ts";
import { pathOf } from "../../kube/resource.ts";
import { age } from "../render/words.ts";
import { type Cluster, KINDS } from "./cluster.ts";

/** Whether an operator is there to act, as its Lease tells. */
export type Presence =
  | { readonly kind: "running"; readonly holder: string; readonly namespace: string }
  | { readonly kind: "gone"; readonly message: string }
  | { readonly kind: "unknown"; readonly message: string }; // The person may not read Leases.

const LEASE = "zenith-operator";
const USUAL_NAMESPACE = "zenith-system";

interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly renewTime?: string;
  };
}

/** Looks for the operator's Lease wherever it is, else where it usually is: who may not list all may often read one. */
export async function findOperator(cluster: Cluster): Promise<Presence> {
  try {
    return presenceOf(await leases(cluster), cluster.client.serverNow());
  } catch (error) {
    if (!isKind(error, "forbidden")) throw error;
    return { kind: "unknown", message: "you may not read Leases, which would tell whether an operator runs" };
  }
}

async function leases(cluster: Cluster): Promise<readonly Lease[]> {
  try {
    const path = pathOf(KINDS.leases);
    const query = { fieldSelector: `metadata.name=${LEASE}` };
    return (await cluster.client.request<{ items: Lease[] }>({ method: "GET", path, query })).items;
  } catch (error) {
    if (!isKind(error, "forbidden")) throw error;
  }
  const ref = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: USUAL_NAMESPACE, name: LEASE };
  try {
    return [await cluster.resources.get<Lease>(ref)];
  } catch (error) {
    if (isKind(error, "notFound")) return [];
    throw error;
  }
}

/** Pure. Of several operators, each with namespaces of its own, one that runs is enough to say so.
 * @param nowMs server time */
export function presenceOf(found: readonly Lease[], nowMs: number): Presence {
  const running = found.find((lease) => isRenewed(lease, nowMs));
  if (running !== undefined)
    return {
      kind: "running",
      holder: running.spec?.holderIdentity ?? "",
      namespace: running.metadata.namespace ?? "",
    };
  const newest = found.toSorted((a, b) => renewedMs(b) - renewedMs(a))[0];
  if (newest === undefined)
    return { kind: "gone", message: `no operator is running: there is no Lease "${LEASE}" in any namespace` };
  const where = `Lease "${newest.metadata.namespace}/${LEASE}"`;
  const ago = age(nowMs - renewedMs(newest));
  const holder = newest.spec?.holderIdentity ?? "";
  const how = holder === "" ? `was given back ${ago} ago` : `was last renewed ${ago} ago`;
  return { kind: "gone", message: `no operator is running: ${where} ${how}` };
}

function isRenewed(lease: Lease, nowMs: number): boolean {
  const { holderIdentity = "", leaseDurationSeconds = 15 } = lease.spec ?? {};
  return holderIdentity !== "" && nowMs - renewedMs(lease) < leaseDurationSeconds * 1000;
}

function renewedMs({ spec }: Lease): number {
  const ms = Date.parse(spec?.renewTime ?? "");
  return Number.isNaN(ms) ? 0 : ms;
}
