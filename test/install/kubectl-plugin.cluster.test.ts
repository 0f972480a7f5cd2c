import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle } from "../../scripts/bundle.ts";
import { writePackages } from "../../scripts/packages.ts";
import { VERSION } from "../../src/telemetry/version.ts";
import { type CommandResult, run } from "../cluster/cluster.ts";
import { goTool } from "../cluster/go-tool.ts";

/** `kubectl zenith` as people get it: by the real npm and the real krew, both without a network. */

let folder: string;
let dist: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "zenith-plugin-"));
  dist = join(folder, "dist");
  await bundle("kubectl-zenith", dist);
  writePackages(dist);
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true }));

/** Node of this test, so that the plugin finds one of its version. */
const env = () => ({ PATH: [dirname(process.execPath), process.env.PATH].join(delimiter), HOME: folder });

async function ran(
  program: string,
  args: readonly string[],
  more: Record<string, string> = {},
): Promise<CommandResult> {
  return await run(program, args, { env: { ...env(), ...more }, cwd: folder });
}

describe("by npm install -g", () => {
  test("of the packed package, offline, gives a kubectl-zenith that runs", async () => {
    const packed = await ran("npm", ["pack", join(dist, "npm"), "--json", "--offline"]);
    expect(packed).toMatchObject({ code: 0 });
    const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
    expect(files.map(({ path }) => path).sort()).toEqual([
      "LICENSE",
      "kubectl-zenith.mjs",
      "kubectl-zenith.mjs.LEGAL.txt",
      "package.json",
    ]);
    const prefix = join(folder, "prefix");
    const install = [
      "install",
      "-g",
      "--prefix",
      prefix,
      "--offline",
      "--no-audit",
      "--no-fund",
      join(folder, filename),
    ];
    expect(await ran("npm", install)).toMatchObject({ code: 0, stderr: "" });
    const { code, stdout } = await ran(join(prefix, "bin/kubectl-zenith"), ["version", "--kubeconfig", "/nowhere"]);
    expect({ code, first: stdout.split("\n")[0] }).toEqual({
      code: 0,
      first: expect.stringContaining(`kubectl zenith ${VERSION} (Node 24.`),
    });
  });
});

describe("by krew", () => {
  let krew: string;
  const KREW = () => ({ KREW_ROOT: join(folder, "krew"), KREW_NO_UPGRADE_CHECK: "1" });
  const archive = () => join(dist, `kubectl-zenith-v${VERSION}.tar.gz`);
  const manifest = () => join(dist, "krew.yaml");

  beforeAll(async () => {
    krew = await goTool(join(import.meta.dirname, "../cluster/krew"), "sigs.k8s.io/krew/cmd/krew");
  }, 600_000);

  test("its manifest and the archive that the build makes are installed, and run", async () => {
    const installed = await ran(krew, ["install", "--manifest", manifest(), "--archive", archive()], KREW());
    expect(installed).toMatchObject({ code: 0, stderr: expect.stringContaining("Installed plugin: zenith") });
    const { code, stdout } = await ran(join(folder, "krew/bin/kubectl-zenith"), ["--help"]);
    expect({ code, first: stdout.split("\n")[0] }).toEqual({
      code: 0,
      first: "Usage: kubectl zenith <command> [flags]",
    });
    expect(existsSync(join(folder, `krew/store/zenith/v${VERSION}/LICENSE`))).toBe(true);
  });

  test("an archive that is not the manifest's is refused", async () => {
    const other = join(folder, "other.tar.gz");
    writeFileSync(other, Buffer.concat([readFileSync(archive()), Buffer.from("x")]));
    mkdirSync(join(folder, "second"), { recursive: true });
    const again = { ...KREW(), KREW_ROOT: join(folder, "second") };
    const { code, stderr } = await ran(krew, ["install", "--manifest", manifest(), "--archive", other], again);
    expect({ code, said: /checksum does not match/.test(stderr) }).toEqual({ code: 1, said: true });
  });

  test("the same bundle gives the same bytes", () => {
    const before = readFileSync(archive());
    const elsewhere = join(folder, "elsewhere");
    cpSync(dist, elsewhere, { recursive: true });
    writePackages(elsewhere);
    expect(readFileSync(join(elsewhere, `kubectl-zenith-v${VERSION}.tar.gz`)).equals(before)).toBe(true);
  });
});
