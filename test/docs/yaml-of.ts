import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { KubeObject } from "../../src/api/kubernetes.ts";

/** The objects in the YAML blocks of a page, in their order. */
export function objectsIn(page: string): KubeObject[] {
  return [...readFileSync(page, "utf8").matchAll(/^```ya?ml\n(.*?)^```$/gms)].map(([, yaml = ""]) => parse(yaml));
}
