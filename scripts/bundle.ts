import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";

/** What ships, each as one file that runs on Node 24 with nothing beside it: the program for the cluster, and the one for
 * people's terminals. */
export const ENTRIES = { zenith: "src/main.ts", "kubectl-zenith": "src/cli/main.ts" } as const;
export type Program = keyof typeof ENTRIES;

/** Some of the packages are CommonJS and call `require`, which a module lacks. */
const BANNER = `#!/usr/bin/env node
import { createRequire as zenithCreateRequire } from "node:module"; const require = zenithCreateRequire(import.meta.url);`;

/**
 * What a package offers, cut to what we use of it: a start has to load all of the rest as well, and takes twice as long.
 *
 * - client-node: `KubeConfig` alone, and of what that needs not the API classes, a thousand of them, that it could make.
 * - undici: requests, and the dispatchers and connections that `KubeConfig` and we name; no fetch, no WebSockets, no mocks, no caches.
 */
const lean: Plugin = {
  name: "lean",
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /^@kubernetes\/client-node$/ }, ({ resolveDir }) =>
      resolve("@kubernetes/client-node/dist/config.js", { resolveDir, kind: "import-statement" }),
    );
    onResolve({ filter: /\/gen\/index\.js$/ }, ({ importer }) =>
      importer.includes("client-node") ? { path: "api-classes", namespace: "lean" } : undefined,
    );
    onResolve({ filter: /^undici$/ }, () => ({ path: "undici", namespace: "lean" }));
    onLoad({ filter: /.*/, namespace: "lean" }, ({ path }) => ({
      contents: path === "undici" ? UNDICI : NO_API_CLASSES,
      resolveDir: import.meta.dirname,
    }));
  },
};

/** Whatever else is asked for is an error of the build. */
const UNDICI = `
import Dispatcher from "undici/lib/dispatcher/dispatcher.js";
import Agent from "undici/lib/dispatcher/agent.js";
import ProxyAgent from "undici/lib/dispatcher/proxy-agent.js";
import api from "undici/lib/api/index.js";
import buildConnector from "undici/lib/core/connect.js";
Object.assign(Dispatcher.prototype, api);
export { Agent, ProxyAgent, buildConnector };
export async function request(address, { dispatcher, method = "GET", ...options }) {
  const { origin, pathname, search } = new URL(address);
  return await dispatcher.request({ ...options, method, origin, path: pathname + search });
}
`;

const NO_API_CLASSES = `
const never = () => { throw new Error("The API classes of client-node are not in this bundle"); };
export const createConfiguration = never;
export const ServerConfiguration = never;
`;

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
    plugins: [lean],
    metafile: true,
    logLevel: "warning",
  });
  const path = join(directory, `${program}.mjs`);
  chmodSync(path, 0o755);
  writeFileSync(join(directory, `${program}.meta.json`), JSON.stringify(metafile));
  return path;
}
