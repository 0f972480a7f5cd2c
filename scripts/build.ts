import { rmSync, statSync } from "node:fs";
import { bundle, ENTRIES, type Program } from "./bundle.ts";
import { writePackages } from "./packages.ts";
import { addressesOf, isAtHome, project } from "./project.ts";

/** `npm run build`: what ships, in dist/. */
rmSync("dist", { recursive: true, force: true });
for (const program of Object.keys(ENTRIES) as Program[]) {
  const started = performance.now();
  const path = await bundle(program, "dist");
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${path}: ${(statSync(path).size / 1e6).toFixed(2)} MB in ${seconds} s`);
}
writePackages("dist");
if (!isAtHome(addressesOf(project())))
  console.log(
    "Note: package.json names no repository yet, so dist/krew.yaml needs --archive; see CONTRIBUTING.md, A release",
  );
console.log("dist/npm, dist/krew.yaml and its archive: kubectl zenith to install");
