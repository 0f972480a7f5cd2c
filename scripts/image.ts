import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./bundle.ts";
import { libraryEntries, nodeEntries } from "./image/fetch.ts";
import { type Architecture, ociArchive } from "./image/oci.ts";
import { ARCHITECTURES } from "./image/pins.ts";
import { licencesOf, type Metafile, sbomOf } from "./image/sbom.ts";
import type { Entry } from "./image/tar.ts";

/** `npm run image`: an OCI archive of Zenith for amd64 and arm64, without a container engine, and its bill of materials.
 *
 *     Node (npm, pinned by package-lock.json) + the libraries that it loads (Debian, pinned in image/pins.ts)   one layer
 *     the bundle and its licences                                                                              another
 */
const USAGE = `npm run image [-- options]

  --arch LIST   architectures, separated by commas (default amd64,arm64)
  --out DIR     where zenith-image.tar and zenith-image.cdx.json go (default dist)
`;

/** For programs that ask who they are, and where names are looked up. No shell reads these. */
const CONFIGURATION: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
  "etc/group": "root:x:0:\nnonroot:x:65532:\n",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: "amd64,arm64" },
      out: { type: "string", default: "dist" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return say(USAGE);
  const architectures = values.arch.split(",").map((name) => {
    if (!Object.hasOwn(ARCHITECTURES, name))
      throw new Error(`--arch: "${name}" is none of ${Object.keys(ARCHITECTURES).join(", ")}`);
    return name as Architecture;
  });
  const { out } = values;
  mkdirSync(out, { recursive: true });
  await bundle("zenith", out);
  const metafile = JSON.parse(readFileSync(join(out, "zenith.meta.json"), "utf8")) as Metafile;
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const images = architectures.map((architecture) => {
    const runtime = [...nodeEntries(architecture), ...libraryEntries(architecture), ...configurationEntries()];
    return { architecture, layers: [runtime, bundleEntries(out, metafile)] };
  });
  const { archive, sizes } = ociArchive(images, `zenith:${version}`);
  writeFileSync(join(out, "zenith-image.tar"), archive);
  writeFileSync(join(out, "zenith-image.cdx.json"), sbomOf(version, metafile, sizes));
  for (const { architecture, digest, compressed, unpacked } of sizes)
    say(`${architecture}  ${megabytes(compressed)} compressed, ${megabytes(unpacked)} unpacked  ${digest}`);
  return say(`${join(out, "zenith-image.tar")}, ${join(out, "zenith-image.cdx.json")}`);
}

function configurationEntries(): Entry[] {
  return Object.entries(CONFIGURATION).map(([path, text]) => fileOf(path, Buffer.from(text)));
}

function bundleEntries(out: string, metafile: Metafile): Entry[] {
  return [
    fileOf("zenith.mjs", readFileSync(join(out, "zenith.mjs"))),
    fileOf("usr/share/doc/zenith/LICENSE", readFileSync("LICENSE")),
    fileOf("usr/share/doc/zenith/LICENSES-of-packages.txt", Buffer.from(licencesOf(metafile))),
  ];
}

function fileOf(path: string, data: Buffer): Entry {
  return { kind: "file", path, mode: 0o644, data };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
