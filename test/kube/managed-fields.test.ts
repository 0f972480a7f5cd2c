import { describe, expect, test } from "vitest";
import type { KubeObject, ManagedFieldsEntry } from "../../src/api/kubernetes.ts";
import { applyPatch } from "../../src/core/forecast/json-patch.ts";
import { disownOperations } from "../../src/kube/managed-fields.ts";

const SELECTOR = ["/spec/selector"];
const helm: ManagedFieldsEntry = {
  manager: "helm",
  operation: "Apply",
  fieldsV1: { "f:spec": { "f:ports": {}, "f:selector": {} } },
};
const selectorOfOurs = { "f:spec": { "f:selector": {} } };
const noteOfOurs = { "f:metadata": { "f:annotations": { "f:zenith.sh/changed-by": {} } } };

function ours(fieldsV1: object, more: Partial<ManagedFieldsEntry> = {}): ManagedFieldsEntry {
  return { ...helm, manager: "zenith", operation: "Update", fieldsV1, ...more } as ManagedFieldsEntry;
}

function aService(...managedFields: ManagedFieldsEntry[]): KubeObject {
  const metadata = { namespace: "shop", name: "web", resourceVersion: "42", managedFields };
  return { apiVersion: "v1", kind: "Service", metadata };
}

/** What managedFields says after the second patch; undefined where there is none. */
function keptBy(object: KubeObject, paths: readonly string[] = SELECTOR): readonly ManagedFieldsEntry[] | undefined {
  const operations = disownOperations(object, "zenith", { shared: paths, lasting: false });
  return operations.length === 0 ? undefined : applyPatch(object, operations).metadata.managedFields;
}

describe("disownOperations()", () => {
  const table: Record<string, { given: ManagedFieldsEntry[]; paths?: string[]; expect: unknown }> = {
    "takes the shared path out of our entry": {
      given: [helm, ours({ ...selectorOfOurs, ...noteOfOurs })],
      expect: [helm, ours(noteOfOurs)],
    },
    "takes our entry out where it had nothing else": { given: [helm, ours(selectorOfOurs)], expect: [helm] },
    "keeps what stands beside the path": {
      given: [helm, ours({ "f:spec": { "f:selector": {}, "f:type": {} } })],
      expect: [helm, ours({ "f:spec": { "f:type": {} } })],
    },
    "takes all below the path": {
      given: [helm, ours({ "f:spec": { "f:selector": { "f:app": {}, "f:zenith.sh/revision": {} } } })],
      expect: [helm],
    },
    "takes several paths": {
      given: [helm, ours({ "f:spec": { "f:replicas": {}, "f:paused": {}, "f:strategy": {} } })],
      paths: ["/spec/replicas", "/spec/paused"],
      expect: [helm, ours({ "f:spec": { "f:strategy": {} } })],
    },
    "does nothing where nobody has applied the object": {
      given: [ours(selectorOfOurs), { ...helm, operation: "Update" }],
      expect: undefined,
    },
    "does nothing where only we have applied it": {
      given: [{ ...helm, manager: "zenith" }, ours(selectorOfOurs)],
      expect: undefined,
    },
    "does nothing where we own none of it": { given: [helm, ours(noteOfOurs)], expect: undefined },
    "does nothing where we have no entry": { given: [helm], expect: undefined },
    "leaves what we own of a subresource": {
      given: [helm, ours(selectorOfOurs, { subresource: "status" })],
      expect: undefined,
    },
    "leaves what others have updated": {
      given: [helm, { ...ours(selectorOfOurs), manager: "kubectl-edit" }],
      expect: undefined,
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, paths, expect: wanted }) =>
    expect(keptBy(aService(...given), paths)).toEqual(wanted),
  );

  test.each([
    ["leaves a passing change to an object that is applied client-side", false, []],
    ["takes a lasting one out of our entry there too", true, [noteOfOurs]],
  ])("%s", (_, lasting, left) => {
    const object = aService(ours({ ...selectorOfOurs, ...noteOfOurs }));
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}" };
    const applied = { ...object, metadata: { ...object.metadata, annotations } };
    const operations = disownOperations(applied, "zenith", { shared: SELECTOR, lasting });
    const kept = operations.length === 0 ? [] : (applyPatch(applied, operations).metadata.managedFields ?? []);
    expect(kept.map(({ fieldsV1 }) => fieldsV1)).toEqual(left);
  });

  test("rests on the version that our write gave: who writes in between is not overwritten", () => {
    const operations = disownOperations(aService(helm, ours(selectorOfOurs)), "zenith", {
      shared: SELECTOR,
      lasting: false,
    });
    expect(operations[0]).toEqual({ op: "replace", path: "/metadata/resourceVersion", value: "42" });
  });

  test("leaves an object without managedFields alone", () => {
    const { managedFields: _none, ...metadata } = aService().metadata;
    expect(keptBy({ apiVersion: "v1", kind: "Service", metadata })).toBeUndefined();
  });
});
