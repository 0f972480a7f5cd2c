import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture, Sizes } from "./oci.ts";
import { ARCHITECTURES, DEBIAN } from "./pins.ts";

/** What esbuild says of a bundle. */
export interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
}

interface Component {
  readonly type: "library" | "application" | "container";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly object[];
}

/** A CycloneDX 1.6 bill of what is inside: npm's packages in the bundle, Node, and Debian's libraries, each for each architecture. The
 * same content gives the same bytes: no time, and a serial number made of the content. */
export function sbomOf(version: string, metafile: Metafile, sizes: readonly Sizes[]): string {
  const components = [
    ...packagesOf(metafile).map(npmComponent),
    ...sizes.flatMap(({ architecture }) => [nodeComponent(architecture), ...debianComponents(architecture)]),
  ];
  const image: Component = {
    type: "container",
    "bom-ref": `zenith@${version}`,
    name: "zenith",
    version,
    licenses: [licenseOf("Apache-2.0")],
  };
  const properties = sizes.map(({ architecture, digest }) => ({ name: `zenith:image:${architecture}`, value: digest }));
  const content = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: image, properties },
    components,
    dependencies: [{ ref: image["bom-ref"], dependsOn: components.map((component) => component["bom-ref"]) }],
  };
  return `${JSON.stringify({ ...content, serialNumber: serialOf(JSON.stringify(content)) }, undefined, 2)}\n`;
}

/** Names of the packages that esbuild took files from, a nested one by its whole path below node_modules. */
export function packagesOf({ inputs }: Metafile): string[] {
  const names = Object.keys(inputs).flatMap((path) => {
    const found = /^(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/@][^/]*)\//.exec(path);
    return found === null ? [] : [found[1] ?? ""];
  });
  return [...new Set(names)].sort();
}

/** The licences of the packages in a bundle, word for word: most ask to be handed on. */
export function licencesOf(metafile: Metafile): string {
  const texts = packagesOf(metafile).map((folder) => {
    const { name, version, license } = packageOf(folder);
    const file = readdirSync(folder).find((found) => /^licen[cs]e(\.|$)/i.test(found));
    const text = file === undefined ? `${license}\n` : readFileSync(join(folder, file), "utf8");
    return `${name}@${version}\n\n${text.trim()}\n`;
  });
  return texts.join(`\n${"-".repeat(79)}\n\n`);
}

function packageOf(folder: string): { name: string; version: string; license: string } {
  const {
    name = "",
    version = "",
    license = "NOASSERTION",
  } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  return { name, version, license };
}

function npmComponent(folder: string): Component {
  const { name, version, license } = packageOf(folder);
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return { type: "library", "bom-ref": purl, name, version, purl, licenses: [licenseOf(license)] };
}

function nodeComponent(architecture: Architecture): Component {
  const { npm } = ARCHITECTURES[architecture];
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<string, { version: string; integrity: string }>;
  };
  const { version = "", integrity = "" } = packages[`node_modules/${npm}`] ?? {};
  const purl = `pkg:npm/${npm}@${version}`;
  const content = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  return {
    type: "application",
    "bom-ref": purl,
    name: npm,
    version,
    purl,
    licenses: [licenseOf("MIT")],
    hashes: [{ alg: "SHA-512", content }],
  };
}

function debianComponents(architecture: Architecture): Component[] {
  return DEBIAN.map(({ name, version, license, sha256 }) => {
    const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-12`;
    const hashes = [{ alg: "SHA-256", content: sha256[architecture] }];
    return { type: "library", "bom-ref": purl, name, version, purl, licenses: [licenseOf(license)], hashes };
  });
}

function licenseOf(license: string): object {
  return / (WITH|OR|AND) /.test(license) ? { expression: license } : { license: { id: license } };
}

function serialOf(content: string): string {
  const hex = createHash("sha256").update(content).digest("hex");
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
