import { rmSync, statSync } from "node:fs";
import { build } from "esbuild";

/** `npm run build`: one file that runs on Node 24 with nothing beside it, its source map, and the licences of what is inside. */
const OUT = "dist/zenith.mjs";
/** Some of the packages are CommonJS and call `require`, which a module lacks. */
const BANNER = `import { createRequire as zenithCreateRequire } from "node:module"; const require = zenithCreateRequire(import.meta.url);`;

const started = performance.now();
rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: { zenith: "src/main.ts" },
  outdir: "dist",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  minify: true,
  keepNames: true,
  sourcemap: true,
  sourcesContent: false,
  legalComments: "linked",
  banner: { js: BANNER },
  logLevel: "warning",
});
const megabytes = (statSync(OUT).size / 1e6).toFixed(2);
console.log(`${OUT}: ${megabytes} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`);
