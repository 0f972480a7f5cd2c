import { readFile } from "node:fs/promises";
import { CredentialsError } from "./errors.ts";

/** Files that hold how to be let in. All are read again, so that they can be rotated. */
export interface CredentialFiles {
  readonly bearerTokenFile?: string;
  /** One line, `user:password`. */
  readonly basicAuthFile?: string;
  /** One `Name: value` a line; empty lines and those that begin with # are skipped. */
  readonly headersFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Reads all files.
 * @throws CredentialsError naming the file's purpose, never what the file holds */
export async function readCredentials(files: CredentialFiles): Promise<Credentials> {
  const [bearer, basic, headers, ca, cert, key] = await Promise.all([
    read("bearer token", files.bearerTokenFile),
    read("basic auth", files.basicAuthFile),
    read("headers", files.headersFile),
    read("CA", files.caFile),
    read("certificate", files.certFile),
    read("key", files.keyFile),
  ]);
  return {
    headers: {
      ...(headers === undefined ? {} : parseHeaders(headers)),
      ...(basic === undefined ? {} : { authorization: `Basic ${Buffer.from(basic.trim()).toString("base64")}` }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer.trim()}` }),
    },
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

async function read(what: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new CredentialsError(`Cannot read the ${what} file for Prometheus`, { cause });
  }
}

function parseHeaders(text: string): Record<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line, i) => {
      const colon = line.indexOf(":");
      if (colon <= 0)
        throw new CredentialsError(`Line ${i + 1} of the headers file for Prometheus is not "Name: value"`);
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}
