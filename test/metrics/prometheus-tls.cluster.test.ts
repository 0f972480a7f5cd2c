import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import type { CredentialFiles } from "../../src/metrics/credentials.ts";
import { PrometheusClient } from "../../src/metrics/prometheus.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { claimPorts } from "../cluster/ports.ts";
import { authority, type Issued } from "./certificates.ts";

/** A real Prometheus that speaks https only, and lets nobody in without a certificate of its CA. */

const ca = authority("the CA of Prometheus");
const other = authority("another CA");

let folder: string;
let prometheus: ChildProcess;
let url: string;
let client: PrometheusClient | undefined;
/** What the client takes for the time: its files are read again half a minute later. */
let nowMs = 0;

beforeAll(async () => {
  const binaries = await ensureBinaries();
  folder = mkdtempSync(join(tmpdir(), "zenith-prometheus-tls-"));
  const [port = 0] = await claimPorts(1);
  url = `https://127.0.0.1:${port}`;
  file("prometheus.yml", "{}");
  const { cert, key } = ca.issue("prometheus");
  lets(ca.cert);
  const tls = { cert_file: file("server.crt", cert), key_file: file("server.key", key) };
  const asks = { client_auth_type: "RequireAndVerifyClientCert", client_ca_file: join(folder, "clients.crt") };
  file("web.yml", JSON.stringify({ tls_server_config: { ...tls, ...asks } })); // JSON is YAML.
  const args = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.config.file=web.yml"];
  prometheus = spawn(binaries.prometheus, [...args, `--web.listen-address=127.0.0.1:${port}`], {
    cwd: folder,
    stdio: "ignore",
  });
  await vi.waitFor(async () => expect((await ask(trusted())).kind).toBe("vector"), { timeout: 20_000 });
}, 1_200_000);

afterEach(async () => {
  await client?.close();
  client = undefined;
});

afterAll(async () => {
  if (prometheus?.exitCode === null) {
    const ended = once(prometheus, "exit");
    prometheus.kill("SIGTERM");
    await ended;
  }
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Whose clients Prometheus lets in; it reads that for each connection. */
function lets(clients: string): void {
  file("clients.crt", clients);
}

function own({ cert, key }: Issued): Pick<CredentialFiles, "certFile" | "keyFile"> {
  return { certFile: file("zenith.crt", cert), keyFile: file("zenith.key", key) };
}

function trusted(): CredentialFiles {
  return { caFile: file("ca.crt", ca.cert), ...own(ca.issue("zenith")) };
}

async function ask(files: CredentialFiles) {
  client ??= new PrometheusClient({ url, nowMs: () => nowMs, ...files });
  return await client.query("vector(1)", Date.now());
}

function unreachable(why: string) {
  return {
    kind: "unavailable",
    message: expect.stringMatching(`^Prometheus cannot be reached: ${why} \\([A-Z0-9_/]+\\)$`),
  };
}

test("who has its CA, and a certificate of it, is answered", async () => {
  expect(await ask(trusted())).toMatchObject({ kind: "vector", series: [{ sample: [expect.any(Number), 1] }] });
});

const untrusted = "its certificate is from none of the CAs that we trust";
const expired = () => ca.issue("zenith", { untilMs: Date.now() - 1_000 });

const faults: Record<string, { files: () => CredentialFiles; why: string }> = {
  "another CA": { files: () => ({ ...trusted(), caFile: file("ca.crt", other.cert) }), why: untrusted },
  "no CA": { files: () => own(ca.issue("zenith")), why: untrusted },
  "no client certificate": {
    files: () => ({ caFile: file("ca.crt", ca.cert) }),
    why: "it wants a client certificate, and we have none",
  },
  "a client certificate of another CA": {
    files: () => ({ ...trusted(), ...own(other.issue("zenith")) }),
    why: "it does not accept our client certificate",
  },
  "a client certificate that ran out": {
    files: () => ({ ...trusted(), ...own(expired()) }),
    why: "it does not accept our client certificate",
  },
  "the key of another certificate": {
    files: () => ({ ...trusted(), ...own({ ...ca.issue("zenith"), key: ca.issue("zenith").key }) }),
    why: "our client certificate and its key do not belong together",
  },
  "a client certificate that is none": {
    files: () => ({ ...trusted(), ...own({ cert: "half a fi", key: ca.issue("zenith").key }) }),
    why: "our client certificate or its key is not PEM",
  },
};

test.each(Object.entries(faults))("%s is told, each time it is asked", async (_, { files, why }) => {
  const given = files();
  expect(await ask(given)).toEqual(unreachable(why));
  expect(await ask(given)).toEqual(unreachable(why));
});

test("files that were renewed are used half a minute later, without a restart", async () => {
  const files = { ...trusted(), caFile: file("ca.crt", other.cert), ...own(expired()) };
  expect(await ask(files)).toEqual(unreachable(untrusted));
  file("ca.crt", ca.cert);
  nowMs += 30_000;
  expect(await ask(files)).toEqual(unreachable("it does not accept our client certificate"));
  own(ca.issue("zenith"));
  nowMs += 30_000;
  expect(await ask(files)).toMatchObject({ kind: "vector" });
});

test("a Prometheus that does not accept our certificate for a while answers again once it does", async () => {
  const files = trusted();
  lets(other.cert);
  expect(await ask(files)).toEqual(unreachable("it does not accept our client certificate"));
  expect(await ask(files)).toEqual(unreachable("it does not accept our client certificate"));
  lets(ca.cert);
  expect(await ask(files)).toMatchObject({ kind: "vector" });
});
