import { describe, expect, test } from "vitest";
import type { PodTemplate } from "../../src/api/kubernetes.ts";
import { styleFor } from "../../src/cli/io.ts";
import {
  type Check,
  configurationCheck,
  environmentCheck,
  type Finding,
  gateCheck,
} from "../../src/cli/preflight/checks.ts";
import { referencesOf } from "../../src/cli/preflight/references.ts";
import { renderPreflight } from "../../src/cli/render/preflight.ts";
import { CONFIG_MAPS_UNREAD } from "../../src/core/gates/evaluate.ts";
import type { GateAnswer } from "../../src/core/gates/model.ts";

const TEMPLATE: PodTemplate = {
  spec: {
    serviceAccountName: "web",
    imagePullSecrets: [{ name: "pull" }],
    initContainers: [
      { name: "init", envFrom: [{ secretRef: { name: "db" } }, { configMapRef: { name: "maybe", optional: true } }] },
    ],
    containers: [
      {
        name: "web",
        env: [
          { name: "PLAIN", value: "1" },
          { name: "LEVEL", valueFrom: { configMapKeyRef: { name: "settings", key: "level" } } },
          { name: "TOKEN", valueFrom: { secretKeyRef: { name: "db", key: "token" } } },
          { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
        ],
      },
    ],
    volumes: [
      { name: "files", configMap: { name: "settings", items: [{ key: "app.yaml" }] } },
      { name: "tls", secret: { secretName: "tls" } },
      { name: "data", persistentVolumeClaim: { claimName: "data" } },
      { name: "all", projected: { sources: [{ configMap: { name: "extra" } }, { serviceAccountToken: {} }] } },
      { name: "tmp", emptyDir: {} },
    ],
  },
};

test("referencesOf() names all that pods refer to, but for what is optional", () => {
  expect(referencesOf(TEMPLATE).map(({ kind, name, key = "", where }) => [kind, name, key, where].join(" | "))).toEqual(
    [
      "Secret | db |  | container init, envFrom",
      "ConfigMap | settings | level | container web, env LEVEL",
      "Secret | db | token | container web, env TOKEN",
      "ConfigMap | settings | app.yaml | volume files",
      "Secret | tls |  | volume tls",
      "PersistentVolumeClaim | data |  | volume data",
      "ConfigMap | extra |  | volume all",
      "Secret | pull |  | imagePullSecrets",
      "ServiceAccount | web |  | serviceAccountName",
    ],
  );
  expect(referencesOf({ spec: {} })).toEqual([]);
});

describe("configurationCheck()", () => {
  const check = (found: Readonly<Record<string, Finding>>): Check =>
    configurationCheck(referencesOf(TEMPLATE), ({ name }) => found[name] ?? { kind: "there" });

  test("passes where everything is there, with its keys", () => {
    const found = {
      settings: { kind: "there", keys: ["level", "app.yaml"] },
      db: { kind: "there", keys: ["token"] },
    } as const;
    expect(check(found)).toMatchObject({
      outcome: "passed",
      message: "7 objects that the template refers to",
      problems: [],
    });
  });

  test("says of each that is missing where it is asked for, and of what may not be read", () => {
    const found = {
      settings: { kind: "there", keys: ["level"] },
      db: { kind: "forbidden" },
      tls: { kind: "missing" },
    } as const;
    expect(check(found)).toMatchObject({
      outcome: "failed",
      problems: [
        'you may not read Secret "db" (container init, envFrom); ask for the right, or let someone look who has it',
        'you may not read Secret "db" (container web, env TOKEN); ask for the right, or let someone look who has it',
        'ConfigMap "settings" has no key "app.yaml" (volume files); it has level',
        'Secret "tls" does not exist (volume tls); create it',
      ],
    });
  });
});

describe("gateCheck()", () => {
  const answer = (open: boolean): GateAnswer => ({
    gate: "tests",
    kind: "tests",
    open,
    value: "90 % (90 of 100)",
    wanted: "at least 95 % of the tests pass",
    message: "90 % (90 of 100) of the tests passed",
  });
  test("passes with its gates, fails with one that is closed, and skips what is not asked for", () => {
    expect(gateCheck("tests", [answer(true)]).outcome).toBe("passed");
    expect(gateCheck("tests", [answer(true), answer(false)])).toMatchObject({
      outcome: "failed",
      problems: ["90 % (90 of 100) of the tests passed; wanted: at least 95 % of the tests pass"],
    });
    expect(gateCheck("coverage", [answer(true)])).toMatchObject({ outcome: "skipped" });
  });
  test("fails where a person can read the results, and the operator says that it cannot", () => {
    const told = [{ kind: "tests", message: CONFIG_MAPS_UNREAD }];
    expect(gateCheck("tests", [answer(true)], told)).toMatchObject({
      outcome: "failed",
      problems: [CONFIG_MAPS_UNREAD],
    });
    expect(gateCheck("tests", [answer(true)], [{ kind: "coverage", message: CONFIG_MAPS_UNREAD }]).outcome).toBe(
      "passed",
    );
  });
});

test("renderPreflight() tells each, what to do, and the sum", () => {
  const checks: Check[] = [
    { name: "tests", outcome: "passed", message: "98 % (98 of 100), wanted: at least 95 %", problems: [] },
    { name: "coverage", outcome: "skipped", message: "not asked for", problems: [] },
    { name: "configuration", outcome: "failed", message: "", problems: ['Secret "tls" does not exist; create it'] },
    environmentCheck({ problems: [], seen: ["definitions installed", "your rights suffice"] }),
  ];
  const style = styleFor({ isTerminal: false, environment: { LANG: "C.UTF-8" } }, true);
  expect(renderPreflight(checks, style).join("\n")).toBe(`✔ tests           98 % (98 of 100), wanted: at least 95 %
◌ coverage        not asked for
✖ configuration
    → Secret "tls" does not exist; create it
✔ environment     definitions installed, your rights suffice

3/4, of which 1 not asked for`);
});
