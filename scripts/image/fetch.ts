import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Architecture } from "./oci.ts";
import { ARCHITECTURES, DEBIAN, type DebianPackage } from "./pins.ts";
import type { Entry } from "./tar.ts";

/** What the image takes from registries, kept between builds; each file is compared with its pinned checksum at every use. */
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "zenith", "image");

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string } | undefined>>;
}

/** Node's program and its licence, from the npm package that package-lock.json pins. */
export function nodeEntries(architecture: Architecture): Entry[] {
  const { npm } = ARCHITECTURES[architecture];
  const pin = (JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock).packages[`node_modules/${npm}`];
  if (pin === undefined) throw new Error(`package-lock.json does not pin ${npm}`);
  const archive = join(CACHE, `${npm}-${pin.version}.tgz`);
  if (!existsSync(archive)) {
    mkdirSync(CACHE, { recursive: true });
    run("npm", ["pack", "--silent", "--pack-destination", CACHE, `${npm}@${pin.version}`], `fetch ${npm}`);
  }
  const [algorithm = "", wanted] = pin.integrity.split(/-(.*)/s);
  assertChecksum(archive, createHash(algorithm).update(readFileSync(archive)).digest("base64"), wanted);
  return unpacked(
    (folder) => run("tar", ["-xzf", archive, "-C", folder], `unpack ${npm}`),
    (folder) => [
      fileOf("usr/bin/node", join(folder, "package/bin/node"), 0o755),
      fileOf("usr/share/doc/node/LICENSE", join(folder, "package/LICENSE"), 0o644),
    ],
  );
}

/** The libraries that it loads, from Debian's packages. */
export function libraryEntries(architecture: Architecture): Entry[] {
  const missing = DEBIAN.filter((debian) => !existsSync(pathOf(debian, architecture)));
  if (missing.length > 0) download(missing, architecture);
  return DEBIAN.flatMap((debian) => entriesOf(debian, architecture));
}

function entriesOf(debian: DebianPackage, architecture: Architecture): Entry[] {
  const archive = pathOf(debian, architecture);
  const found = createHash("sha256").update(readFileSync(archive)).digest("hex");
  assertChecksum(archive, found, debian.sha256[architecture]);
  const { triplet, loader } = ARCHITECTURES[architecture];
  return unpacked(
    (folder) => run("dpkg-deb", ["-x", archive, folder], `unpack ${debian.name}`),
    (folder) =>
      Object.entries(debian.files).map(([from, to]) => {
        const source = from.replace("TRIPLET", triplet).replace("LOADER", basename(loader));
        return fileOf(to.replace("TRIPLET", triplet).replace("LOADER", loader), join(folder, source), modeOf(to));
      }),
  );
}

/** What loads the others is a program too. */
function modeOf(path: string): number {
  return path === "LOADER" ? 0o755 : 0o644;
}

/** apt-get with folders of its own: it asks for no right, and leaves the machine's architectures as they are. */
function download(packages: readonly DebianPackage[], architecture: Architecture): void {
  const scratch = mkdtempSync(join(tmpdir(), "zenith-apt-"));
  try {
    for (const folder of ["state/lists/partial", "cache/archives/partial"])
      mkdirSync(join(scratch, folder), { recursive: true });
    const apt = ["-qq", `-oDir::State=${scratch}/state`, `-oDir::Cache=${scratch}/cache`, "-oDebug::NoLocking=1"];
    const own = [...apt, `-oAPT::Architectures::=${architecture}`, `-oAPT::Sandbox::User=`];
    run(
      "apt-get",
      [...own, "update"],
      "read Debian's package lists; libraries come from there, so build on Debian",
      scratch,
    );
    for (const debian of packages) {
      const name = `${debian.name}:${architecture}=${debian.version}`;
      run(
        "apt-get",
        [...own, "download", name],
        `fetch ${name}; if Debian has a newer one, pin it in scripts/image/pins.ts`,
        scratch,
      );
      mkdirSync(CACHE, { recursive: true });
      const fetched = join(scratch, `${debian.name}_${debian.version}_${architecture}.deb`);
      run("cp", [fetched, `${pathOf(debian, architecture)}.partial`], `keep ${name}`);
      renameSync(`${pathOf(debian, architecture)}.partial`, pathOf(debian, architecture));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function pathOf({ name, version }: DebianPackage, architecture: Architecture): string {
  return join(CACHE, `${name}_${version}_${architecture}.deb`);
}

function unpacked(unpack: (folder: string) => void, read: (folder: string) => Entry[]): Entry[] {
  const folder = mkdtempSync(join(tmpdir(), "zenith-image-"));
  try {
    unpack(folder);
    return read(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fileOf(path: string, source: string, mode: number): Entry {
  return { kind: "file", path, mode, data: readFileSync(source) };
}

function assertChecksum(path: string, found: string, wanted: string | undefined): void {
  if (found === wanted) return;
  rmSync(path);
  throw new Error(
    `${basename(path)} is not what was pinned: checksum ${found}, pinned ${wanted}. It was removed; try again`,
  );
}

function run(command: string, args: readonly string[], what: string, cwd?: string): void {
  const { error, status, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (error !== undefined) throw new Error(`Cannot ${what}: ${command} is not there`);
  if (status !== 0) throw new Error(`Cannot ${what}: ${stderr.trim().split("\n").slice(-3).join("; ")}`);
}
