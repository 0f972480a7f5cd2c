import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { writePackages } from "../../scripts/packages.ts";
import { addressesOf, isAtHome, project } from "../../scripts/project.ts";

const yamlOf = (path: string) => parse(readFileSync(path, "utf8"));

describe("where the project lives", () => {
  const { version, repository } = project();
  const { home, runbooks } = addressesOf({ version, repository });
  let dist: string;

  beforeAll(() => {
    dist = mkdtempSync(join(tmpdir(), "zenith-packages-"));
    for (const name of ["kubectl-zenith.mjs", "kubectl-zenith.mjs.LEGAL.txt"]) writeFileSync(join(dist, name), "");
    writePackages(dist);
  });
  afterAll(() => rmSync(dist, { recursive: true }));

  test("is said by package.json, and all that ships agrees", () => {
    expect(yamlOf("charts/zenith/Chart.yaml")).toMatchObject({ version, appVersion: version, home });
    expect(yamlOf("charts/zenith/values.yaml").metrics.prometheusRule.runbookBaseUrl).toBe(runbooks);
    const npm = JSON.parse(readFileSync(join(dist, "npm/package.json"), "utf8"));
    expect(npm).toMatchObject({ version, repository, homepage: home });
    const { spec } = yamlOf(join(dist, "krew.yaml"));
    expect(spec).toMatchObject({ version: `v${version}`, homepage: home });
    expect(spec.platforms.map(({ uri }: { uri: string }) => uri)).toEqual([
      `${home}/releases/download/v${version}/kubectl-zenith-v${version}.tar.gz`,
    ]);
  });

  test("is a host that the project has, or none at all", () => {
    const ours = spawnSync(
      "git",
      ["grep", "--no-index", "--exclude-standard", "-nIE", "https?://([a-z0-9-]+\\.)*zenith\\.sh"],
      { encoding: "utf8" },
    );
    const found = { status: ours.status, found: ours.stdout }; // 1: it searched, and found none.
    expect(found, "zenith.sh names the API's group, and no host that anybody serves").toEqual({ status: 1, found: "" });
    if (!isAtHome({ home, runbooks, asset: String })) expect(home).toMatch(/^https:\/\/repository\.invalid\//);
  });
});

describe("addressesOf()", () => {
  test.each([
    "https://host/us/zenith",
    "https://host/us/zenith.git",
    "git+https://host/us/zenith.git",
    "https://host/us/zenith/",
  ])("of %s", (url) => {
    const addresses = addressesOf({ version: "1.2.3", repository: { type: "git", url } });
    expect(addresses).toMatchObject({
      home: "https://host/us/zenith",
      runbooks: "https://host/us/zenith/blob/v1.2.3/docs/runbooks/",
    });
    expect(addresses.asset("a.tar.gz")).toBe("https://host/us/zenith/releases/download/v1.2.3/a.tar.gz");
    expect(isAtHome(addresses)).toBe(true);
  });
});
