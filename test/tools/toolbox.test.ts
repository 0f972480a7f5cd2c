import { spawnSync } from "node:child_process";
import { mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Binaries } from "../cluster/binaries.ts";
import { toolboxOf } from "../cluster/toolbox.ts";

const home = mkdtempSync(join(tmpdir(), "it's a toolbox "));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test("a cluster's toolbox has its kubectl and helm, and kubectl zenith whatever Node the PATH has", () => {
  const binaries = { kubectl: "/cache/kubectl", helm: "/cache/helm" } as Binaries;
  const folder = toolboxOf({ binaries, path: (name) => join(home, name) });
  expect(["kubectl", "helm"].map((name) => readlinkSync(join(folder, name)))).toEqual([
    "/cache/kubectl",
    "/cache/helm",
  ]);
  const env = { PATH: "/nowhere" };
  const { stdout, stderr, status } = spawnSync(join(folder, "kubectl-zenith"), ["completion", "bash"], {
    env,
    encoding: "utf8",
  });
  expect([stderr, status]).toEqual(["", 0]);
  expect(stdout).toContain("kubectl-zenith");
});
