export function splitReplicas(
  replicas: number,
  canaryBp: number,
  _maxSurge: number,
): { stable: number; canary: number } {
  const canary = Math.round((replicas * canaryBp) / 10_000);
  return { stable: replicas - canary, canary };
}
export function resolveSurge(
  replicas: number,
  maxSurge: number | string | undefined,
  maxUnavailable: number | string | undefined,
) {
  const f = (v: number | string | undefined, up: boolean) =>
    typeof v === "string" ? (up ? Math.ceil : Math.floor)((replicas * Number.parseFloat(v)) / 100) : (v ?? 0);
  return { maxSurge: f(maxSurge, true), maxUnavailable: f(maxUnavailable, false) };
}
export function nextSizes(input: {
  replicas: number;
  canaryBp: number;
  maxSurge: number;
  maxUnavailable: number;
  stable: { size: number; available: number };
  canary: { size: number; available: number };
  others: number;
}) {
  return splitReplicas(input.replicas, input.canaryBp, input.maxSurge);
}
export function canarySizeWithRoutes(replicas: number, canaryBp: number): number {
  return canaryBp === 0 ? 0 : Math.min(replicas, Math.max(1, Math.ceil((replicas * canaryBp) / 10_000)));
}
