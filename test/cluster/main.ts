import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { shop } from "../demo/shop.ts";
import { cacheFolder, ensureBinaries } from "./binaries.ts";
import { type Load, startLoad } from "./load.ts";
import { Playground } from "./playground.ts";
import { toolboxOf } from "./toolbox.ts";
import { zenithRuntime } from "./zenith-runtime.ts";

const USAGE = `npm run cluster -- COMMAND

  up       starts a local control plane with Prometheus, a gateway and the operator (--no-operator: without;
           --quick-start: without anything of Zenith, and with a shop under load: what docs/quick-start.md begins with)
  down     stops it
  status   says what runs where
  env      prints what points kubectl at it, and has kubectl zenith and helm too: eval "$(npm run -s cluster -- env)"
`;

type What = "all" | "no-operator" | "quick-start";

const PARTS = {
  all: "Prometheus, gateway and operator",
  "no-operator": "Prometheus and gateway",
  "quick-start": "Prometheus, gateway and shop",
};

/** What a running cluster tells of itself. */
interface State {
  readonly pid: number;
  readonly kubeconfig: string;
  readonly bin: string;
  readonly gateway: string;
  readonly prometheus: string;
  readonly operator?: string; // its log
  readonly what: What;
}

const FOLDER = join(cacheFolder(), "cluster");
const STATE = join(FOLDER, "state.json");
const LOG = join(FOLDER, "cluster.log");
const PATIENCE_MS = 120_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "no-operator": { type: "boolean", default: false },
      "quick-start": { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    },
  });
  const [command] = positionals;
  const what: What = values["quick-start"] ? "quick-start" : values["no-operator"] ? "no-operator" : "all";
  if (values.help === true) return say(USAGE, 0);
  switch (command) {
    case "up":
      return await up(what);
    case "down":
      return await down();
    case "status":
      return status();
    case "env":
      return env();
    case "serve": // What `up` leaves behind.
      return await serve(what);
    default:
      process.stderr.write(`${command === undefined ? "Which command?" : `"${command}" is no command.`}\n\n${USAGE}`);
      return 2;
  }
}

async function up(what: What): Promise<number> {
  const running = state();
  if (running !== undefined) return say(`It is up already.\n${describe(running)}`, 0);
  await ensureBinaries();
  mkdirSync(FOLDER, { recursive: true });
  rmSync(STATE, { force: true });
  const log = openSync(LOG, "w");
  const args = [process.argv[1] ?? "", "serve", ...(what === "all" ? [] : [`--${what}`])];
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", log, log] });
  child.unref();
  let ended = false;
  child.on("exit", () => {
    ended = true;
  });
  process.stderr.write(`Starting the control plane, ${PARTS[what]} `);
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end && !ended; ) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const started = state();
    if (started !== undefined) return say(`done\n${describe(started)}`, 0);
    process.stderr.write(".");
  }
  process.stderr.write(`\nIt did not come up. ${LOG} says:\n${readFileSync(LOG, "utf8").slice(-1500)}\n`);
  return 1;
}

async function down(): Promise<number> {
  const running = state();
  if (running === undefined) return say("Nothing is up.", 0);
  process.kill(running.pid, "SIGTERM");
  for (let i = 0; i < 300 && isAlive(running.pid); i++) await new Promise((resolve) => setTimeout(resolve, 100));
  if (isAlive(running.pid)) {
    process.stderr.write(`Process ${running.pid} does not end; ${LOG} may say why\n`);
    return 1;
  }
  return say("Stopped.", 0);
}

function status(): number {
  const running = state();
  if (running === undefined) return say("Nothing is up; start it with: npm run cluster -- up", 1);
  return say(describe(running), 0);
}

function env(): number {
  const running = state();
  if (running === undefined) {
    process.stderr.write("Nothing is up; start it with: npm run cluster -- up\n");
    return 1;
  }
  return say(`export KUBECONFIG='${running.kubeconfig}'\nexport PATH='${running.bin}':"$PATH"`, 0);
}

/** Runs everything until SIGTERM. */
async function serve(what: What): Promise<number> {
  const stop = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => resolve());
  });
  const isQuickStart = what === "quick-start";
  const playground = await Playground.start({ gatewayLagMs: 200, crds: !isQuickStart, runtime: zenithRuntime });
  const operator = what === "all" ? await playground.startOperator() : undefined;
  const load = isQuickStart ? await openShop(playground) : undefined;
  const { cluster, gateway, prometheusUrl } = playground;
  const own: State = {
    pid: process.pid,
    what,
    kubeconfig: cluster.kubeconfig,
    bin: toolboxOf(cluster),
    gateway: gateway.url,
    prometheus: prometheusUrl,
    ...(operator === undefined ? {} : { operator: operator.logFile }),
  };
  writeFileSync(STATE, JSON.stringify(own));
  const alive = setInterval(() => undefined, 60_000);
  await stop;
  clearInterval(alive);
  rmSync(STATE, { force: true });
  await load?.stop();
  await playground.stop();
  return 0;
}

/** The demo's shop, and requests for it. */
async function openShop({ cluster, gateway }: Playground): Promise<Load> {
  await cluster.apply(shop());
  return startLoad(gateway.url, 100, { host: "web.example" });
}

function state(): State | undefined {
  if (!existsSync(STATE)) return undefined;
  const found = JSON.parse(readFileSync(STATE, "utf8")) as State;
  return isAlive(found.pid) ? found : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const WITHOUT_OPERATOR = {
  all: "",
  "no-operator": "not started; npm run zenith -- operator --kubeconfig …",
  "quick-start": "none yet; step 1 of docs/quick-start.md installs it, beside a shop whose host is web.example",
};

function describe({ kubeconfig, gateway, prometheus, operator, what }: State): string {
  return [
    `  kubeconfig  ${kubeconfig}`,
    `  gateway     ${gateway}   (send the Host header that the route names)`,
    `  Prometheus  ${prometheus}`,
    `  operator    ${operator === undefined ? WITHOUT_OPERATOR[what] : `its log is ${operator}`}`,
    "",
    '  eval "$(npm run -s cluster -- env)"   points kubectl at it, and has kubectl zenith and helm too',
    "  npm run cluster -- down               stops it",
  ].join("\n");
}

function say(text: string, code: number): number {
  process.stdout.write(`${text}\n`);
  return code;
}

process.exit(await main());
