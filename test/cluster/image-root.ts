import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./cluster.ts";

/** Where the kubelet puts a pod's account. A container engine makes the folder that it mounts to. */
export const ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount";

interface Descriptor {
  readonly digest: string;
  readonly platform?: { readonly architecture: string };
}

/** An image of an OCI archive, as its own files tell it. */
export interface OpenedImage {
  readonly config: { readonly architecture: string; readonly config: Readonly<Record<string, unknown>> };
  /** Bytes of its layers as they are sent. */
  readonly compressed: number;
  /** Its root file system, unpacked. */
  readonly root: string;
}

/** Unpacks the image of one architecture into `folder`, as an engine would. */
export async function openImage(archive: string, architecture: string, folder: string): Promise<OpenedImage> {
  const [layout, root] = [join(folder, "layout"), join(folder, "root")];
  for (const path of [layout, root]) mkdirSync(path, { recursive: true });
  await untar(archive, layout);
  const blob = (digest: string) => join(layout, "blobs", digest.replace(":", "/"));
  const read = <T>(path: string) => JSON.parse(readFileSync(path, "utf8")) as T;
  const top = read<{ manifests: Descriptor[] }>(join(layout, "index.json"));
  const index = read<{ manifests: Descriptor[] }>(blob(top.manifests[0]?.digest ?? ""));
  const found = index.manifests.find(({ platform }) => platform?.architecture === architecture);
  const manifest = read<{ config: Descriptor; layers: (Descriptor & { size: number })[] }>(blob(found?.digest ?? ""));
  for (const { digest } of manifest.layers) await untar(blob(digest), root);
  mkdirSync(join(root, ACCOUNT), { recursive: true });
  return {
    config: read(blob(manifest.config.digest)),
    compressed: manifest.layers.reduce((sum, { size }) => sum + size, 0),
    root,
  };
}

async function untar(archive: string, folder: string): Promise<void> {
  const { code, stderr } = await run("tar", ["-xf", archive, "-C", folder]);
  if (code !== 0) throw new Error(`Cannot unpack ${archive}: ${stderr}`);
}
