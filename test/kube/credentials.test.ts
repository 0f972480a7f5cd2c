import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../src/kube/clock.ts";
import { Credentials, loadKubeConfig, serverOf } from "../../src/kube/credentials.ts";
import { kubeConfigOf } from "./scripted-server.ts";

const SERVER = "https://127.0.0.1:6443";

let folder: string;
let clock: FakeClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zenith-credentials-"));
  clock = new FakeClock();
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);

function reading(load: () => KubeConfig): Credentials {
  return new Credentials(load, clock, "zenith-test");
}

describe("Credentials", () => {
  test("reads once a minute, however many ask", async () => {
    let reads = 0;
    const credentials = reading(() => kubeConfigOf(SERVER, `t${++reads}`));
    const all = await Promise.all(Array.from({ length: 20 }, () => credentials.get()));
    expect(new Set(all.map(({ headers }) => headers.Authorization))).toEqual(new Set(["Bearer t1"]));
    clock.freeze(59_000);
    expect((await credentials.get()).headers.Authorization).toBe("Bearer t1");
    clock.freeze(2_000);
    expect((await credentials.get()).headers.Authorization).toBe("Bearer t2");
    expect(reads).toBe(2);
  });

  test("reads again what was read before a refusal, and once for many that were refused", async () => {
    let reads = 0;
    const credentials = reading(() => kubeConfigOf(SERVER, `t${++reads}`));
    await credentials.get();
    clock.freeze(10);
    const refusedMs = clock.monotonicMs();
    clock.freeze(10);
    const all = await Promise.all(Array.from({ length: 20 }, () => credentials.get(refusedMs)));
    expect(new Set(all.map(({ headers }) => headers.Authorization))).toEqual(new Set(["Bearer t2"]));
    expect((await credentials.get(refusedMs)).headers.Authorization).toBe("Bearer t2");
    expect(reads).toBe(2);
  });

  test("keeps its connections while only the token changes", async () => {
    let reads = 0;
    const credentials = reading(() => kubeConfigOf(SERVER, `t${++reads}`));
    const before = await credentials.get();
    clock.freeze(61_000);
    const after = await credentials.get();
    expect(after.headers).not.toEqual(before.headers);
    expect(after.requests).toBe(before.requests);
    expect(after.watches).toBe(before.watches);
    await credentials.close();
  });

  test("makes new connections when certificates change", async () => {
    writeFileSync(file("ca.crt"), "one");
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: "c", server: SERVER, caFile: file("ca.crt") }],
      users: [{ name: "u" }],
      contexts: [{ name: "x", cluster: "c", user: "u" }],
      currentContext: "x",
    });
    const credentials = reading(() => config);
    const before = await credentials.get();
    clock.freeze(61_000);
    expect((await credentials.get()).requests).toBe(before.requests);
    writeFileSync(file("ca.crt"), "two");
    clock.freeze(61_000);
    const after = await credentials.get();
    expect(after.requests).not.toBe(before.requests);
    expect(after.watches).not.toBe(before.watches);
    await credentials.close();
  });

  test("reads the token of a Pod from its file, without the newline that people leave there", async () => {
    writeFileSync(file("token"), "first\n");
    const provider = { name: "tokenFile", config: { tokenFile: file("token") } };
    const credentials = reading(() => kubeConfigOf(SERVER, undefined, provider));
    expect((await credentials.get()).headers).toEqual({ Authorization: "Bearer first", "user-agent": "zenith-test" });
    writeFileSync(file("token"), "second");
    clock.freeze(61_000);
    expect((await credentials.get()).headers.Authorization).toBe("Bearer second");
  });

  test("gives name and password where a kubeconfig has them", async () => {
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: "c", server: SERVER }],
      users: [{ name: "u", username: "anna", password: "pass" }],
      contexts: [{ name: "x", cluster: "c", user: "u" }],
      currentContext: "x",
    });
    const { headers } = await reading(() => config).get();
    expect(headers.Authorization).toBe(`Basic ${Buffer.from("anna:pass").toString("base64")}`);
  });

  test("runs a program for a token once for many, and again after a refusal", async () => {
    const script = `echo run >> ${file("runs")}; echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t'$(wc -l < ${file("runs")} | tr -d ' ')'","expirationTimestamp":"2999-01-01T00:00:00Z"}}'`;
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "sh", args: ["-c", script] };
    const credentials = reading(() => {
      const config = new KubeConfig();
      config.loadFromOptions({
        clusters: [{ name: "c", server: SERVER }],
        users: [{ name: "u", exec }],
        contexts: [{ name: "x", cluster: "c", user: "u" }],
        currentContext: "x",
      });
      return config;
    });
    const all = await Promise.all(Array.from({ length: 10 }, () => credentials.get()));
    expect(new Set(all.map(({ headers }) => headers.Authorization))).toEqual(new Set(["Bearer t1"]));
    clock.freeze(10);
    expect((await credentials.get(clock.monotonicMs())).headers.Authorization).toBe("Bearer t2");
    expect(readFileSync(file("runs"), "utf8")).toBe("run\nrun\n");
  });

  test("a file that cannot be read fails those who ask, and is read again by the next", async () => {
    let broken = true;
    const credentials = reading(() => {
      if (broken) throw new Error("half written");
      return kubeConfigOf(SERVER, "t1");
    });
    await expect(credentials.get()).rejects.toThrow("half written");
    broken = false;
    expect((await credentials.get()).headers.Authorization).toBe("Bearer t1");
  });
});

describe("serverOf()", () => {
  test("gives the address without a slash at its end", () => {
    expect(serverOf(kubeConfigOf(`${SERVER}/`))).toBe(SERVER);
  });

  test("says what to do where no cluster is named, or one behind a proxy", () => {
    expect(() => serverOf(new KubeConfig())).toThrow("choose one with kubectl config use-context");
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: "c", server: SERVER, proxyUrl: "http://proxy:3128" }],
      users: [{ name: "u" }],
      contexts: [{ name: "x", cluster: "c", user: "u" }],
      currentContext: "x",
    });
    expect(() => serverOf(config)).toThrow("remove proxy-url");
  });
});

describe("loadKubeConfig()", () => {
  test("takes the file that is named, even inside a Pod", () => {
    writeFileSync(file("kubeconfig"), kubeConfigOf(SERVER, "t1").exportConfig());
    const config = loadKubeConfig(file("kubeconfig"), { KUBERNETES_SERVICE_HOST: "10.0.0.1" });
    expect(serverOf(config)).toBe(SERVER);
  });

  test("says which file it cannot read", () => {
    expect(() => loadKubeConfig(file("nothing"))).toThrow("nothing");
  });
});
