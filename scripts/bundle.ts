import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** What ships, each as one file that runs on Node 24 with nothing beside it: the program for the cluster, and the one for
 * people's terminals. */
export const ENTRIES = { zenith: "src/main.ts", "kubectl-zenith": "src/cli/main.ts" } as const;
export type Program = keyof typeof ENTRIES;

/** Some of the packages are CommonJS and call `require`, which a module lacks. */
const BANNER = `#!/usr/bin/env node
import { createRequire as zenithCreateRequire } from "node:module"; const require = zenithCreateRequire(import.meta.url);`;

/** Writes the bundle of a program, its source map, the licences of what is inside, and what it was made of (`.meta.json`).
 * @returns its path */
export async function bundle(program: Program, directory: string): Promise<string> {
  const { metafile } = await build({
    entryPoints: { [program]: ENTRIES[program] },
    outdir: directory,
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
    metafile: true,
    logLevel: "warning",
  });
  const path = join(directory, `${program}.mjs`);
  chmodSync(path, 0o755);
  writeFileSync(join(directory, `${program}.meta.json`), JSON.stringify(metafile));
  return path;
}
