import { spawn, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

/** A checkout with nothing in it but the launcher, a script, and an npm that pretends. */
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "zenith-launch-"));
  mkdirSync(join(root, "scripts"));
  mkdirSync(join(root, "tools"));
  copyFileSync("scripts/launch.mjs", join(root, "scripts/launch.mjs"));
  writeFileSync(join(root, "package-lock.json"), "{}");
  write("hello.ts", `const code: number = 3; console.log(process.argv.slice(2).join(" ")); process.exit(code);`);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, text: string): void {
  writeFileSync(join(root, name), text);
}

/** An npm whose `ci` leaves what the real one leaves, as far as the launcher looks. */
function pretendNpm(script: string): void {
  write("tools/npm", `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, "tools/npm"), 0o755);
}

const GOOD_CI = `echo "npm $1"; mkdir -p node_modules/.bin; echo {} > node_modules/.package-lock.json`;

function launch(...args: string[]) {
  const env = { ...process.env, PATH: `${join(root, "tools")}:${process.env.PATH}` };
  return spawnSync(process.execPath, [join(root, "scripts/launch.mjs"), ...args], { env, encoding: "utf8" });
}

test("launch installs what is missing once, then runs the script with its arguments and exit code", () => {
  pretendNpm(GOOD_CI);
  const first = launch("hello.ts", "--seeds", "5");
  expect(first.stderr).toContain("Installing");
  expect(first.stderr).toContain("npm ci");
  expect(first.stdout).toBe("--seeds 5\n");
  expect(first.status).toBe(3);
  expect(launch("hello.ts").stderr).toBe("");
});

test("launch installs again when the lock file is newer than what is installed", () => {
  pretendNpm(GOOD_CI);
  launch("hello.ts");
  const tomorrow = new Date(Date.now() + 86_400_000);
  spawnSync("touch", ["-d", tomorrow.toISOString(), join(root, "package-lock.json")]);
  expect(launch("hello.ts").stderr).toContain("Installing");
});

test("launch says so and ends when npm fails", () => {
  pretendNpm("exit 1");
  const { status, stderr, stdout } = launch("hello.ts");
  expect(status).toBe(1);
  expect(stderr).toContain("npm ci failed");
  expect(stdout).toBe("");
});

test("launch prefers the Node that the project brings", () => {
  pretendNpm(GOOD_CI);
  mkdirSync(join(root, "node_modules/.bin"), { recursive: true });
  symlinkSync("/bin/echo", join(root, "node_modules/.bin/node"));
  expect(launch("hello.ts", "on").stdout).toContain("hello.ts on");
});

test("launch passes a signal on and ends as the script did", async () => {
  pretendNpm(GOOD_CI);
  write("wait.ts", `process.on("SIGTERM", () => process.exit(9)); console.log("up"); setInterval(() => 0, 1000);`);
  launch("hello.ts");
  const child = spawn(process.execPath, [join(root, "scripts/launch.mjs"), "wait.ts"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGTERM");
  expect(await ended).toBe(9);
});
