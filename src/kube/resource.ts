import type { JsonPatchOperation, KubeObject, ObjectRef, OwnerReference } from "../api/kubernetes.ts";
import type { ApiClient, Query } from "./transport.ts";

/** Where a kind is served. */
export interface ResourceType {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

/** How a patch is sent. */
export interface PatchOptions {
  readonly subresource?: string;
  /** Asks the API server for its verdict alone. */
  readonly dryRun?: boolean;
}

const known = new Map<string, ResourceType>();

/** Makes a kind known to `Resources`; its answer is for caches. */
export function defineResource(apiVersion: string, kind: string, plural: string, namespaced = true): ResourceType {
  const type = { apiVersion, kind, plural, namespaced };
  known.set(`${apiVersion}/${kind}`, type);
  return type;
}

export function resourceType(apiVersion: string, kind: string): ResourceType {
  const type = known.get(`${apiVersion}/${kind}`);
  if (type === undefined) throw new Error(`Kind "${kind}" of ${apiVersion} was not defined; call defineResource first`);
  return type;
}

export function pathOf(type: ResourceType, namespace?: string, name?: string, subresource?: string): string {
  const base = type.apiVersion.includes("/") ? `/apis/${type.apiVersion}` : `/api/${type.apiVersion}`;
  const within =
    type.namespaced && namespace !== undefined && namespace !== ""
      ? `/namespaces/${encodeURIComponent(namespace)}`
      : "";
  const one = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${base}${within}/${type.plural}${one}${subresource === undefined ? "" : `/${subresource}`}`;
}

export interface ListPage<T> {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly T[];
}

/** The fieldManager of every write. */
export const FIELD_MANAGER = "zenith";

/** Reads and writes single objects as raw JSON: no field that we do not know is ever lost. */
export class Resources {
  readonly #client: ApiClient;
  readonly #manager: string;

  constructor(client: ApiClient, fieldManager = FIELD_MANAGER) {
    this.#client = client;
    this.#manager = fieldManager;
  }

  async get<T extends KubeObject>(ref: ObjectRef): Promise<T> {
    return await this.#client.request<T>({ method: "GET", path: this.#path(ref) });
  }

  /** Items are told their kind, which the API server leaves out of lists. */
  async list<T extends KubeObject>(type: ResourceType, namespace?: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    let next: string | undefined;
    do {
      const page: ListPage<T> = await this.#client.request({
        method: "GET",
        path: pathOf(type, namespace),
        query: { limit: 500, ...query, continue: next },
      });
      const { apiVersion, kind } = type;
      for (const item of page.items) items.push({ ...item, apiVersion, kind });
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
    return items;
  }

  /** @param options `dryRun` asks the API server for its verdict alone; `strict` refuses unknown fields. */
  async create<T extends KubeObject>(object: T, options: { dryRun?: boolean; strict?: boolean } = {}): Promise<T> {
    const type = resourceType(object.apiVersion, object.kind);
    return await this.#client.request<T>({
      method: "POST",
      path: pathOf(type, object.metadata.namespace),
      query: {
        fieldManager: this.#manager,
        ...(options.dryRun === true ? { dryRun: "All" } : {}),
        ...(options.strict === true ? { fieldValidation: "Strict" } : {}),
      },
      body: object,
    });
  }

  async jsonPatch<T extends KubeObject>(
    ref: ObjectRef,
    operations: readonly JsonPatchOperation[],
    options: PatchOptions = {},
  ): Promise<T> {
    return await this.#patch(ref, operations, "application/json-patch+json", options);
  }

  async mergePatch<T extends KubeObject>(ref: ObjectRef, patch: unknown, options: PatchOptions = {}): Promise<T> {
    return await this.#patch(ref, patch, "application/merge-patch+json", options);
  }

  /** Server-side apply: send only what we own, always the same set. */
  async apply<T extends KubeObject>(object: T, options: { force?: boolean; subresource?: string } = {}): Promise<T> {
    const ref = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      namespace: object.metadata.namespace ?? "",
      name: object.metadata.name,
    };
    return await this.#client.request<T>({
      method: "PATCH",
      path: this.#path(ref, options.subresource),
      query: { fieldManager: this.#manager, force: options.force ?? false },
      body: object,
      contentType: "application/apply-patch+yaml",
    });
  }

  async delete(
    ref: ObjectRef,
    preconditions: { uid?: string; resourceVersion?: string } = {},
    propagation: "Background" | "Foreground" | "Orphan" = "Background",
  ): Promise<void> {
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: propagation,
      ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
    };
    await this.#client.request({ method: "DELETE", path: this.#path(ref), body });
  }

  async #patch<T>(
    ref: ObjectRef,
    body: unknown,
    contentType: string,
    { subresource, dryRun = false }: PatchOptions,
  ): Promise<T> {
    return await this.#client.request<T>({
      method: "PATCH",
      path: this.#path(ref, subresource),
      query: { fieldManager: this.#manager, ...(dryRun ? { dryRun: "All" } : {}) },
      body,
      contentType,
    });
  }

  #path(ref: ObjectRef, subresource?: string): string {
    return pathOf(resourceType(ref.apiVersion, ref.kind), ref.namespace, ref.name, subresource);
  }
}

/** The object that has an object: it goes when its owner goes. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}
