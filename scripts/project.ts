import { readFileSync } from "node:fs";

/** What package.json says of the project: the one place for its version, and for where it lives. */
interface Project {
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly repository: { readonly type: string; readonly url: string };
}

export function project(): Project {
  return JSON.parse(readFileSync("package.json", "utf8")) as Project;
}

/** Addresses that follow from the repository's: its page, the files of this version, and what is attached to its release. */
export interface Addresses {
  readonly home: string;
  readonly runbooks: string;
  asset(name: string): string;
}

export function addressesOf({ version, repository }: Pick<Project, "version" | "repository">): Addresses {
  const home = repository.url.replace(/^git\+/, "").replace(/(\.git)?\/*$/, "");
  return {
    home,
    runbooks: `${home}/blob/v${version}/docs/runbooks/`,
    asset: (name) => `${home}/releases/download/v${version}/${name}`,
  };
}

/** Whether the project says where it lives. Until then its addresses have a name that no host can have (RFC 2606): nothing is ever fetched from
 * somebody else's. */
export function isAtHome({ home }: Addresses): boolean {
  return !new URL(home).hostname.endsWith(".invalid");
}

/** Chart.yaml, with the project's version and address. */
export function chartFile(text: string): string {
  const { version, ...rest } = project();
  const { home } = addressesOf({ version, ...rest });
  const lines = { version, appVersion: version, home };
  return Object.entries(lines).reduce(
    (file, [key, value]) => file.replace(new RegExp(`^${key}: .*$`, "m"), `${key}: ${value}`),
    text,
  );
}

/** The chart's values.yaml, whose alerts lead to the runbooks of this version. */
export function valuesFile(text: string): string {
  return text.replace(/^(\s*runbookBaseUrl: ).*$/m, `$1${addressesOf(project()).runbooks}`);
}
