import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { KubeObject } from "../../src/api/kubernetes.ts";

/** The YAML blocks of a page, in their order. */
export function yamlIn(page: string): string[] {
  return [...readFileSync(page, "utf8").matchAll(/^```ya?ml\n(.*?)^```$/gms)].map(([, yaml = ""]) => yaml);
}

/** The objects of a page whose blocks have one each. */
export function objectsIn(page: string): KubeObject[] {
  return yamlIn(page).map((yaml) => parse(yaml) as KubeObject);
}
