import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { violationsOf } from "./support/architecture.ts";

test("src keeps to docs/architecture.md", () => {
  const files = globSync("src/**/*.ts").sort();
  expect(files.length).toBeGreaterThan(30);
  const all = files.flatMap((path) => violationsOf(path.replaceAll("\\", "/"), readFileSync(path, "utf8")));
  expect(all).toEqual([]);
});

describe("violationsOf() finds", () => {
  const table: Record<string, { given: [path: string, source: string]; expect: string }> = {
    "I/O in the core": { given: ["src/core/a.ts", `import { readFile } from "node:fs";`], expect: "src/core is pure" },
    "I/O in the core by a re-export": { given: ["src/core/a.ts", `export * from "node:fs";`], expect: "is pure" },
    "I/O in the core, loaded late": {
      given: ["src/core/a.ts", `const fs = await import("node:fs");`],
      expect: "is pure",
    },
    "an HTTP client in the core": { given: ["src/core/a.ts", `import "undici";`], expect: "imports undici" },
    "even a type of a client in the core": {
      given: ["src/core/a.ts", `import type { V1Pod } from "@kubernetes/client-node";`],
      expect: "src/core is pure",
    },
    "fetch in the core": { given: ["src/core/a.ts", "await fetch(url);"], expect: "uses fetch" },
    "the environment in the core": { given: ["src/core/a.ts", "const a = process.env.A;"], expect: "uses process" },
    "the time in the core": { given: ["src/core/a.ts", "const now = Date.now();"], expect: "uses Date.now" },
    "the time by another spelling": { given: ["src/core/a.ts", `const now = Date["now"]();`], expect: "uses Date.now" },
    "the time handed on": { given: ["src/core/a.ts", "const clock = { now: Date.now };"], expect: "uses Date.now" },
    "the date in the core": { given: ["src/core/a.ts", "const now = new Date();"], expect: "asks the date" },
    "the date as text": { given: ["src/core/a.ts", "const now = Date();"], expect: "asks the date" },
    "chance in the core": { given: ["src/core/a.ts", "const a = Math.random();"], expect: "uses Math.random" },
    "a timer in the core": { given: ["src/core/a.ts", "setTimeout(f, 5);"], expect: "uses setTimeout" },
    "a time-out in the core": {
      given: ["src/core/a.ts", "AbortSignal.timeout(5);"],
      expect: "uses AbortSignal.timeout",
    },
    "time inside a template": {
      given: ["src/core/a.ts", ["const a = `$", "{Date.now()}`;"].join("")],
      expect: "uses Date.now",
    },
    "a timer outside the clock": { given: ["src/kube/a.ts", "setTimeout(f, 5);"], expect: "src/kube/clock.ts" },
    "a timer by import": {
      given: ["src/kube/a.ts", `import { setTimeout } from "node:timers/promises";`],
      expect: "time",
    },
    "the core importing the machine": {
      given: ["src/core/rollout/a.ts", `import { Store } from "../../kube/store.ts";`],
      expect: "src/core may import api",
    },
    "the core importing the shell, if only a type": {
      given: ["src/core/a.ts", `import type { A } from "../controllers/rollout/a.ts";`],
      expect: "src/core may import api",
    },
    "the machine knowing a Rollout": {
      given: ["src/kube/a.ts", `import type { Rollout } from "../api/rollout.ts";`],
      expect: "src/kube may import telemetry",
    },
    "a value from a file of types": {
      given: ["src/kube/a.ts", `import { GROUP } from "../api/kubernetes.ts";`],
      expect: "src/kube may import telemetry",
    },
    "numbers reaching for the machine": {
      given: ["src/metrics/a.ts", `import "../kube/clock.ts";`],
      expect: "may import",
    },
    "a room reaching for what wires it": {
      given: ["src/controllers/a.ts", `import type { Config } from "../config.ts";`],
      expect: "only what lies beside it may",
    },
    "a test in what ships": { given: ["src/main.ts", `import "../test/a.ts";`], expect: "does not ship" },
    "a room that nobody knows": { given: ["src/utils/a.ts", `import "../core/plan.ts";`], expect: "does not know" },
    "the generated client": {
      given: ["src/kube/transport.ts", `import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";`],
      expect: "only KubeConfig",
    },
    "a second user of KubeConfig": {
      given: ["src/kube/a.ts", `import { KubeConfig } from "@kubernetes/client-node";`],
      expect: "only in src/kube/transport.ts",
    },
    "the client in the shell": {
      given: ["src/controllers/a.ts", `import type { V1Pod } from "@kubernetes/client-node";`],
      expect: "only src/kube/transport.ts and",
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) => {
    expect(violationsOf(...given).join("\n")).toContain(wanted);
  });

  test("the line", () => {
    expect(violationsOf("src/core/a.ts", "const a = 1;\nconst b = Date.now();")[0]).toMatch(/^src\/core\/a\.ts:2 /);
  });
});

describe("violationsOf() lets pass", () => {
  const table: Record<string, [path: string, source: string]> = {
    "the flow": ["src/core/a.ts", `import type { Rollout } from "../api/rollout.ts"; import { b } from "./b.ts";`],
    "a date that was given": ["src/core/a.ts", "const at = new Date(ms).toISOString(); const t = Date.parse(text);"],
    "members with a global's name": ["src/core/a.ts", "const a = world.process; const b = { fetch: 1, process() {} };"],
    "comments and text": ["src/core/a.ts", `// Date.now() \nconst a = "Math.random()";`],
    "types of Kubernetes' objects": ["src/kube/a.ts", `import type { Pod } from "../api/kubernetes.ts";`],
    "the clock itself": ["src/kube/clock.ts", "setTimeout(f, 1); Date.now(); Math.random();"],
    "the one user of KubeConfig": ["src/kube/transport.ts", `import { KubeConfig } from "@kubernetes/client-node";`],
    "what wires all": ["src/main.ts", `import "./kube/clock.ts"; import "./controllers/a.ts"; import "./config.ts";`],
  };
  test.each(Object.entries(table))("%s", (_, given) => expect(violationsOf(...given)).toEqual([]));
});
