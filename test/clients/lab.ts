import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { stringify } from "yaml";
import type { FeatureFlagSpec } from "../../src/api/feature-flag.ts";
import { compileFlag } from "../../src/core/flags/compile.ts";
import { systemClock } from "../../src/kube/clock.ts";
import { DeliveryCounts } from "../../src/serving/delivery.ts";
import { type Serving, startServing } from "../../src/serving/serving.ts";
import { FlagStore } from "../../src/serving/store.ts";
import { Authorizer } from "../../src/serving/tokens/authorizer.ts";
import { signClientToken } from "../../src/serving/tokens/client-token.ts";
import { claimPorts } from "../cluster/ports.ts";

/** The flag set that clients ask for; another one is the default, so that a client that forgets its selector is found out. */
export const FLAG_SET = "shop";
export const SELECTOR = `flagSetId=${FLAG_SET}`;

export interface ClientLab {
  readonly store: FlagStore;
  readonly delivery: DeliveryCounts;
  readonly ports: { readonly ofrep: number; readonly evaluation: number; readonly sync: number };
  /** For browsers. */
  readonly token: string;
  /** Serves a FeatureFlag, compiled as the flag server compiles it. */
  put(key: string, spec: FeatureFlagSpec): void;
  /** What the server itself would answer. */
  variantOf(key: string, context: object): string | undefined;
  /** Goes as a server goes that is told to, and comes back on the same ports with the same flags. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A flag server without a cluster behind it. */
export async function startClientLab(): Promise<ClientLab> {
  const [ofrep = 0, evaluation = 0, sync = 0] = await claimPorts(3);
  const store = new FlagStore();
  const delivery = new DeliveryCounts(store, systemClock);
  const key = randomBytes(48);
  const authorizer = new Authorizer({
    keySet: { known: undefined, refreshForUnknown: async () => undefined },
    clientKeys: { get: () => [key] },
    audience: "zenith-flags",
    anonymous: "server",
    defaultFlagSet: "default",
    isServerAway: () => false,
    clock: systemClock,
  });
  const start = (): Promise<Serving> =>
    startServing({
      store,
      delivery,
      authorize: authorizer.authorize,
      clientKeys: () => [key],
      isOpen: false,
      defaultFlagSet: "default",
      origins: ["*"],
      mostStreams: 1_000,
      addresses: { ofrep: `127.0.0.1:${ofrep}`, evaluation: `127.0.0.1:${evaluation}`, sync: `127.0.0.1:${sync}` },
      clock: systemClock,
      log: pino({ level: "warn" }),
    });
  let serving = await start();
  const stop = async (): Promise<void> => {
    await serving.drain(0);
    await serving.close();
  };
  return {
    store,
    delivery,
    ports: { ofrep, evaluation, sync },
    token: await signClientToken(key, FLAG_SET, Date.now(), 3_600_000),
    put: (name, spec) => store.put(compiledOf(name, spec)),
    variantOf: (name, context) => {
      const answer = store.find(FLAG_SET, name)?.evaluate(context as never);
      return answer?.kind === "value" ? answer.variant : undefined;
    },
    restart: async () => {
      await stop();
      serving = await start();
    },
    stop,
  };
}

function compiledOf(name: string, spec: FeatureFlagSpec) {
  const metadata = { name, namespace: FLAG_SET };
  const compiled = compileFlag({
    flag: { apiVersion: "zenith.sh/v1alpha1", kind: "FeatureFlag", metadata, spec },
    segments: new Map(),
    others: new Map(),
    kills: [],
    nowMs: Date.now(),
  });
  if (compiled.kind !== "compiled") throw new Error(`${compiled.message} in ${stringify(spec)}`);
  return compiled;
}

/** Flags whose answers differ from user to user, in each way that we have. */
export const SPLITS: Readonly<Record<string, FeatureFlagSpec>> = {
  half: {
    visibility: "client",
    strategy: {
      percentage: {
        weights: [
          { variant: "on", weight: "50%" },
          { variant: "off", weight: "50%" },
        ],
      },
    },
  },
  few: {
    visibility: "client",
    strategy: {
      percentage: {
        weights: [
          { variant: "on", weight: "0.5%" },
          { variant: "off", weight: "99.5%" },
        ],
      },
    },
  },
  colours: {
    visibility: "client",
    variants: { string: { red: "#f00", green: "#0f0", blue: "#00f", grey: "#888" } },
    defaultVariant: "grey",
    strategy: {
      percentage: {
        weights: [
          { variant: "red", weight: "12.345%" },
          { variant: "green", weight: "20%" },
          { variant: "blue", weight: "7.655%" },
          { variant: "grey", weight: "60%" },
        ],
      },
    },
  },
  // Halves: to Python's OFREP provider a whole number in JSON is no float.
  ruled: {
    visibility: "client",
    variants: { number: { none: 0.25, some: 0.5, all: 10.5 } },
    defaultVariant: "none",
    targets: [{ variant: "all", keys: ["user-7", "user-77"] }],
    rules: [
      {
        when: [
          { attribute: "appVersion", semver: ">=2.1.0" },
          { attribute: "plan", in: ["pro", "team"] },
        ],
        serve: "all",
      },
      { when: [{ attribute: "email", endsWith: "@example.com" }], serve: "some" },
    ],
    strategy: {
      percentage: {
        weights: [
          { variant: "some", weight: "33.333%" },
          { variant: "none", weight: "66.667%" },
        ],
      },
    },
  },
  ramp: {
    visibility: "client",
    strategy: {
      progressive: { variant: "on", start: "2020-01-01T00:00:00Z", end: "2120-01-01T00:00:00Z", mode: "stepped" },
    },
  },
};

/** Users of all kinds, with attributes that are there or not. Keys are ASCII: beyond it, JavaScript's evaluator hashes UTF-16
 * and those of other languages UTF-8, see docs/flag-server.md. */
function users(count: number): { readonly [attribute: string]: string }[] {
  const plans = ["free", "pro", "team"];
  return Array.from({ length: count }, (_, i) => ({
    targetingKey: i % 11 === 0 ? `guest+${i}@example.com` : `user-${i}`,
    plan: plans[i % 3] as string,
    appVersion: `${i % 4}.${i % 7}.0`,
    ...(i % 5 === 0 ? { email: `u${i}@example.com` } : {}),
  }));
}

/** Who is asked for what: ten thousand users for two splits, a thousand for the others. */
export const QUESTIONS = Object.keys(SPLITS).map((key) => ({
  key,
  asked: users(key === "half" || key === "colours" ? 10_000 : 1_000),
}));

export async function eventually(what: string, isThere: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await isThere())) {
    if (performance.now() > end) throw new Error(`Waited ${withinMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
