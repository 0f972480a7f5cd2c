import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "../../scripts/bundle.ts";
import { run } from "../cluster/cluster.ts";
import { ensureShell } from "./setup.ts";

/** The scripts of `kubectl zenith completion`, in the shells that they are for. */

let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "zenith-shells-"));
  symlinkSync(await bundle("kubectl-zenith", join(folder, "dist")), join(folder, "kubectl-zenith"));
  const path = [folder, dirname(process.execPath), process.env.PATH].join(delimiter);
  env = { PATH: path, HOME: folder, KUBECONFIG: "/nowhere" };
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a shell's script to a file, as the docs say to. */
async function install(shell: string, ...path: string[]): Promise<string> {
  const { code, stdout } = await run(join(folder, "kubectl-zenith"), ["completion", shell], { env });
  expect(code).toBe(0);
  const file = join(folder, ...path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, stdout);
  return file;
}

async function said(program: string, ...args: string[]): Promise<string[]> {
  const { stdout, stderr } = await run(program, args, { env });
  expect(stderr).toBe("");
  return stdout.split(/\r?\n/).map((line) => line.trimEnd());
}

test("bash completes commands, flags and values", async () => {
  const bash = ensureShell("bash");
  const script = await install("bash", "bash-completion");
  const complete = (...words: string[]) =>
    said(
      bash,
      "-c",
      `source ${script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kubectl_zenith; printf '%s\\n' "\${COMPREPLY[@]}"`,
      "bash",
      "kubectl-zenith",
      ...words,
    );
  expect(await complete("re")).toEqual(["resume", "retry", "report", ""]);
  expect(await complete("promote", "web", "--f")).toEqual(["--full", ""]);
  expect(await complete("deploy", "web", "--strategy", "")).toEqual(["safe", "fast", "instant", "custom", ""]);
});

test("zsh completes commands, flags and values, at the first tab too", async () => {
  const zsh = ensureShell("zsh");
  const script = await install("zsh", "functions", "_kubectl-zenith");
  const complete = (line: string, seen: string) =>
    said(zsh, "-f", join(import.meta.dirname, "complete.zsh"), dirname(script), `kubectl-zenith ${line}`, seen);
  const commands = await complete("re", "*retry*rejected*");
  expect(commands).toContain("retry   -- Begins again what was rejected");
  expect(commands.filter((line) => / -- /.test(line))).toHaveLength(3);
  expect(await complete("promote web --fu", "*--full *")).toContainEqual(expect.stringMatching(/promote web --full$/));
  expect((await complete("deploy web --strategy ", "*custom*safe*")).join(" ")).toMatch(/custom +fast +instant +safe/);
});

test("zsh completes where the script is sourced", async () => {
  const zsh = ensureShell("zsh");
  const script = await install("zsh", "sourced");
  const source = "autoload -U compinit; compinit -u -D; source $1; print $_comps[kubectl-zenith]";
  expect(await said(zsh, "-f", "-c", source, "zsh", script)).toEqual(["_kubectl_zenith", ""]);
});

test("fish completes commands, flags and values, with what they mean", async () => {
  const fish = ensureShell("fish");
  await install("fish", ".config", "fish", "completions", "kubectl-zenith.fish");
  const complete = (line: string) => said(fish, "-c", `complete -C "kubectl-zenith ${line}"`);
  expect(await complete("ret")).toEqual(["retry\tBegins again what was rejected", ""]);
  expect(await complete("promote web --f")).toEqual([expect.stringMatching(/^--full\tall remaining/), ""]);
  expect(await complete("deploy web --strategy ")).toEqual(["custom", "fast", "instant", "safe", ""]);
});
