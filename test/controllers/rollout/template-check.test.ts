import { beforeEach, expect, test } from "vitest";
import type { PodTemplate, ReplicaSet } from "../../../src/api/kubernetes.ts";
import { TemplateCheck } from "../../../src/controllers/rollout/template-check.ts";
import { ApiError } from "../../../src/kube/errors.ts";
import type { Resources } from "../../../src/kube/resource.ts";

const KEY = "shop/web";
let nowMs = 0;
let answer: ApiError | undefined;
let asked: { object: ReplicaSet; options: unknown }[] = [];
let check: TemplateCheck;

beforeEach(() => {
  nowMs = 0;
  answer = undefined;
  asked = [];
  const resources = {
    create: async (object: ReplicaSet, options: unknown) => {
      asked.push({ object, options });
      if (answer !== undefined) throw answer;
      return object;
    },
  };
  check = new TemplateCheck(resources as unknown as Resources, () => nowMs);
});

function withImage(image: string): PodTemplate {
  return { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image }] } };
}

const set = { kind: "ReplicaSet", metadata: { name: "web-abc" } } as ReplicaSet;
const INVALID = new ApiError(
  'Cannot POST /apis/apps/v1/namespaces/shop/replicasets: ReplicaSet.apps "web-abc" is invalid: spec.template.spec.containers[0].image: Required value',
  { kind: "invalid", status: 422 },
);

test("TemplateCheck asks once about a template, by a strict dry run of what would be made", async () => {
  expect(await check.refuses(KEY, withImage("web:1"), set)).toBe(false);
  expect(await check.refuses(KEY, withImage("web:1"), set)).toBe(false);
  expect(asked).toEqual([{ object: set, options: { dryRun: true, strict: true } }]);
  expect(await check.refuses(KEY, withImage("web:2"), set)).toBe(false);
  expect(asked).toHaveLength(2);
});

test("TemplateCheck asks nothing where nothing new would be made", async () => {
  expect(await check.refuses(KEY, withImage("web:1"), undefined)).toBe(false);
  expect(asked).toEqual([]);
});

test("TemplateCheck says what is wrong in the Rollout's own words, of that template alone, and asks again later", async () => {
  answer = INVALID;
  expect(await check.refuses(KEY, withImage(""), set)).toBe(true);
  expect(check.problem(KEY, withImage(""))).toBe("spec.template.spec.containers[0].image: Required value");
  expect(check.problem(KEY, withImage("web:1"))).toBeUndefined();
  nowMs = 30_000;
  expect(await check.refuses(KEY, withImage(""), set)).toBe(false); // Known; the plan has it already.
  nowMs = 60_000;
  expect(check.problem(KEY, withImage(""))).toBeUndefined();
  answer = undefined;
  expect(await check.refuses(KEY, withImage(""), set)).toBe(false);
  expect(asked).toHaveLength(2);
});

test("TemplateCheck takes no verdict from a server that gave none", async () => {
  answer = new ApiError("the API server answered 503", { kind: "server", status: 503 });
  await expect(check.refuses(KEY, withImage("web:1"), set)).rejects.toThrow("503");
  expect(check.problem(KEY, withImage("web:1"))).toBeUndefined();
});
