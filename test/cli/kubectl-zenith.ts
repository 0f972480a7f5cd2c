import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { bundle } from "../../scripts/bundle.ts";
import { type Cluster, type CommandResult, run } from "../cluster/cluster.ts";

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

  /** `kubectl zenith ARGS`, to its end. */
  run(args: readonly string[], options: { input?: string; user?: string } = {}): Promise<CommandResult> {
    const kubeconfig =
      options.user === undefined ? this.#cluster.kubeconfig : this.#cluster.userKubeconfig(options.user);
    return run(this.#cluster.binaries.kubectl, ["zenith", ...args], {
      env: this.environment(kubeconfig),
      ...(options.input === undefined ? {} : { input: options.input }),
    });
  }

  /** @returns what was printed
   * @throws Error with the exit code and all that was said, where it is not 0 */
  async says(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`kubectl zenith ${args.join(" ")} ended with ${code}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  environment(kubeconfig = this.#cluster.kubeconfig): NodeJS.ProcessEnv {
    const path = [this.#directory, dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
    return { PATH: path, KUBECONFIG: kubeconfig, LANG: "C.UTF-8" };
  }

  uninstall(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
