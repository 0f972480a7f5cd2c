import { systemClock } from "../kube/clock.ts";
import { Cluster } from "./cluster/cluster.ts";
import { CliError } from "./errors.ts";
import { harmless, type Io, type Style, styleFor } from "./io.ts";

/** What every command takes. */
export interface GlobalOptions {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly color: boolean;
}

/** One run of one command: the terminal, how to write on it, and the cluster, opened when it is asked for. */
export class Session {
  readonly io: Io;
  readonly style: Style;
  readonly clock = systemClock;
  readonly #options: GlobalOptions;
  #cluster: Cluster | undefined;

  constructor(io: Io, options: GlobalOptions) {
    this.io = io;
    this.style = styleFor(io, options.color);
    this.#options = options;
  }

  /** @throws CliError where the kubeconfig names none */
  get cluster(): Cluster {
    this.#cluster ??= new Cluster(this.#options);
    return this.#cluster;
  }

  /** Writes lines, each ended. */
  print(...lines: readonly string[]): void {
    if (lines.length > 0) this.io.out(`${harmless(lines.join("\n"))}\n`);
  }

  /** To people alone: what is piped on must not hold it. */
  note(line: string): void {
    this.io.err(`${harmless(line)}\n`);
  }

  warn(line: string): void {
    this.note(`${this.style.yellow("Warning:")} ${line}`);
  }

  async close(): Promise<void> {
    await this.#cluster?.close();
  }
}

/** `web` of what people may type: `web`, `rollout/web`, `zr/web`, `rollouts.zenith.sh/web`.
 * @throws CliError where another kind is named */
export function nameOf(argument: string, kinds: readonly string[]): string {
  const [kind = "", ...rest] = argument.split("/");
  const [name = kind, ...more] = rest;
  const isOther = rest.length > 0 && !kinds.includes(kind.toLowerCase());
  if (isOther || more.length > 0 || NO_NAMES.includes(name))
    throw new CliError(`"${argument}" names no ${kinds[0]}`, `write its name alone, or ${kinds[0]}/NAME`);
  return name;
}

/** At the end of a path these mean a list, or what lies above. */
const NO_NAMES = ["", ".", ".."];

export const ROLLOUT_KINDS = ["rollout", "rollouts", "zr", "rollout.zenith.sh", "rollouts.zenith.sh"] as const;
export const FLAG_KINDS = [
  "flag",
  "featureflag",
  "featureflags",
  "zff",
  "featureflag.zenith.sh",
  "featureflags.zenith.sh",
] as const;
export const KILL_KINDS = [
  "killswitch",
  "killswitches",
  "zks",
  "killswitch.zenith.sh",
  "killswitches.zenith.sh",
] as const;
