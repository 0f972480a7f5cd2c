// The entry of every npm command. It runs on whatever Node npm was started with (20 or later), installs what is missing,
// and hands over to the Node that the project brings. Only node: builtins here: a fresh clone has no node_modules.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const [script, ...args] = process.argv.slice(2);

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function major(version) {
  return Number.parseInt(version.replace(/^v/, ""), 10);
}

/** npm writes node_modules/.package-lock.json last: older than our lock file means an install that is out of date. */
function isInstalled() {
  const installed = join(root, "node_modules", ".package-lock.json");
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

function install() {
  process.stderr.write("Installing the project's packages (about half a minute) ...\n");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (npm.error) fail(`Cannot run npm: ${npm.error.message}. Install npm and try again.`);
  if (npm.status !== 0) fail("npm ci failed; what it says stands above. Is the package registry reachable?");
}

function nodeToUse() {
  const own = join(bin, "node");
  if (existsSync(own)) return own;
  if (major(process.version) >= 24) return process.execPath;
  return fail(
    `Zenith needs Node 24. It brings its own for Linux on x64 and arm64; on ${process.platform}/${process.arch} install Node 24 or later (found ${process.version}).`,
  );
}

if (major(process.version) < 20) fail(`Zenith needs Node 20 or later to start (found ${process.version}).`);
if (!script) fail("Which script? npm commands call this with one; see package.json.");
if (!isInstalled()) install();
const child = spawn(nodeToUse(), ["--disable-warning=ExperimentalWarning", join(root, script), ...args], {
  stdio: "inherit",
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
});
// At a terminal, Ctrl-C reaches the whole process group: passing it on would count as the second one, which forces.
process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => fail(`Cannot start Node: ${error.message}`));
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
