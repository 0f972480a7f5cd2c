import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { stringify } from "yaml";
import { tarOf } from "./image/tar.ts";
import { addressesOf, project } from "./project.ts";

/**
 * `kubectl zenith` as people install it, from the bundle in the same folder:
 *
 *     npm/                          a package without dependencies: npm install -g ./dist/npm
 *     kubectl-zenith-v1.2.3.tar.gz  the archive that krew unpacks, the same bytes each time
 *     krew.yaml                     its manifest, with the archive's hash
 */

const BUNDLE = "kubectl-zenith.mjs";
/** The bundle names it: the licences of what is inside. */
const LEGAL = `${BUNDLE}.LEGAL.txt`;

/** @param directory where the bundle lies */
export function writePackages(directory: string): void {
  writeNpm(directory);
  writeKrew(directory);
}

function writeNpm(directory: string): void {
  const { version, description, license, repository } = project();
  const folder = join(directory, "npm");
  mkdirSync(folder, { recursive: true });
  for (const name of [BUNDLE, LEGAL]) cpSync(join(directory, name), join(folder, name));
  cpSync("LICENSE", join(folder, "LICENSE"));
  const manifest = {
    name: "kubectl-zenith",
    version,
    description,
    license,
    repository,
    homepage: addressesOf({ version, repository }).home,
    type: "module",
    bin: { "kubectl-zenith": BUNDLE },
    files: [BUNDLE, LEGAL],
    engines: { node: ">=24" },
  };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

function writeKrew(directory: string): void {
  const { version } = project();
  const file = (path: string, from: string, mode: number) =>
    ({ kind: "file", path, mode, data: readFileSync(from) }) as const;
  const archive = gzipSync(
    tarOf([
      file(BUNDLE, join(directory, BUNDLE), 0o755),
      file(LEGAL, join(directory, LEGAL), 0o644),
      file("LICENSE", "LICENSE", 0o644),
    ]),
    { level: 9 },
  );
  const name = `kubectl-zenith-v${version}.tar.gz`;
  writeFileSync(join(directory, name), archive);
  const sha256 = createHash("sha256").update(archive).digest("hex");
  writeFileSync(join(directory, "krew.yaml"), stringify(krewManifest(version, name, sha256), { lineWidth: 0 }));
}

function krewManifest(version: string, archive: string, sha256: string): object {
  const { home, asset } = addressesOf(project());
  return {
    apiVersion: "krew.googlecontainertools.github.com/v1alpha2",
    kind: "Plugin",
    metadata: { name: "zenith" },
    spec: {
      version: `v${version}`,
      homepage: home,
      shortDescription: "See, steer and plan progressive delivery",
      description:
        "Releases and feature flags that move in steps, are judged against Prometheus, and are taken back by themselves: a live tree of\nrevisions, pods, weights and verdicts, the walk to come, why it does not go on, and what to do.\n",
      caveats: "Needs Node 24 or later on your PATH, and the Zenith operator in the cluster.\n",
      platforms: [
        {
          selector: { matchExpressions: [{ key: "os", operator: "In", values: ["linux", "darwin"] }] },
          uri: asset(archive),
          sha256,
          files: [BUNDLE, LEGAL, "LICENSE"].map((from) => ({ from, to: "." })),
          bin: BUNDLE,
        },
      ],
    },
  };
}
