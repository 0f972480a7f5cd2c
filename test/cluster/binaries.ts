import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Programs of a real control plane, built once from pinned Go modules and kept outside the checkout. */
export interface Binaries {
  readonly directory: string;
  readonly etcd: string;
  readonly apiserver: string;
  readonly controllerManager: string;
  readonly scheduler: string;
  readonly kubectl: string;
  readonly prometheus: string;
  readonly promtool: string;
  readonly kwok: string;
  readonly helm: string;
  /** Folder with the Gateway API's CRDs, standard channel. */
  readonly gatewayApiCrds: string;
  /** Folder with kwok's stages. */
  readonly kwokStages: string;
}

const GO = join(dirname(fileURLToPath(import.meta.url)), "go");
const SOURCES = ["go.mod", "go.sum", "main.go", "modules.go"];
const NAMES = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];
const TOOLS = [
  "github.com/prometheus/prometheus/cmd/prometheus",
  "github.com/prometheus/prometheus/cmd/promtool",
  "sigs.k8s.io/kwok/cmd/kwok",
  "helm.sh/helm/v4/cmd/helm",
];
const VERSION = "v1.36.3";
const LDFLAGS = `-s -w -X k8s.io/component-base/version.gitVersion=${VERSION} -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36 -X k8s.io/client-go/pkg/version.gitVersion=${VERSION}`;
/** Packages that a cold build compiles, for the progress shown. */
const PACKAGES = 2_900;

/** Where everything of Zenith's tests is kept between runs. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "zenith");
}

/** Builds what is missing, with progress on standard error, and says where it is.
 * @throws Error with a sentence that says what to do */
export async function ensureBinaries(): Promise<Binaries> {
  const directory = join(cacheFolder(), hashOfSources());
  if (!existsSync(join(directory, "complete"))) await buildOnce(directory);
  const at = (name: string) => join(directory, name);
  const folders = JSON.parse(readFileSync(at("complete"), "utf8")) as { gatewayApi: string; kwok: string };
  return {
    directory,
    etcd: at("etcd"),
    apiserver: at("kube-apiserver"),
    controllerManager: at("kube-controller-manager"),
    scheduler: at("kube-scheduler"),
    kubectl: at("kubectl"),
    prometheus: at("prometheus"),
    promtool: at("promtool"),
    kwok: at("kwok"),
    helm: at("helm"),
    gatewayApiCrds: folders.gatewayApi,
    kwokStages: folders.kwok,
  };
}

function hashOfSources(): string {
  const hash = createHash("sha256");
  for (const name of SOURCES) hash.update(readFileSync(join(GO, name)));
  return hash.digest("hex").slice(0, 16);
}

/** Two builds at once would take twice as long: the second waits for the first. */
async function buildOnce(directory: string): Promise<void> {
  mkdirSync(cacheFolder(), { recursive: true });
  const lock = `${directory}.lock`;
  for (;;) {
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, "pid"), String(process.pid));
      break;
    } catch {
      if (existsSync(join(directory, "complete"))) return;
      if (!holderLives(lock)) rmSync(lock, { recursive: true, force: true });
      else await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
  try {
    if (!existsSync(join(directory, "complete"))) await build(directory);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function holderLives(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(join(lock, "pid"), "utf8")), 0);
    return true;
  } catch {
    return existsSync(lock) && Date.now() - statSync(lock).mtimeMs < 2_000;
  }
}

async function build(directory: string): Promise<void> {
  requireGo();
  const scratch = mkdtempSync(`${directory}.build-`);
  process.stderr.write(
    "Building the control plane for tests and demo from pinned Go modules (once, some minutes) ...\n",
  );
  await go([
    "build",
    "-v",
    "-tags",
    "remove_all_sd,enable_kubernetes_sd",
    "-ldflags",
    LDFLAGS,
    "-o",
    `${scratch}/`,
    ".",
    ...TOOLS,
  ]);
  for (const name of NAMES) symlinkSync("cluster", join(scratch, name));
  const folders = {
    gatewayApi: copyOf("sigs.k8s.io/gateway-api", "config/crd/standard", scratch, "gateway-api"),
    kwok: copyOf("sigs.k8s.io/kwok", "kustomize/stage", scratch, "kwok-stages"),
  };
  const kept = { gatewayApi: join(directory, folders.gatewayApi), kwok: join(directory, folders.kwok) };
  writeFileSync(join(scratch, "complete"), JSON.stringify(kept));
  rmSync(directory, { recursive: true, force: true });
  renameSync(scratch, directory);
}

/** A folder of a module, copied: the module cache may be cleaned. */
function copyOf(module: string, folder: string, scratch: string, name: string): string {
  const answer = spawnSync("go", ["mod", "download", "-json", module], { cwd: GO, encoding: "utf8" });
  const from = join((JSON.parse(answer.stdout) as { Dir: string }).Dir, folder);
  const copied = spawnSync("cp", ["-r", from, join(scratch, name)]);
  if (copied.status !== 0) throw new Error(`Cannot copy ${folder} of module ${module}`);
  spawnSync("chmod", ["-R", "u+w", join(scratch, name)]);
  return name;
}

function requireGo(): void {
  const found = spawnSync("go", ["env", "GOVERSION"], { cwd: GO, encoding: "utf8" });
  if (found.error !== undefined)
    throw new Error(
      "The tests and the demo build a Kubernetes control plane and need Go 1.26 or later; install it from https://go.dev/dl and try again",
    );
  if (found.status !== 0) throw new Error(`Go does not start: ${found.stderr.trim()}`);
}

function go(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("go", args, {
      cwd: GO,
      env: { ...process.env, CGO_ENABLED: "0" },
      stdio: ["ignore", "inherit", "pipe"],
    });
    const tail: string[] = [];
    const show = progress();
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      for (const line of chunk.split("\n").filter((l) => l !== "")) {
        tail.push(line);
        if (tail.length > 20) tail.shift();
        show(line);
      }
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (process.stderr.isTTY) process.stderr.write("\n");
      if (code === 0) resolve();
      else reject(new Error(`The control plane did not build; the compiler's last lines:\n${tail.join("\n")}`));
    });
  });
}

/** A bar on a terminal, a line now and then elsewhere. */
function progress(): (line: string) => void {
  let packages = 0;
  return (line) => {
    packages++;
    const share = Math.min(99, Math.round((100 * packages) / PACKAGES));
    if (process.stderr.isTTY)
      process.stderr.write(
        `\r  ${"#".repeat(share / 4).padEnd(25, ".")} ${String(share).padStart(2)} %  ${line.slice(0, 50).padEnd(50)}`,
      );
    else if (packages % 200 === 0) process.stderr.write(`  ${packages} packages, about ${share} %\n`);
  };
}
