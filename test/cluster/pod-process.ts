import { type ChildProcess, spawn } from "node:child_process";
import { request } from "undici";
import type { Condition, Pod } from "../../src/api/kubernetes.ts";
import { claimPorts, releasePorts } from "./ports.ts";
import type { Reaper } from "./processes.ts";

/** A container that is about to start. */
export interface Start {
  readonly image: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The local port that is probed. */
  readonly port: number;
  readonly namespace: string;
  readonly pod: string;
  readonly serviceAccount: string;
}

/** What is started for it. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Knows how containers of some images are started; undefined for others, whose command runs in the agent's root. */
export type Runtime = (start: Start) => Promise<Program> | undefined;

interface PodSpec {
  readonly nodeName?: string;
  readonly restartPolicy?: string;
  readonly serviceAccountName?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly containers: readonly {
    readonly name: string;
    readonly image: string;
    readonly command?: readonly string[];
    readonly args?: readonly string[];
    readonly env?: readonly {
      readonly name: string;
      readonly value?: string;
      readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
    }[];
    readonly readinessProbe?: {
      readonly httpGet?: { readonly path?: string };
      readonly periodSeconds?: number;
      readonly timeoutSeconds?: number;
      readonly failureThreshold?: number;
    };
  }[];
}

export type RunnablePod = Pod & { readonly spec: PodSpec };

/** What containers are started with. */
export interface Means {
  readonly root: string;
  readonly runtime: Runtime;
  /** Where programs learn where a virtual pod address is served; see `pod-network.ts`. */
  readonly addressesUrl: string;
  readonly reaper: Reaper;
}

const PROBE_MS = 200;
const WRITE_AGAIN_MS = 500;
const FIRST_BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 30_000;

/** One pod: its process, started again with back-off when it ends by itself. */
export class PodProcess {
  readonly podIP: string;
  port = 0;
  readonly #pod: RunnablePod;
  readonly #means: Means;
  readonly #write: (status: unknown) => Promise<boolean>;
  readonly #startTime = new Date().toISOString();
  #child: ChildProcess | undefined;
  #phase = "Running";
  #ready = false;
  #ended = false;
  #restarts = 0;
  #exitCode: number | undefined;
  #changedAt = new Date().toISOString();
  #isToldAll = true;
  #isTelling = false;

  /** @param write false if it has to be tried again */
  constructor(pod: RunnablePod, podIP: string, means: Means, write: (status: unknown) => Promise<boolean>) {
    this.#pod = pod;
    this.podIP = podIP;
    this.#means = means;
    this.#write = write;
  }

  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  target(): unknown {
    const { name, namespace } = this.#pod.metadata;
    return { targets: [`127.0.0.1:${this.port}`], labels: { namespace, pod: name } };
  }

  /** Until its end, on a port that is its own until then. */
  async run(): Promise<void> {
    const ports = await claimPorts(1);
    [this.port = 0] = ports;
    await this.#keepRunning();
    await this.#gone();
    releasePorts(ports);
  }

  async #keepRunning(): Promise<void> {
    for (let waitMs = FIRST_BACK_OFF_MS; !this.#ended; waitMs = Math.min(waitMs * 2, LONGEST_BACK_OFF_MS)) {
      await this.#spawn();
      this.#report();
      await this.#watchUntilEnd();
      if (this.#ended) return;
      this.#setReady(false);
      if (this.#pod.spec.restartPolicy === "Never") {
        this.#ended = true;
        this.#phase = this.#exitCode === 0 ? "Succeeded" : "Failed";
        return this.#report();
      }
      this.#restarts++;
      this.#report();
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** SIGTERM, then the grace period, then SIGKILL. Ready turns false at once: the endpoints are told before the process. */
  async terminate(): Promise<void> {
    if (this.#ended) return await this.#gone();
    this.#ended = true;
    this.#setReady(false);
    this.#report();
    this.#child?.kill("SIGTERM");
    const graceMs = (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), graceMs);
    await this.#gone();
    clearTimeout(timer);
  }

  kill(): void {
    this.#ended = true;
    this.#child?.kill("SIGKILL");
  }

  async #gone(): Promise<void> {
    while (this.alive) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async #spawn(): Promise<void> {
    const { root, runtime, addressesUrl, reaper } = this.#means;
    const start = this.#start();
    const [command = "", ...args] = start.command;
    const own = { command: command === "node" ? process.execPath : command, args, env: {} };
    this.#child = undefined;
    // What cannot be made ready, as the API server is away say, ends like a program that failed, and is tried again.
    const program = await (runtime(start)?.catch(() => undefined) ?? own);
    if (program === undefined || this.#ended) return;
    this.#child = spawn(program.command, program.args, {
      cwd: root,
      stdio: "ignore",
      env: {
        PATH: process.env.PATH,
        PORT: String(this.port),
        IMAGE: start.image,
        POD_ADDRESSES: addressesUrl,
        ...start.env,
        ...program.env,
      },
    });
    reaper.watch(this.#child);
    this.#child.on("error", () => undefined); // A command that does not exist ends like one that failed.
  }

  #start(): Start {
    const { metadata, spec } = this.#pod;
    const [container] = spec.containers;
    const { name: pod, namespace = "" } = metadata;
    const fields: Readonly<Record<string, string>> = { "metadata.namespace": namespace, "metadata.name": pod };
    const env = (container?.env ?? []).map(({ name, value, valueFrom }) => [
      name,
      value ?? fields[valueFrom?.fieldRef?.fieldPath ?? ""] ?? "",
    ]);
    return {
      image: container?.image ?? "",
      command: [...(container?.command ?? []), ...(container?.args ?? [])],
      env: Object.fromEntries(env),
      port: this.port,
      namespace,
      pod,
      serviceAccount: spec.serviceAccountName ?? "default",
    };
  }

  async #watchUntilEnd(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return; // It was ended before it began.
    const probe = this.#pod.spec.containers[0]?.readinessProbe;
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const { periodSeconds = 1, timeoutSeconds = 1, failureThreshold = 3 } = probe ?? {};
    let failures = 0;
    let over = false;
    void ended.then(() => {
      over = true;
      this.#exitCode = child.exitCode ?? 137;
    });
    while (!over) {
      const isGood = await this.#probe(probe?.httpGet?.path ?? "/ready", 1_000 * timeoutSeconds);
      failures = isGood ? 0 : failures + 1;
      const ready = isGood || (this.#ready && failures < failureThreshold);
      if (!over && !this.#ended && ready !== this.#ready) {
        this.#setReady(ready);
        this.#report();
      }
      const everyMs = this.#ready ? 1_000 * periodSeconds : PROBE_MS;
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, everyMs))]);
    }
  }

  async #probe(path: string, timeoutMs: number): Promise<boolean> {
    try {
      const { statusCode, body } = await request(`http://127.0.0.1:${this.port}${path}`, {
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        reset: true,
      });
      await body.dump();
      return statusCode < 400;
    } catch {
      return false;
    }
  }

  #setReady(ready: boolean): void {
    if (ready !== this.#ready) this.#changedAt = new Date().toISOString();
    this.#ready = ready;
  }

  /** Tells the status as it is by then, one request after the other: an older one never lands last. */
  #report(): void {
    this.#isToldAll = false;
    if (!this.#isTelling) void this.#tell();
  }

  async #tell(): Promise<void> {
    this.#isTelling = true;
    while (!this.#isToldAll) {
      this.#isToldAll = true;
      if (await this.#write(this.#status())) continue;
      this.#isToldAll = false; // The API server is away.
      await new Promise((resolve) => setTimeout(resolve, WRITE_AGAIN_MS));
    }
    this.#isTelling = false;
  }

  #status(): unknown {
    const [container] = this.#pod.spec.containers;
    const condition = (type: string, ok: boolean, since: string): Omit<Condition, "reason" | "message"> => ({
      type,
      status: ok ? "True" : "False",
      lastTransitionTime: since,
    });
    const state = this.alive
      ? { running: { startedAt: this.#startTime } }
      : this.#ended
        ? { terminated: { exitCode: this.#exitCode ?? 0 } }
        : {
            waiting: {
              reason: "CrashLoopBackOff",
              message: `the process ended with code ${this.#exitCode}; started again after a while`,
            },
          };
    return {
      phase: this.#phase,
      startTime: this.#startTime,
      podIP: this.podIP,
      podIPs: [{ ip: this.podIP }],
      hostIP: "127.0.0.1",
      conditions: [
        condition("PodScheduled", true, this.#startTime),
        condition("Initialized", true, this.#startTime),
        condition("ContainersReady", this.#ready, this.#changedAt),
        condition("Ready", this.#ready, this.#changedAt),
      ],
      containerStatuses: [
        {
          name: container?.name,
          image: container?.image,
          imageID: container?.image,
          ready: this.#ready,
          started: this.alive,
          restartCount: this.#restarts,
          state,
        },
      ],
    };
  }
}
