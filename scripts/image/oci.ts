import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { addressesOf, project } from "../project.ts";
import { type Entry, tarOf } from "./tar.ts";

export type Architecture = "amd64" | "arm64";

/** One image for one architecture. */
export interface Image {
  readonly architecture: Architecture;
  /** The lowest first: what changes least. */
  readonly layers: readonly (readonly Entry[])[];
}

export interface Sizes {
  readonly architecture: Architecture;
  readonly digest: string;
  readonly compressed: number;
  readonly unpacked: number;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const MEDIA = "application/vnd.oci.image";
/** The same for everyone, and nobody's on any machine. */
const NOBODY = "65532:65532";

/** An archive in the OCI image layout, that `podman load`, `docker load`, `ctr images import` and `skopeo copy oci-archive:` read.
 * @param tag by which it is loaded
 * @returns the archive, and how large each image is */
export function ociArchive(images: readonly Image[], tag: string): { archive: Buffer; sizes: Sizes[] } {
  const blobs = new Map<string, Buffer>();
  const keep = (mediaType: string, blob: Buffer): Descriptor => {
    const digest = `sha256:${sha256(blob)}`;
    blobs.set(digest, blob);
    return { mediaType, digest, size: blob.length };
  };
  const sizes: Sizes[] = [];
  const manifests = images.map(({ architecture, layers }) => {
    const tars = layers.map((entries) => tarOf(entries));
    const gzipped = tars.map((tar) => keep(`${MEDIA}.layer.v1.tar+gzip`, gzipSync(tar, { level: 9 })));
    const config = keep(`${MEDIA}.config.v1+json`, json(configOf(architecture, tars)));
    const manifest = { schemaVersion: 2, mediaType: `${MEDIA}.manifest.v1+json`, config, layers: gzipped };
    const descriptor = keep(manifest.mediaType, json(manifest));
    sizes.push({
      architecture,
      digest: descriptor.digest,
      compressed: gzipped.reduce((sum, { size }) => sum + size, 0),
      unpacked: tars.reduce((sum, { length }) => sum + length, 0),
    });
    return { ...descriptor, platform: { os: "linux", architecture } };
  });
  const index = keep(
    `${MEDIA}.index.v1+json`,
    json({ schemaVersion: 2, mediaType: `${MEDIA}.index.v1+json`, manifests }),
  );
  const annotations = {
    "org.opencontainers.image.ref.name": tag,
  };
  const top = { schemaVersion: 2, mediaType: `${MEDIA}.index.v1+json`, manifests: [{ ...index, annotations }] };
  const file = (path: string, data: Buffer): Entry => ({ kind: "file", path, mode: 0o644, data });
  const archive = tarOf([
    file("oci-layout", json({ imageLayoutVersion: "1.0.0" })),
    file("index.json", json(top)),
    ...[...blobs].map(([digest, blob]) => file(`blobs/${digest.replace(":", "/")}`, blob)),
  ]);
  return { archive, sizes };
}

function configOf(architecture: Architecture, tars: readonly Buffer[]): object {
  return {
    architecture,
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: {
      User: NOBODY,
      Env: ["PATH=/usr/bin", "NODE_ENV=production"],
      Entrypoint: ["node", "/zenith.mjs"],
      Cmd: ["--help"],
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": "zenith",
        "org.opencontainers.image.source": addressesOf(project()).home,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.description": "Progressive delivery for Kubernetes workloads and feature flags",
      },
    },
    rootfs: { type: "layers", diff_ids: tars.map((tar) => `sha256:${sha256(tar)}`) },
    history: tars.map(() => ({ created: "1970-01-01T00:00:00Z", created_by: "npm run image" })),
  };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
