import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { FeatureFlag } from "../../src/api/feature-flag.ts";
import { signClientToken } from "../../src/serving/tokens/client-token.ts";
import { ensureChromium } from "../clients/setup.ts";
import { startFlagServer } from "../cluster/flag-server.ts";
import { type Ask, startLoad } from "../cluster/load.ts";
import { Playground } from "../cluster/playground.ts";
import { toolboxOf } from "../cluster/toolbox.ts";
import { ask, FlagStory, flagShop } from "../e2e/flag-story.ts";
import type { Choices } from "./releases.ts";
import { type Feature, type Headline, type Seen, Storefront } from "./storefront.ts";
import { bold, dim, green, narrator, red, type Stops, say, seconds, table, task } from "./terminal.ts";

/*
 * Feature flags, end to end: a good feature reaches everyone in steps, one that fails its users is taken back by itself, and a
 * KillSwitch makes everything safe. A program (server SDK, flagd provider) and a page in Chromium (web SDK, OFREP provider)
 * ask for the flags all the time; nobody tells either of them anything.
 */

const PATIENCE_MS = 90_000;
const FLAG_SET = "default";
const STEPS = [10, 25, 50];
const HARM = "0.1";
const ENOUGH_HURT = 4;
/** Users of the page, each with an SDK of their own. */
const USERS =
  "Ada Alan Amir Anna Aoife Bea Ben Carla Chen Clara Dan Dara Eli Emma Eric Eva Femi Finn Gita Greta Hana Hugo Ida Ines Ivan Jana Jin Joao Jonas Kai Kemal Lara Leo Lin Luca Maja Mei Milo Nadia Nils Noor Olga Omar Paul Rosa Sami Tara Yuki".split(
    " ",
  );
/** Users of the program whom no page shows. */
const OTHERS = 2_000;

interface Chapter {
  readonly feature: Feature;
  readonly about: string;
  readonly wanted: "Promoted" | "Reverted";
  /** From this share on, its users get errors. */
  readonly harmsAt?: number;
}

const SEARCH: Feature = { key: "new-search", name: "search", what: "searches", steps: STEPS };
const CHECKOUT: Feature = { key: "new-checkout", name: "checkout", what: "checkouts", steps: STEPS };
const CHAPTERS: readonly Chapter[] = [
  { feature: SEARCH, about: "a good one", wanted: "Promoted" },
  {
    feature: CHECKOUT,
    about: "at 25 %, one request in ten of its users begins to fail",
    wanted: "Reverted",
    harmsAt: 25,
  },
];

interface Ending {
  readonly name: string;
  readonly about: string;
  readonly wanted: string;
  readonly outcome: string;
  readonly tookMs: number;
  readonly highest: number; // percent
  readonly treated: number; // users of the program
  readonly hurt: number;
  readonly sentence: string;
}

interface Scene {
  readonly playground: Playground;
  readonly story: FlagStory;
  readonly page: Storefront;
  readonly program: Witness;
  readonly judged: boolean;
  readonly harmFile: string;
  readonly shots: string[];
}

/** @returns whether all went right
 * @param stops told how each part that was started is stopped */
export async function playFlags(choices: Choices & { readonly screenshots: string }, stops: Stops): Promise<boolean> {
  const startedMs = performance.now();
  say(bold("\nZenith: a flag reaches its users in steps, harms them, and is taken back by itself\n"));
  const chromium = ensureChromium();
  const scene = await setUp(choices, chromium, stops);
  await picture(scene, "flag-before");
  const endings: Ending[] = [];
  for (const chapter of CHAPTERS) endings.push(await release(chapter, scene));
  endings.push(await kill(scene));
  const good = report(endings, scene, performance.now() - startedMs);
  if (choices.keep) await stayOpen(scene);
  return good;
}

async function setUp(
  { rps, judged, screenshots }: Choices & { readonly screenshots: string },
  chromium: string,
  stops: Stops,
): Promise<Scene> {
  const playground = await task("a cluster: API server, controllers, node, gateway, Prometheus", () =>
    Playground.start({ gatewayLagMs: 0 }),
  );
  stops.push(() => playground.stop());
  const { cluster, gateway } = playground;
  const key = randomBytes(48).toString("base64");
  const keyFile = cluster.path("client-keys");
  writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
  const server = await task("the flag server", () => startFlagServer(cluster, [`--client-token-key-file=${keyFile}`]));
  stops.push(() => server.running.stop());
  const harmFile = cluster.path("harm");
  const story = await FlagStory.begin(playground);
  stops.push(() => story.end());
  await task("a program, 2 pods: the OpenFeature SDK with flagd's provider; and the operator", async () => {
    await cluster.apply(flagShop(server, harmFile, { HARM }));
    await Promise.all([
      playground.startOperator(),
      story.kubectl("rollout", "status", "deployment/web", "--timeout=60s"),
    ]);
  });
  const program = new Witness(gateway.url, rps);
  stops.push(() => program.stop());
  const page = await task(`a page in Chromium: ${USERS.length} users, each with the web SDK and a stream`, async () => {
    const token = await signClientToken(Buffer.from(key), FLAG_SET, Date.now(), 3_600_000);
    const ofrepPort = server.ports.ofrep;
    return await Storefront.open({
      chromium,
      gatewayUrl: gateway.url,
      ofrepPort,
      token,
      users: USERS,
      screenshots,
    });
  });
  stops.push(() => page.close());
  await page.watch(SEARCH);
  await page.tell({ tone: "", phase: "not released", sentence: "Nobody has it yet.", percent: 0 });
  return { playground, story, page, program, judged, harmFile, shots: [] };
}

interface Request extends Ask {
  readonly user: string;
}

/** What users of the program meet, seen from where they are: in front of the gateway. */
class Witness {
  readonly #load;
  #path = `/${SEARCH.key}`;
  #treated = new Set<string>();
  #hurt = new Set<string>();
  /** When somebody was last served the variant, on the wall clock. */
  lastTreatedAt = 0;

  constructor(gatewayUrl: string, rps: number) {
    const next = (): Request => {
      const n = Math.floor(Math.random() * (OTHERS + USERS.length));
      const user = USERS[n] ?? `user-${n}`;
      return { path: this.#path, headers: { "x-user": user }, user };
    };
    this.#load = startLoad(gatewayUrl, rps, { host: "web.example" }, { next, heard: this.#hear });
  }

  readonly #hear = ({ user, path }: Request, variant: string, failed: boolean): void => {
    if (variant !== "on" || path !== this.#path) return;
    this.lastTreatedAt = Date.now();
    this.#treated.add(user);
    if (failed) this.#hurt.add(user);
  };

  /** Counts anew, of another feature. */
  watch({ key }: Feature): void {
    this.#path = `/${key}`;
    this.#treated = new Set();
    this.#hurt = new Set();
    this.#load.lap();
  }

  get treated(): number {
    return this.#treated.size;
  }

  get hurt(): number {
    return this.#hurt.size;
  }

  /** Since the last call: how many of its requests met the variant. */
  share(): string | undefined {
    const { on, off } = this.#load.lap();
    const all = (on?.requests ?? 0) + (off?.requests ?? 0);
    return all === 0 ? undefined : `${((100 * (on?.requests ?? 0)) / all).toFixed(0)} %`;
  }

  async stop(): Promise<void> {
    await this.#load.stop();
  }
}

/** One flag, from `kubectl apply` to where it ends, told as it goes. */
async function release(chapter: Chapter, scene: Scene): Promise<Ending> {
  const { feature, about, wanted, harmsAt } = chapter;
  const { story, page, program, judged } = scene;
  say(`\n  ${bold(`kubectl apply -f ${feature.key}.yaml`)}   ${dim(`(${about})`)}`);
  program.watch(feature);
  await page.watch(feature);
  const startedMs = performance.now();
  const narrate = narrator(startedMs);
  let highest = 0;
  let headline: Headline = { tone: "", phase: "not released", sentence: "Nobody has it yet.", percent: 0 };
  const unsubscribe = story.watch(feature.key, (flag) => {
    const { phase = "", message = "", display, serving } = flag.status ?? {};
    const share = (serving?.weightBp ?? 0) / 100;
    highest = Math.max(highest, share);
    if (phase === "") return;
    narrate(phase, display?.step, `${share} %`, message);
    headline = headlineOf(flag, share);
  });
  let fails = "";
  const mirror = watchPage(scene, () => ({
    ...headline,
    sentence: headline.tone === "ramping" ? fails || headline.sentence : headline.sentence,
  }));
  try {
    await story.apply(manifest(feature.key, judged));
    if (harmsAt !== undefined) {
      await agree(chapter, scene, mirror);
      writeFileSync(`${scene.harmFile}.${feature.key}`, "");
      fails = "One in ten of its users’ checkouts fails since a moment ago.";
      aside("what is behind the new checkout begins to fail");
      await pictureOfHarm(scene);
    }
    const end = await story.until(
      feature.key,
      ({ phase }) => phase === "Healthy" || phase === "Reverted",
      `${feature.key} to be promoted or reverted`,
      PATIENCE_MS,
    );
    const tookMs = performance.now() - startedMs;
    const reverted = end.override !== undefined;
    await mirror.until(`everyone to have what ${feature.key} serves`, ({ treated }) =>
      reverted ? treated.length === 0 : treated.length === USERS.length,
    );
    await mirror.told();
    await picture(
      scene,
      reverted ? "flag-taken-back" : wanted === "Promoted" ? "flag-promoted" : "flag-not-taken-back",
    );
    return {
      name: feature.key,
      about,
      wanted,
      outcome: reverted ? "Reverted" : "Promoted",
      tookMs,
      highest,
      treated: program.treated,
      hurt: program.hurt,
      sentence: end.override === undefined ? "" : `was taken back by itself: ${end.override.message}`,
    };
  } finally {
    unsubscribe();
    await mirror.stop();
  }
}

/** At the share at which it is to harm, page and program are compared. */
async function agree({ feature, harmsAt = 0 }: Chapter, scene: Scene, mirror: Mirror): Promise<void> {
  await scene.story.until(
    feature.key,
    ({ serving }) => (serving?.weightBp ?? 0) >= harmsAt * 100,
    `${harmsAt} %`,
    PATIENCE_MS,
  );
  const { treated } = await mirror.until("page and program to agree on every user", async ({ treated }) => {
    const answers = await Promise.all(
      USERS.map(async (user) => {
        const { variant } = await ask(scene.playground.gateway.url, user, feature.key);
        return (variant === "on") === treated.includes(user);
      }),
    );
    return 100 * treated.length > (USERS.length * harmsAt) / 2 && answers.every(Boolean);
  });
  aside(`page and program agree on each of ${USERS.length} users; ${treated.length} of them have it`);
}

/** Everything is made safe by one object. */
async function kill(scene: Scene): Promise<Ending> {
  const { story, page, program } = scene;
  say(`\n  ${bold("kubectl apply -f stop-shop.yaml")}   ${dim("(a KillSwitch for all flags of the shop)")}`);
  program.watch(SEARCH);
  await page.watch(SEARCH);
  let headline: Headline = { tone: "good", phase: "promoted", sentence: "Everyone has it.", percent: 100 };
  const mirror = watchPage(scene, () => headline);
  try {
    await mirror.until("everyone to have the new search", ({ treated }) => treated.length === USERS.length);
    const appliedAt = Date.now();
    await story.apply(KILL);
    const { changedAt } = await mirror.until("everyone to be safe", ({ treated }) => treated.length === 0);
    await until(() => Date.now() - program.lastTreatedAt > 1_000, "the program to be safe");
    const tookMs = Math.max(changedAt, program.lastTreatedAt) - appliedAt;
    const { message = "" } = await story.phase("Killed", SEARCH.key);
    headline = { tone: "killed", phase: "killed", sentence: `${capital(message)}.`, percent: 0 };
    const times = [changedAt, program.lastTreatedAt].map((at) => seconds(Math.max(0, at - appliedAt)));
    aside(`from kubectl's start to the page's last user: ${times[0]}; to the program's last request: ${times[1]}`);
    await mirror.told();
    await picture(scene, "flag-killed");
    return {
      name: "stop-shop",
      about: "a KillSwitch",
      wanted: "Safe",
      outcome: "Safe",
      tookMs,
      highest: 100,
      treated: program.treated,
      hurt: program.hurt,
      sentence: `stopped everything: ${message}`,
    };
  } finally {
    await mirror.stop();
  }
}

interface Mirror {
  /** Resolves with what the page shows once that is as wanted. */
  until(what: string, isThere: (seen: Seen) => boolean | Promise<boolean>): Promise<Seen>;
  /** Resolves once the page has the present headline and figures. */
  told(): Promise<void>;
  stop(): Promise<void>;
}

const LOOKS_EVERY_MS = 250;

/** Keeps the page's headline current, and says when other users of it have the feature. */
function watchPage({ page, program }: Scene, headlineNow: () => Headline): Mirror {
  let stopped = false;
  let settled = -1;
  let before = -1;
  let share: string | undefined;
  let looks = 0;
  const look = async (): Promise<void> => {
    const { treated, hurt } = await page.seen();
    if (looks++ % 4 === 0) share = program.share() ?? share;
    await page.tell({ ...headlineNow(), ...(share === undefined ? {} : { share }) });
    if (treated.length === before && treated.length !== settled) {
      if (settled !== -1)
        aside(`page: ${treated.length} of ${USERS.length} users have it${hurt > 0 ? `, ${hurt} were hurt` : ""}`);
      settled = treated.length;
    }
    before = treated.length;
  };
  const run = (async () => {
    while (!stopped) {
      await look();
      await sleep(LOOKS_EVERY_MS);
    }
  })();
  run.catch(() => undefined); // Told to whoever waits.
  return {
    until: async (what, isThere) => {
      let seen = await page.seen();
      const there = async (): Promise<boolean> => {
        seen = await page.seen();
        return await isThere(seen);
      };
      await until(there, what);
      return seen;
    },
    told: async () => {
      program.share();
      await sleep(500);
      share = program.share() ?? share;
      await look();
    },
    stop: async () => {
      stopped = true;
      await run.catch(() => undefined);
    },
  };
}

function headlineOf({ status }: FeatureFlag, share: number): Headline {
  const { phase = "", message = "", override } = status ?? {};
  const sentence = `${capital(message)}.`;
  if (override !== undefined) return { tone: "reverted", phase: "taken back", sentence, percent: 0 };
  if (phase === "Healthy") return { tone: "good", phase: "promoted", sentence, percent: share };
  return { tone: "ramping", phase: `${share} % of the users`, sentence, percent: share };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function picture({ page, shots }: Scene, name: string): Promise<void> {
  shots.push(await page.screenshot(name));
}

/** As many users of the page hurt as there are before the flag is taken back: a handful is enough. */
async function pictureOfHarm({ page, shots }: Scene): Promise<void> {
  let [shown, path] = [0, ""];
  await until(async () => {
    const { treated, hurt } = await page.seen();
    if (hurt > shown && treated.length > 0) path = await page.screenshot("flag-harming");
    shown = hurt;
    return hurt >= ENOUGH_HURT || treated.length === 0;
  }, "the flag to be taken back");
  if (path !== "") shots.push(path);
}

function aside(text: string): void {
  say(`            ${dim(text)}`);
}

async function until(isThere: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await isThere()); await sleep(100))
    if (performance.now() > end) throw new Error(`Waited ${PATIENCE_MS / 1000} s for ${what}`);
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

function manifest(key: string, judged: boolean): string {
  const analysis = judged ? "{interval: 1s, metrics: [{errorRate: {max: 1%}}]}" : "{disabled: true}";
  return `
apiVersion: zenith.sh/v1alpha1
kind: FeatureFlag
metadata: {name: ${key}, namespace: default, labels: {part-of: shop}}
spec:
  visibility: client
  strategy:
    canary:
      variant: "on"
      steps: [{weight: 10}, {pause: {for: 3s}}, {weight: 25}, {pause: {for: 8s}}, {weight: 50}, {pause: {for: 3s}}]
      analysis: ${analysis}
      bake: 3s
`;
}

const KILL = `
apiVersion: zenith.sh/v1alpha1
kind: KillSwitch
metadata: {name: stop-shop, namespace: default}
spec: {selector: {matchLabels: {part-of: shop}}, flags: safe, reason: the search cluster is on fire}
`;

function report(endings: readonly Ending[], { shots }: Scene, tookMs: number): boolean {
  const rows = endings.map(({ name, wanted, outcome, tookMs, highest, treated, hurt, about }) => [
    name,
    outcome === wanted ? green(outcome) : red(`${outcome}, wanted ${wanted}`),
    seconds(tookMs),
    `${highest} %`,
    String(treated),
    String(hurt),
    about,
  ]);
  say(`\n${table(["flag", "outcome", "took", "highest share", "users treated", "users hurt", "what it was"], rows)}`);
  for (const { name, sentence } of endings.filter((ending) => ending.sentence !== "")) say(`\n  ${name} ${sentence}`);
  say(`\n  Pictures of the page:\n${shots.map((path) => `    ${path}`).join("\n")}`);
  const good = endings.every(({ outcome, wanted }) => outcome === wanted);
  if (!good) say(red("\n  A flag did not end as it must."));
  say(`\n  ${good ? green("Everything went right") : red("Something went wrong")}, in ${seconds(tookMs)}.`);
  return good;
}

async function stayOpen({ playground: { cluster, prometheusUrl } }: Scene): Promise<void> {
  say(`\n  Everything is still running. In another terminal:

    export KUBECONFIG=${cluster.kubeconfig}
    export PATH=${toolboxOf(cluster)}:$PATH
    kubectl delete killswitch stop-shop
    kubectl get featureflags --watch
    kubectl zenith flag get
    Prometheus: ${prometheusUrl}

  Ctrl-C ends it.`);
  await new Promise<void>(() => setInterval(() => undefined, 60_000));
}
