import type { EndpointSlice, ReplicaSet, Route } from "../../../src/api/kubernetes.ts";
import type { PodCounter, Reading, SideCounters } from "../../../src/core/analysis/model.ts";
import { LABEL_REVISION } from "../../../src/core/rollout/names.ts";
import { type Manners, podsOf, tagOf } from "./actors.ts";
import type { Objects } from "./objects.ts";

const SCRAPE_MS = 15_000;
const SCRAPES = 8;

interface Counter {
  total: number;
  bad: number;
  readonly scrapes: [atMs: number, total: number, bad: number][];
}

/** Requests on their way through route and Services to pods, and what Prometheus would have scraped of them. */
export class Requests {
  /** Image tags of which a share of the requests fails. */
  badShare = 0.5;
  readonly bad = new Set<string>();
  perSecond = 400;
  readonly #counters = new Map<string, Counter>();
  /** Of pods that are no more, by name and when they went: Prometheus still tells what was scraped of them. */
  readonly #gone = new Map<string, Counter>();
  #scrapedMs = Number.NEGATIVE_INFINITY;

  /** Lets time pass: every pod gets its share of the requests. */
  pass(fromMs: number, ms: number, objects: Objects): void {
    const shares = podShares(objects);
    const tags = tagsByPod(objects);
    for (const [pod, share] of shares) {
      const counter = this.#counter(pod);
      const requests = (this.perSecond * share * ms) / 1000;
      counter.total += requests;
      if (this.bad.has(tags(pod))) counter.bad += requests * this.badShare;
    }
    if (fromMs + ms - this.#scrapedMs < SCRAPE_MS * 0.9) return;
    this.#scrapedMs = fromMs + ms;
    for (const { scrapes, total, bad } of this.#counters.values()) {
      scrapes.push([this.#scrapedMs, Math.floor(total), Math.floor(bad)]);
      if (scrapes.length > SCRAPES) scrapes.shift();
    }
    for (const [pod, { scrapes }] of this.#gone)
      if ((scrapes.at(-1)?.[0] ?? 0) < this.#scrapedMs - SCRAPES * SCRAPE_MS) this.#gone.delete(pod);
  }

  /** Pods are scraped from when they are ready, with or without requests. */
  scrapePods(objects: Objects, manners: Manners): void {
    const names = new Set(podsOf(objects, manners).map(({ name }) => name));
    for (const name of names) this.#counter(name);
    for (const [name, counter] of this.#counters) {
      if (names.has(name)) continue;
      this.#counters.delete(name);
      this.#gone.set(`${name}~${this.#scrapedMs}`, counter);
    }
  }

  shares(objects: Objects): Record<string, number> {
    const tags = tagsByPod(objects);
    const shares: Record<string, number> = {};
    for (const [pod, share] of podShares(objects)) shares[tags(pod)] = (shares[tags(pod)] ?? 0) + share;
    return Object.fromEntries(Object.entries(shares).map(([tag, share]) => [tag, Number(share.toFixed(4))]));
  }

  read(metric: string, objects: Objects, canary: string, stable: string | undefined): Reading {
    const side = (hash: string | undefined): SideCounters => {
      const set = objects.list<ReplicaSet>("ReplicaSet").find((s) => s.metadata.labels?.[LABEL_REVISION] === hash);
      const pods = [...this.#counters, ...this.#gone].filter(
        ([pod]) => set !== undefined && pod.startsWith(`${set.metadata.name}-`),
      );
      const column = (of: (scrape: Counter["scrapes"][number]) => number) =>
        pods.map(([pod, { scrapes }]): PodCounter => ({ pod, samples: scrapes.map((s) => [s[0], of(s)] as const) }));
      return { total: column((s) => s[1]), bad: column((s) => (metric === "error-rate" ? s[2] : 0)) };
    };
    return { kind: "counters", metric, canary: side(canary), stable: side(stable === canary ? undefined : stable) };
  }

  /** What a query for the share of the canary's failed requests gives, between the last two scrapes. */
  failing(metric: string, objects: Objects, canary: string, nowMs: number): Reading {
    const set = objects.list<ReplicaSet>("ReplicaSet").find((s) => s.metadata.labels?.[LABEL_REVISION] === canary);
    const pods = [...this.#counters].filter(([pod]) => set !== undefined && pod.startsWith(`${set.metadata.name}-`));
    const sum = (column: 1 | 2) =>
      pods.reduce((all, [, { scrapes }]) => all + (scrapes.at(-1)?.[column] ?? 0) - (scrapes.at(-2)?.[column] ?? 0), 0);
    if (sum(1) === 0) return { kind: "noData", metric, message: "no requests" };
    return { kind: "value", metric, atMs: nowMs, value: sum(2) / sum(1) };
  }

  #counter(pod: string): Counter {
    const known = this.#counters.get(pod);
    if (known !== undefined) return known;
    const counter: Counter = { total: 0, bad: 0, scrapes: [] };
    this.#counters.set(pod, counter);
    return counter;
  }
}

function tagsByPod(objects: Objects): (pod: string) => string {
  const sets = objects.list<ReplicaSet>("ReplicaSet");
  return (pod) => {
    if (pod === "nowhere") return pod;
    const set = sets.find(({ metadata }) => pod.startsWith(`${metadata.name}-`));
    return set === undefined ? "deployment" : tagOf(set.spec.template);
  };
}

/** The route divides among Services, each Service among its pods. Requests to a Service without pods are lost. */
function podShares(objects: Objects): Map<string, number> {
  const refs = objects.get<Route>("HTTPRoute", "web")?.spec.rules?.[0]?.backendRefs ?? [{ name: "web" }];
  const total = refs.reduce((sum, { weight }) => sum + (weight ?? 1), 0);
  const shares = new Map<string, number>();
  for (const { name, weight = 1 } of refs) {
    if (weight === 0) continue;
    const endpoints = objects.get<EndpointSlice>("EndpointSlice", name)?.endpoints ?? [];
    const pods = endpoints.length === 0 ? ["nowhere"] : endpoints.map(({ targetRef }) => targetRef?.name ?? "nowhere");
    for (const pod of pods) shares.set(pod, (shares.get(pod) ?? 0) + weight / total / pods.length);
  }
  return shares;
}
