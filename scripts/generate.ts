import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { customResource } from "../src/api/crd.ts";
import { rolloutCrd, rolloutSpec } from "../src/api/rollout.ts";
import { rolloutStatus } from "../src/api/rollout-status.ts";
import { referenceOf } from "./reference.ts";

/** `npm run generate` writes what comes from the schemas; `--check` only compares, and fails on a difference. */
const HEAD = "# Generated from src/api by npm run generate; do not edit.\n";
const ROLLOUT = `<!-- Generated from src/api by npm run generate; do not edit. -->

The fields of \`spec\` in \`zenith.sh/v1alpha1\`. Those with an asterisk are required where what holds them is there.

- **Durations** are one integer and \`s\`, \`m\`, \`h\` or \`d\`, at most 365d: \`90s\`, \`10m\`, \`7d\`.
- **Percentages** are text with a sign, \`"0.5%"\`; only \`weight\` takes bare numbers too.
- What the API server refuses at apply says where it stood and what is accepted. What only the cluster can show is told in
  conditions within seconds: [reasons.md](reasons.md). Samples: [manifests/samples](../../manifests/samples).`;
const files: Readonly<Record<string, string>> = {
  "crds/zenith.sh_rollouts.yaml":
    HEAD +
    stringify(customResource(rolloutCrd, rolloutSpec, rolloutStatus), { lineWidth: 0, aliasDuplicateObjects: false }),
  "docs/reference/rollout.md": referenceOf("Rollout", ROLLOUT, rolloutSpec),
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
