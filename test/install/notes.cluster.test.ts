import { expect, test } from "vitest";
import { CHART, helm } from "../cluster/helm.ts";

/** What Helm prints at the end of an install with these settings. */
async function notes(...set: readonly string[]): Promise<string> {
  const settings = set.flatMap((value) => ["--set", value]);
  const { code, stdout } = await helm(["install", "zenith", CHART, "--dry-run=client", ...settings]);
  expect(code).toBe(0);
  return stdout.split("\nNOTES:\n")[1] ?? "";
}

test("the chart's notes warn of an image that no registry has, and of that alone", async () => {
  const said = await notes("prometheus.url=http://prometheus.monitoring:9090");
  expect(said).toContain('WARNING: no registry has the image "zenith:0.1.0"');
  expect(said).toContain("--set image.repository=");
  expect(said).not.toContain("No Prometheus is set");
  expect(await notes("image.repository=registry.example/zenith")).not.toContain("WARNING");
});

test("the chart's notes tell what lacks without a Prometheus", async () => {
  expect(await notes()).toContain("No Prometheus is set: releases with an analysis hold before their first step.");
});
