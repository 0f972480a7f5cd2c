import { expect, test } from "vitest";
import type { KubeObject, ManagedFieldsEntry } from "../../../../src/api/kubernetes.ts";
import { lastEditor, lastRequester, writers } from "../../../../src/core/flags/control/writers.ts";

const request = { "f:metadata": { "f:annotations": { ".": {}, "f:zenith.sh/request": {}, "f:other": {} } } };
const entries: ManagedFieldsEntry[] = [
  { manager: "argocd", operation: "Apply", time: "2026-01-12T08:00:00Z", fieldsV1: { "f:spec": { "f:enabled": {} } } },
  { manager: "kubectl-edit", operation: "Update", time: "2026-01-12T09:00:00Z", fieldsV1: { "f:spec": {} } },
  { manager: "kubectl-annotate", operation: "Update", time: "2026-01-12T08:30:00Z", fieldsV1: request },
  { manager: "kubectl-label", time: "2026-01-12T09:30:00Z", fieldsV1: { "f:metadata": { "f:labels": {} } } },
  {
    manager: "zenith",
    subresource: "status",
    time: "2026-01-12T10:00:00Z",
    fieldsV1: { "f:spec": {}, "f:status": {} },
  },
];
const flag = (managedFields?: readonly ManagedFieldsEntry[]): KubeObject => ({
  apiVersion: "zenith.sh/v1alpha1",
  kind: "FeatureFlag",
  metadata: { name: "a", ...(managedFields === undefined ? {} : { managedFields }) },
});

test("writers() keeps who wrote spec and request, and when; no more", () => {
  expect(writers(entries)).toEqual([
    { manager: "argocd", time: "2026-01-12T08:00:00Z", fieldsV1: { "f:spec": {} } },
    { manager: "kubectl-edit", time: "2026-01-12T09:00:00Z", fieldsV1: { "f:spec": {} } },
    {
      manager: "kubectl-annotate",
      time: "2026-01-12T08:30:00Z",
      fieldsV1: { "f:metadata": { "f:annotations": { "f:zenith.sh/request": {} } } },
    },
  ]);
});

test("the last one to write is named, from what is kept as from all", () => {
  for (const kept of [writers(entries), entries.slice(0, 4)]) {
    expect(lastEditor(flag(kept))).toBe("kubectl-edit");
    expect(lastRequester(flag(kept))).toBe("kubectl-annotate");
  }
  expect(lastEditor(flag())).toBeUndefined();
});
