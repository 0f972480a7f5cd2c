import { readdirSync, readFileSync } from "node:fs";
import { parse, parseAllDocuments } from "yaml";
import type { KubeObject } from "../../src/api/kubernetes.ts";

/** Every page that people read. */
export const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "charts/zenith/README.md"],
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
    .sort(),
];

export interface Block {
  readonly page: string;
  readonly line: number;
  /** `yaml` as it stands behind the fence, `indented` where there is none. */
  readonly language: string;
  readonly text: string;
}

const FENCED = /^( *)```(\S*)[^\n]*\n(.*?)^\1```$/gms;
const INDENTED = /(?:^ {4}[^\n]*\n(?:[ \t]*\n(?= {4}))*)+/gm;

/** All blocks of a page that Markdown shows as code. */
export function blocksIn(text: string, page = ""): Block[] {
  const lineAt = (index: number) => text.slice(0, index).split("\n").length;
  const fenced = [...text.matchAll(FENCED)].map((match) => ({
    page,
    line: lineAt(match.index),
    language: match[2]?.replace(/^yml$/, "yaml") ?? "",
    text: match[3]?.replaceAll(new RegExp(`^${match[1]}`, "gm"), "") ?? "",
  }));
  const prose = text.replaceAll(FENCED, (code) => code.replaceAll(/[^\n]/g, ""));
  const indented = [...prose.matchAll(INDENTED)].map((match) => ({
    page,
    line: lineAt(match.index),
    language: "indented",
    text: match[0].replaceAll(/^ {4}/gm, ""),
  }));
  return [...fenced, ...indented];
}

/** The YAML blocks of a page, in their order. */
export function yamlIn(page: string): string[] {
  return blocksIn(readFileSync(page, "utf8"), page)
    .filter(({ language }) => language === "yaml")
    .map(({ text }) => text);
}

/** The objects of a page whose blocks have one each. */
export function objectsIn(page: string): KubeObject[] {
  return yamlIn(page).map((yaml) => parse(yaml) as KubeObject);
}

/** The block of a page that has something at this place, as `spec.ignore`.
 * @throws Error where there is none, or more than one */
export function fragmentIn<T>(page: string, place: string): T {
  const found = yamlIn(page).filter((yaml) => hasPlace(yaml, place));
  if (found.length !== 1) throw new Error(`${page} has ${place} in ${found.length} blocks of YAML`);
  return parse(found[0] ?? "") as T;
}

export function hasPlace(yaml: string, place: string): boolean {
  return parseAllDocuments(yaml).some((document) => document.hasIn(place.split(".")));
}

/** Whether a text is YAML as Kubernetes and the tools around it have it: an object, or a part of one. */
export function isKubernetesYaml(text: string): boolean {
  return parseAllDocuments(text).some((document) => {
    if (document.errors.length > 0) return false;
    return ["apiVersion", "kind", "metadata", "spec", "status"].some((key) => document.has(key));
  });
}

/** Whether it can be applied as it stands. */
export function isWhole(yaml: string): boolean {
  return parseAllDocuments(yaml).every((document) => document.has("apiVersion") && document.has("kind"));
}

/** Blocks that are a part of an object, and the rest of it, with which they are applied. */
export const PARTS: readonly { page: string; place: string; of: object }[] = [
  {
    page: "docs/gitops-flux.md",
    place: "spec.waitFor",
    of: {
      apiVersion: "zenith.sh/v1alpha1",
      kind: "Rollout",
      metadata: { name: "web" },
      spec: { workloadRef: { kind: "Deployment", name: "web" }, strategy: { canary: { preset: "safe", over: "30m" } } },
    },
  },
  {
    page: "docs/gitops-argo-cd.md",
    place: "metadata.annotations",
    of: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: { containers: [{ name: "web", image: "shop/web:v1" }] },
        },
      },
    },
  },
];

/** Blocks for other tools than the API server, and the test that plays that tool. */
export const ELSEWHERE: readonly { page: string; place: string; test: string }[] = [
  { page: "docs/gitops-flux.md", place: "spec.healthCheckExprs", test: "test/gitops/flux.test.ts" },
  { page: "docs/gitops-flux.md", place: "spec.ignore", test: "test/gitops/flux.test.ts" },
  { page: "docs/gitops-argo-cd.md", place: "spec.ignoreDifferences", test: "test/gitops/argo-cd.cluster.test.ts" },
];
