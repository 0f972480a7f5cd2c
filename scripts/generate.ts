import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { customResource } from "../src/api/crd.ts";
import { rolloutCrd, rolloutSpec, rolloutStatus } from "../src/api/rollout.ts";

/** `npm run generate` writes what comes from the schemas; `--check` only compares, and fails on a difference. */
const HEAD = "# Generated from src/api by npm run generate; do not edit.\n";
const files: Readonly<Record<string, string>> = {
  "crds/zenith.sh_rollouts.yaml":
    HEAD +
    stringify(customResource(rolloutCrd, rolloutSpec, rolloutStatus), { lineWidth: 0, aliasDuplicateObjects: false }),
};

const check = process.argv.includes("--check");
for (const [path, text] of Object.entries(files)) {
  const current = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (current === text) continue;
  if (check) {
    console.error(`${path} differs from what src/api says; run npm run generate and commit it`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}
