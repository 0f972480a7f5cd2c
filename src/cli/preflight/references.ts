import type { PodTemplate } from "../../api/kubernetes.ts";

/** Something in the namespace that pods of a template cannot start, or not work, without. */
export interface Reference {
  readonly kind: "ConfigMap" | "Secret" | "PersistentVolumeClaim" | "ServiceAccount";
  readonly name: string;
  /** Absent where the whole of it is meant. */
  readonly key?: string;
  /** Where the template says so, for people. */
  readonly where: string;
}

interface Keyed {
  readonly name?: string;
  readonly key?: string;
  readonly optional?: boolean;
}
interface Source {
  readonly name?: string;
  readonly secretName?: string;
  readonly optional?: boolean;
  readonly items?: readonly { readonly key: string }[];
}
interface Volume {
  readonly name: string;
  readonly configMap?: Source;
  readonly secret?: Source;
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly projected?: { readonly sources?: readonly { readonly configMap?: Source; readonly secret?: Source }[] };
}
interface Container {
  readonly name: string;
  readonly env?: readonly {
    readonly name: string;
    readonly valueFrom?: { readonly configMapKeyRef?: Keyed; readonly secretKeyRef?: Keyed };
  }[];
  readonly envFrom?: readonly { readonly configMapRef?: Keyed; readonly secretRef?: Keyed }[];
}
interface PodSpec {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly imagePullSecrets?: readonly { readonly name?: string }[];
  readonly serviceAccountName?: string;
}

/** All that a pod template refers to by name, but for what it calls optional. Pure. */
export function referencesOf(template: PodTemplate): Reference[] {
  const spec = template.spec as PodSpec;
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const pulls = (spec.imagePullSecrets ?? []).flatMap(({ name }) => one("Secret", { name }, "imagePullSecrets"));
  return [
    ...containers.flatMap(ofContainer),
    ...(spec.volumes ?? []).flatMap(ofVolume),
    ...pulls,
    ...one("ServiceAccount", { name: spec.serviceAccountName }, "serviceAccountName"),
  ];
}

function one(
  kind: Reference["kind"],
  { name, key, optional }: { name?: string | undefined; key?: string | undefined; optional?: boolean | undefined },
  where: string,
): Reference[] {
  if (name === undefined || name === "" || optional === true) return [];
  return [{ kind, name, ...(key === undefined ? {} : { key }), where }];
}

function ofContainer({ name: container, env = [], envFrom = [] }: Container): Reference[] {
  const single = env.flatMap(({ name, valueFrom }) => {
    const where = `container ${container}, env ${name}`;
    return [
      ...one("ConfigMap", valueFrom?.configMapKeyRef ?? {}, where),
      ...one("Secret", valueFrom?.secretKeyRef ?? {}, where),
    ];
  });
  const whole = envFrom.flatMap(({ configMapRef, secretRef }) => [
    ...one("ConfigMap", configMapRef ?? {}, `container ${container}, envFrom`),
    ...one("Secret", secretRef ?? {}, `container ${container}, envFrom`),
  ]);
  return [...single, ...whole];
}

function ofVolume({ name, configMap, secret, persistentVolumeClaim, projected }: Volume): Reference[] {
  const where = `volume ${name}`;
  const source = (kind: "ConfigMap" | "Secret", given: Source | undefined): Reference[] => {
    if (given === undefined) return [];
    const common = { name: given.name ?? given.secretName, optional: given.optional };
    if (given.items === undefined) return one(kind, common, where);
    return given.items.flatMap(({ key }) => one(kind, { ...common, key }, where));
  };
  return [
    ...source("ConfigMap", configMap),
    ...source("Secret", secret),
    ...(projected?.sources ?? []).flatMap((part) => [
      ...source("ConfigMap", part.configMap),
      ...source("Secret", part.secret),
    ]),
    ...one("PersistentVolumeClaim", { name: persistentVolumeClaim?.claimName }, where),
  ];
}
