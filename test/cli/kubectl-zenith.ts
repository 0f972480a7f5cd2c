import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { bundle } from "../../scripts/bundle.ts";
import { type Cluster, type CommandResult, run } from "../cluster/cluster.ts";

/** A command that has not ended yet. */
export interface Ongoing {
  said(): string;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  interrupt(): Promise<number | null>;
}

/** The bundle as a person has it: on PATH as `kubectl-zenith`, called by the real kubectl as `kubectl zenith …`. */
export class KubectlZenith {
  readonly #cluster: Cluster;
  readonly #directory: string;

  private constructor(cluster: Cluster, directory: string) {
    this.#cluster = cluster;
    this.#directory = directory;
  }

  static async install(cluster: Cluster): Promise<KubectlZenith> {
    const directory = mkdtempSync(join(tmpdir(), "kubectl-zenith-"));
    symlinkSync(await bundle("kubectl-zenith", directory), join(directory, "kubectl-zenith"));
    return new KubectlZenith(cluster, directory);
  }

  /** The real kubectl with the plugin on its PATH, to its end. */
  kubectl(args: readonly string[], options: { input?: string; user?: string } = {}): Promise<CommandResult> {
    const { input, user } = options;
    return run(this.#cluster.binaries.kubectl, args, {
      env: this.#environment(this.#kubeconfigOf(user)),
      ...(input === undefined ? {} : { input }),
    });
  }

  /** `kubectl zenith ARGS`, to its end. */
  run(args: readonly string[], options: { input?: string; user?: string } = {}): Promise<CommandResult> {
    return this.kubectl(["zenith", ...args], options);
  }

  /** @returns what was printed
   * @throws Error with the exit code and all that was said, where it is not 0 */
  async says(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`kubectl zenith ${args.join(" ")} ended with ${code}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** One that goes on until its end, or until it is interrupted. */
  start(args: readonly string[], { user }: { user?: string } = {}): Ongoing {
    const child = spawn(this.#cluster.binaries.kubectl, ["zenith", ...args], {
      env: this.#environment(this.#kubeconfigOf(user)),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve)); // All that it said is here then.
    return {
      said: () => out,
      ended,
      interrupt: () => {
        child.kill("SIGINT");
        return ended;
      },
    };
  }

  /** Puts what kubectl asks for completions beside it. */
  installCompletion(script: string): void {
    writeFileSync(join(this.#directory, "kubectl_complete-zenith"), `${script}\n`, { mode: 0o755 });
  }

  uninstall(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #kubeconfigOf(user: string | undefined): string {
    return user === undefined ? this.#cluster.kubeconfig : this.#cluster.userKubeconfig(user);
  }

  #environment(kubeconfig: string): NodeJS.ProcessEnv {
    const path = [this.#directory, dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
    return { ...process.env, PATH: path, KUBECONFIG: kubeconfig, LANG: "C.UTF-8" };
  }
}
