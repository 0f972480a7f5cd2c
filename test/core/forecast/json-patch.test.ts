import { describe, expect, test } from "vitest";
import type { JsonPatchOperation } from "../../../src/api/kubernetes.ts";
import { applyPatch, PatchError } from "../../../src/core/forecast/json-patch.ts";

const document = { a: { "x/y~z": 1, list: [1, 2] } };

describe("applyPatch()", () => {
  test.each<[string, JsonPatchOperation, unknown]>([
    ["adds a member", { op: "add", path: "/a/b", value: 2 }, { a: { ...document.a, b: 2 } }],
    ["adds at a place", { op: "add", path: "/a/list/1", value: 9 }, { a: { ...document.a, list: [1, 9, 2] } }],
    ["adds at the end", { op: "add", path: "/a/list/-", value: 9 }, { a: { ...document.a, list: [1, 2, 9] } }],
    ["reads escapes", { op: "replace", path: "/a/x~1y~0z", value: 5 }, { a: { ...document.a, "x/y~z": 5 } }],
    ["removes an element", { op: "remove", path: "/a/list/0" }, { a: { ...document.a, list: [2] } }],
    ["removes a member", { op: "remove", path: "/a" }, {}],
    ["replaces the whole", { op: "replace", path: "", value: 1 }, 1],
    ["lets a true test pass", { op: "test", path: "/a/list", value: [1, 2] }, document],
  ])("%s", (_name, operation, expected) => {
    const before = structuredClone(document);
    expect(applyPatch(document, [operation])).toEqual(expected);
    expect(document).toEqual(before);
  });

  test.each<[string, JsonPatchOperation]>([
    ["a test that fails", { op: "test", path: "/a/list/0", value: 2 }],
    ["a test of what is absent", { op: "test", path: "/a/b", value: 2 }],
    ["replacing what is absent", { op: "replace", path: "/a/b", value: 2 }],
    ["removing what is absent", { op: "remove", path: "/a/list/2" }],
    ["adding below what is absent", { op: "add", path: "/b/c", value: 2 }],
    ["adding beyond the end", { op: "add", path: "/a/list/3", value: 2 }],
  ])("refuses %s", (_name, operation) => {
    expect(() => applyPatch(document, [operation])).toThrow(PatchError);
  });
});
