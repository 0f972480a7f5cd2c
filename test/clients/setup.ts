import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../cluster/binaries.ts";
import { ROOT } from "../cluster/playground.ts";

/** What the tests of clients in other languages need, installed once and kept outside the checkout. */

const REQUIREMENTS = join(ROOT, "test/clients/python/requirements.txt");

/** A Python with the OpenFeature SDK and its providers, in the pinned versions.
 * @returns its interpreter
 * @throws Error with a sentence that says what to do */
export function ensurePython(): string {
  const hash = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 16);
  const folder = join(cacheFolder(), `python-${hash}`);
  const python = join(folder, "bin/python");
  if (existsSync(join(folder, "complete"))) return python;
  process.stderr.write("Installing the OpenFeature SDK for Python (once) ...\n");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cacheFolder(), { recursive: true });
  run("python3", ["-m", "venv", folder], "python3 with its venv module is needed: apt-get install python3-venv");
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS];
  run(python, pip, "is the registry of Python packages reachable?");
  writeFileSync(join(folder, "complete"), "");
  return python;
}

const GO_PROGRAM = join(ROOT, "test/clients/go");

/** The program in test/clients/go, built with the OpenFeature SDK for Go and grpc-go, in the pinned versions.
 * @returns its path
 * @throws Error with a sentence that says what to do */
export function ensureGoProgram(): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(GO_PROGRAM).sort()) hash.update(readFileSync(join(GO_PROGRAM, name)));
  const program = join(cacheFolder(), `go-client-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(program)) return program;
  process.stderr.write("Building a client with the OpenFeature SDK for Go (once) ...\n");
  mkdirSync(cacheFolder(), { recursive: true });
  run("go", ["-C", GO_PROGRAM, "build", "-o", `${program}.part`, "."], "Go 1.26 or later and its modules are needed");
  renameSync(`${program}.part`, program);
  return program;
}

/** As a container allows it: no sandbox of its own, and no talk with the world. */
export const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A Chromium that tests and the demo may drive; `CHROMIUM` names one that is elsewhere.
 * @returns its path
 * @throws Error with a sentence that says what to do */
export function ensureChromium(): string {
  const { CHROMIUM } = process.env;
  if (CHROMIUM !== undefined) {
    if (existsSync(CHROMIUM)) return CHROMIUM;
    throw new Error(`CHROMIUM must be the path of a Chromium (found "${CHROMIUM}")`);
  }
  const found = ["chromium", "chromium-browser", "google-chrome"].map(inPath).find((path) => path !== undefined);
  const chromium = found ?? byApt("chromium");
  if (chromium !== undefined) return chromium;
  throw new Error(
    "A page needs Chromium, and none is in PATH: install it (apt-get install chromium), or set CHROMIUM to its path",
  );
}

/** A shell, to complete words in.
 * @returns its path
 * @throws Error with a sentence that says what to do */
export function ensureShell(name: "bash" | "zsh" | "fish"): string {
  const shell = inPath(name) ?? byApt(name);
  if (shell === undefined) throw new Error(`A test of completion needs ${name}: install it (apt-get install ${name})`);
  return shell;
}

function inPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(":");
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Installs a package of Debian, where that is possible at all: it has a program of its name. */
function byApt(name: string): string | undefined {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return undefined;
  process.stderr.write(`Installing ${name} (once) ...\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { env, stdio: "ignore" });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", name], { env, stdio: "ignore" });
  return inPath(name);
}

function run(command: string, args: readonly string[], hint: string): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0)
    throw new Error(`${command} ${args.slice(0, 3).join(" ")} failed; ${hint}\n${error?.message ?? stderr}`);
}
