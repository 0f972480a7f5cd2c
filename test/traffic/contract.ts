import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BackendRef, Route, RouteRule } from "../../src/api/kubernetes.ts";
import { applyPatch, PatchError } from "../../src/core/forecast/json-patch.ts";
import type { RouteReading, RouteWish, TrafficRouter } from "../../src/core/routing.ts";

/** What every router of routes with weighted backends has to keep, whoever carries the route. */

export const BACKENDS = { service: "web", canaryService: "web-canary" };
export const NOTE = "zenith.sh/route";
const MAX_WEIGHT = 1_000_000;

/** A router and the kind of route that it is tried with. */
export interface Subject {
  readonly router: TrafficRouter;
  /** A route with these rules, as its author wrote it. */
  route(rules: readonly RouteRule[]): Route;
}

export const web: BackendRef = { name: "web", port: 80 };
export const canary: BackendRef = { name: "web-canary", port: 80 };
export const other: BackendRef = { name: "other", port: 80 };
export const share = (canaryBp: number): RouteWish => ({ kind: "paired", canaryBp });
export const REST: RouteWish = { kind: "rest" };

type Rule = RouteRule & { readonly matches?: unknown; readonly filters?: unknown };

/** A route in someone's hands: ours, its author's, a webhook's. */
export class Held {
  readonly #router: TrafficRouter;
  route: Route;

  constructor(router: TrafficRouter, route: Route) {
    this.#router = router;
    this.route = route;
  }

  /** Writes a wish as the API server would take it in. */
  wish(wish: RouteWish): this {
    this.route = applyPatch(this.route, this.#router.write(this.route, BACKENDS, wish));
    return this;
  }

  /** Someone else edits the rules. */
  edit(edit: (rules: Rule[]) => readonly RouteRule[]): this {
    const rules = edit(structuredClone([...(this.route.spec.rules ?? [])]));
    this.route = { ...this.route, spec: { ...this.route.spec, rules } };
    return this;
  }

  annotate(value: string | undefined): this {
    const { [NOTE]: _before, ...annotations } = this.route.metadata.annotations ?? {};
    const after = value === undefined ? annotations : { ...annotations, [NOTE]: value };
    this.route = { ...this.route, metadata: { ...this.route.metadata, annotations: after } };
    return this;
  }

  get reading(): RouteReading {
    return this.#router.read(this.route, BACKENDS);
  }

  get rules(): Rule[] {
    return structuredClone([...(this.route.spec.rules ?? [])]);
  }

  /** `web=60 web-canary=15 other=25` of each rule; a weight that is absent is left out. */
  get said(): string[] {
    return this.rules.map(({ backendRefs = [] }) =>
      backendRefs.map(({ name, weight }) => (weight === undefined ? name : `${name}=${weight}`)).join(" "),
    );
  }

  get note(): string | undefined {
    return this.route.metadata.annotations?.[NOTE];
  }
}

/** Declares the suite for one subject. */
export function describeContract(name: string, subject: Subject): void {
  const { router } = subject;
  const held = (...rules: RouteRule[]) => new Held(router, subject.route(rules));
  const rule = (...backendRefs: BackendRef[]): RouteRule => ({ backendRefs });

  describe(name, () => {
    describe("gives back what the author wrote", () => {
      const table: Record<string, readonly RouteRule[]> = {
        "one entry": [rule(web)],
        "a weight": [rule({ ...web, weight: 7 })],
        "weight 0": [rule({ ...web, weight: 0 }, { ...other, weight: 1 })],
        "siblings, some without weight": [rule(other, { ...web, weight: 3 }, { ...other, name: "old", weight: 0 })],
        "one name with two ports, one without weight": [rule(web, other, { ...other, port: 81, weight: 1 })],
        "several rules": [rule(other), rule(web), rule({ ...web, weight: 90 }, { ...other, weight: 10 })],
        "both Services listed": [rule({ ...web, weight: 100 }, { ...canary, weight: 0 })],
        "both listed, the canary first": [rule({ ...canary, weight: 0 }, web)],
        "its own namespace said": [rule({ ...web, namespace: "shop" })],
        "a rule without entries": [{}, rule(web)],
      };
      test.each(Object.entries(table))("%s", (_, rules) => {
        const author = subject.route(rules);
        const route = new Held(router, author);
        expect(route.reading).toEqual({ kind: "rest" });
        for (const bp of [0, 1234, 10_000, 1, 0]) {
          expect(route.wish(share(bp)).reading).toEqual(share(bp));
          expect(router.write(route.route, BACKENDS, share(bp)), "twice is once").toEqual([]);
        }
        route.wish(REST);
        expect(route.reading).toEqual({ kind: "rest" });
        expect(route.rules).toEqual(rules);
        expect({ ...route.route.metadata, annotations: {} }).toEqual({ ...author.metadata, annotations: {} });
        expect(route.route.metadata.annotations ?? {}).toEqual(author.metadata.annotations ?? {});
        expect(router.write(route.route, BACKENDS, REST)).toEqual([]);
      });

      test("and leaves other annotations alone", () => {
        const route = held(rule(web));
        route.route = { ...route.route, metadata: { ...route.route.metadata, annotations: { team: "shop" } } };
        expect(route.wish(share(500)).wish(REST).route.metadata.annotations).toEqual({ team: "shop" });
      });
    });

    test("the pair stands side by side, with the port and filters of its entry, and siblings keep their ratio", () => {
      const filters = [{ type: "RequestHeaderModifier" }];
      const entry = { ...web, weight: 3, filters } as BackendRef;
      const route = held(rule(entry, other)).wish(share(2000));
      expect(route.said).toEqual(["web=12 web-canary=3 other=5"]);
      expect(route.rules[0]?.backendRefs?.[1]).toEqual({ ...entry, name: "web-canary", weight: 3 });
    });

    test("where the author lists both Services, only weights are written", () => {
      const route = held(rule({ ...canary, weight: 0 }, other, { ...web, weight: 10 })).wish(share(3000));
      expect(route.said).toEqual(["web-canary=3 other=1 web=7"]);
    });

    test("says every share in every rule: read(write(wish)) = wish", () => {
      const weight = fc.option(
        fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 1e6 })),
        { nil: undefined },
      );
      const entry = (ref: BackendRef) => weight.map((w) => (w === undefined ? ref : { ...ref, weight: w }));
      const siblings = fc
        .array(fc.constantFrom("a", "b", "c"), { maxLength: 3 })
        .chain((names) => fc.tuple(...names.map((n, i) => entry({ name: n, port: 80 + i }))));
      const rules = fc.array(
        fc
          .record({ own: entry(web), before: siblings, after: siblings, listed: fc.boolean() })
          .map(({ own, before, after, listed }) =>
            rule(...before, own, ...after, ...(listed ? [{ ...canary, weight: 0 }] : [])),
          ),
        { minLength: 1, maxLength: 3 },
      );
      fc.assert(
        fc.property(rules, fc.array(fc.nat(10_000), { minLength: 1, maxLength: 4 }), (given, wishes) => {
          const route = held(...given);
          for (const bp of wishes) {
            route.wish(share(bp));
            expect(route.reading).toEqual(share(bp));
            for (const [i, { backendRefs = [] }] of route.rules.entries()) expectFair(given[i], backendRefs, bp);
          }
          expect(route.wish(share(0)).wish(REST).rules).toEqual(given);
        }),
      );
    });

    describe("refuses", () => {
      const sixteen = Array.from({ length: 15 }, (_, i) => ({ name: `s${i}` }));
      const table: Record<string, [rules: readonly RouteRule[], reason: string, words: string]> = {
        "a rule without room": [[rule(web, ...sixteen)], "RouteFull", "rule 0"],
        "a canary with weight at rest": [
          [rule(other), rule({ ...web, weight: 9 }, { ...canary, weight: 1 })],
          "RouteGivesCanaryTraffic",
          "rule 1",
        ],
        "a canary without weight, which is 1": [[rule(web, canary)], "RouteGivesCanaryTraffic", "weight 1 at rest"],
        "a Service named twice": [[rule(web, { ...web, port: 81 })], "RouteRepeatsBackend", `"web" twice`],
        "a canary named twice": [
          [rule(web, { ...canary, weight: 0 }, { ...canary, port: 81, weight: 0 })],
          "RouteRepeatsBackend",
          `"web-canary" twice`,
        ],
        "a route that leads elsewhere": [[rule(other)], "RouteHasNoSuchBackend", `"web"`],
        "a Service of that name in another namespace": [
          [rule({ ...web, namespace: "elsewhere" })],
          "RouteHasNoSuchBackend",
          `"web"`,
        ],
        "another kind of that name": [[rule({ ...web, kind: "Bucket", group: "x" })], "RouteHasNoSuchBackend", `"web"`],
      };
      test.each(Object.entries(table))("%s", (_, [rules, reason, words]) => {
        const route = held(...rules);
        expect(route.reading).toMatchObject({ kind: "unusable", reason });
        expect("message" in route.reading && route.reading.message).toContain(words);
        expect(router.write(route.route, BACKENDS, share(0))).toEqual([]);
      });

      test("but not sixteen entries of which one is the canary", () => {
        const route = held(rule(web, { ...canary, weight: 0 }, ...sixteen.slice(1)));
        expect(route.wish(share(500)).reading).toEqual(share(500));
      });
    });

    describe("in mid-release", () => {
      const first: Rule = { name: "first", backendRefs: [{ ...web, weight: 3 }, other], ...matching("/a") };
      const second: Rule = { backendRefs: [web], ...matching("/b") };
      const third: Rule = {
        backendRefs: [
          { ...web, weight: 4 },
          { ...canary, weight: 0 },
        ],
        ...matching("/c"),
      };
      const midway = () => held(first, second, third).wish(share(0)).wish(share(2000));
      const added: Rule = { backendRefs: [{ ...web, weight: 2 }], ...matching("/new") };

      test("rules differ by more than their position", () => {
        expect(midway().said).toEqual(["web=12 web-canary=3 other=5", "web=4 web-canary=1", "web=16 web-canary=4"]);
      });

      const edits: Record<string, [edit: (rules: Rule[]) => readonly Rule[], left: readonly Rule[]]> = {
        "reorders rules": [([a, b, c]) => [c, b, a] as Rule[], [third, second, first]],
        "adds a rule at the head": [(rules) => [added, ...rules], [added, first, second, third]],
        "adds a rule at the end": [(rules) => [...rules, added], [first, second, third, added]],
        "takes the first rule away": [([, ...rules]) => rules, [second, third]],
        "changes matches": [
          ([a, ...rules]) => [{ ...a, ...matching("/z") }, ...rules] as Rule[],
          [{ ...first, ...matching("/z") }, second, third],
        ],
        "changes filters and reorders": [
          ([a, b, c]) => [c, { ...b, filters: [{ type: "x" }] }, a] as Rule[],
          [third, { ...second, filters: [{ type: "x" }] }, first],
        ],
        "names rules": [
          (rules) => rules.map((r, i) => ({ ...r, name: `n${i}` })),
          [first, second, third].map((r, i) => ({ ...r, name: `n${i}` })),
        ],
        "moves a named rule and changes what it matches": [
          ([a, b, c]) => [b, c, { ...a, ...matching("/z") }] as Rule[],
          [second, third, { ...first, ...matching("/z") }],
        ],
        "adds a listed rule at 0 at the head": [
          (rules) => [{ ...third, ...matching("/d") }, ...rules],
          [{ ...third, ...matching("/d") }, first, second, third],
        ],
        "applies one rule anew": [([, ...rules]) => [first, ...rules], [first, second, third]],
        "applies the listed rule anew": [([a, b]) => [a, b, third] as Rule[], [first, second, third]],
        "applies the whole route anew": [() => [first, second, third], [first, second, third]],
        "applies the whole route anew with a rule more": [
          () => [added, first, second, third],
          [added, first, second, third],
        ],
        "doubles a sibling": [
          ([a, ...rules]) => [weigh(a, "other", 10), ...rules] as Rule[],
          [
            {
              ...first,
              backendRefs: [
                { ...web, weight: 3 },
                { ...other, weight: 2 },
              ],
            },
            second,
            third,
          ],
        ],
        "sets the canary's weight by hand": [
          ([a, b, c]) => [weigh(a, "web-canary", 0), weigh(b, "web-canary", 9), c] as Rule[],
          [first, second, third],
        ],
        "moves entries about": [
          ([a, ...rules]) => [{ ...a, backendRefs: [...(a?.backendRefs ?? [])].reverse() }, ...rules],
          [{ ...first, backendRefs: [other, { ...web, weight: 3 }] }, second, third],
        ],
      };
      test.each(Object.entries(edits))("the author or a webhook %s: nothing is lost", (_, [edit, left]) => {
        const route = midway().edit(edit);
        expect(route.wish(share(2000)).reading, "a pair at once").toEqual(share(2000));
        for (const [i, { backendRefs = [] }] of route.rules.entries()) expectFair(left[i], backendRefs, 2000);
        expect(route.wish(share(0)).reading).toEqual(share(0));
        expect(route.wish(REST).rules).toEqual(left);
        expect(route.note).toBeUndefined();
      });

      test("rules that say a pair alike keep their own notes when they move", () => {
        const author: Rule[] = [
          { backendRefs: [web, { ...other, weight: 1 }], ...matching("/a") },
          { backendRefs: [{ ...web, weight: 1 }, other], ...matching("/b") },
        ];
        const route = held(...author)
          .wish(share(2000))
          .edit((rules) => rules.reverse());
        expect(route.wish(share(0)).wish(REST).rules).toEqual(author.reverse());
      });

      test("the listed rule is applied anew with another weight", () => {
        const anew: Rule = {
          ...third,
          backendRefs: [
            { ...web, weight: 6 },
            { ...canary, weight: 0 },
          ],
        };
        const route = midway().edit(([a, b]) => [a, b, anew] as Rule[]);
        expect(route.reading).toMatchObject({ kind: "mixed", canaryBp: 2000 });
        expect(route.wish(share(5000)).said.at(-1)).toBe("web=3 web-canary=3");
        expect(route.wish(REST).rules).toEqual([first, second, anew]);
      });

      test("a sibling gets a weight that no longer divides: ratios stay", () => {
        const route = midway().edit(([a, ...rules]) => [weigh(a, "other", 7), ...rules] as Rule[]);
        expect(route.wish(share(4000)).said[0]).toBe("web=9 web-canary=6 other=7");
        expect(route.wish(REST).said[0]).toBe("web=15 other=7");
      });

      test("a new sibling without weight stays so, and keeps the share that it was added with", () => {
        const route = held(rule(web)).wish(share(2000));
        route.edit(([a]) => [{ ...a, backendRefs: [...(a?.backendRefs ?? []), other] }]);
        expect(route.wish(share(5000)).said).toEqual(["web=5 web-canary=5 other=2"]);
        expect(route.wish(REST).said).toEqual(["web=5 other"]);
      });

      test("the entry gets other filters: its twin follows", () => {
        const route = held(rule(web)).wish(share(2000));
        const filters = [{ type: "x" }];
        route.edit(([a]) => [
          {
            ...a,
            backendRefs: (a?.backendRefs ?? []).map((ref) =>
              ref.name === "web" ? ({ ...ref, filters } as BackendRef) : ref,
            ),
          },
        ]);
        expect(route.wish(share(2000)).rules[0]?.backendRefs).toEqual([
          { ...web, weight: 4, filters },
          { ...canary, weight: 1, filters },
        ]);
      });

      test("the author gives a new rule's canary weight: the share is ours to say", () => {
        const route = midway().edit((rules) => [...rules, rule({ ...web, weight: 5 }, { ...canary, weight: 5 })]);
        expect(route.reading).toMatchObject({ kind: "mixed", canaryBp: 5000 });
        expect(route.wish(share(0)).reading).toEqual(share(0));
        expect(route.wish(REST).said.at(-1)).toBe("web=10 web-canary=0");
      });

      test("rules that disagree are mixed, with the largest share", () => {
        const route = midway().edit(
          ([a, ...rules]) => [weigh(weigh(a, "web-canary", 9), "web", 6), ...rules] as Rule[],
        );
        expect(route.reading).toMatchObject({ kind: "mixed", canaryBp: 6000 });
        expect("message" in route.reading && route.reading.message).toContain(`"shop/web"`);
      });

      test("the route is emptied of the Service: refused, and what is left of ours goes when it is back", () => {
        const route = midway().edit(() => [rule(other)]);
        expect(route.reading).toMatchObject({ kind: "unusable", reason: "RouteHasNoSuchBackend" });
        expect(route.edit(() => [rule(web)]).reading).toEqual({ kind: "rest" });
        expect(route.wish(REST).note).toBeUndefined();
      });
    });

    describe("an annotation of another's making", () => {
      const notes = ["", "{", "null", "7", `"x"`, "[null]", "[{}]", "{}", "[[]]"];
      test.each(notes)(
        "%j in mid-release: the weight can still be taken back, and siblings keep their ratio",
        (text) => {
          const route = held(rule({ ...web, weight: 3 }, other))
            .wish(share(2000))
            .annotate(text);
          expect(route.reading).toEqual(share(2000));
          expect(route.wish(share(0)).said).toEqual(["web=15 web-canary=0 other=5"]);
          expect(route.reading).toEqual(share(0));
          route.wish(REST);
          expect([route.reading, route.note]).toEqual([{ kind: "rest" }, undefined]);
        },
      );

      test.each(notes)("%j at rest: nothing but the annotation goes", (text) => {
        const route = held(rule({ ...web, weight: 3 }, other)).annotate(text);
        expect(route.reading).toEqual({ kind: "rest" });
        expect(route.wish(REST).said).toEqual(["web=3 other"]);
        expect(route.note).toBeUndefined();
      });

      test("forged: whatever it says, weights stay whole and in bounds, and the Service keeps its traffic", () => {
        const anything = fc.record(
          {
            rule: fc.oneof(fc.nat(3), fc.constantFrom(-1, 0.5, "0", null)),
            name: fc.constantFrom("first", "x"),
            like: fc.constantFrom("", "x"),
            factor: fc.oneof(fc.integer({ min: -5, max: 30 }), fc.constantFrom(0, 1e9, 0.1, null, "5")),
            pair: fc.oneof(fc.integer({ min: -5, max: 30 }), fc.constantFrom(0, 1e6, 1e12, null)),
            canaryBp: fc.oneof(fc.nat(10_000), fc.constantFrom(-1, 1e9)),
            absent: fc.constantFrom([], ["web:80", "other:80"], [7], "web"),
            listed: fc.constantFrom(true, false, "yes"),
          },
          { requiredKeys: [] },
        );
        fc.assert(
          fc.property(fc.array(anything, { maxLength: 3 }), fc.nat(10_000), fc.boolean(), (forged, bp, before) => {
            const route = held({ ...rule({ ...web, weight: 3 }, other), name: "first" }, rule(web));
            if (before) route.wish(share(2000));
            route.annotate(JSON.stringify(forged));
            for (const wish of [share(bp), share(0), REST]) {
              route.wish(wish);
              expect(route.reading).toEqual(wish);
              for (const { backendRefs = [] } of route.rules) expectWhole(backendRefs);
            }
            for (const { backendRefs = [] } of route.rules)
              expect(backendRefs.find((r) => r.name === "web")?.weight).not.toBe(0);
            expect(route.note).toBeUndefined();
          }),
        );
      });
    });

    describe("patches", () => {
      const given = () =>
        held({ backendRefs: [web, other], ...matching("/a") }, { backendRefs: [web, other], ...matching("/b") });
      const changes: Record<string, (rules: Rule[]) => readonly Rule[]> = {
        "rules that changed places": ([a, b]) => [b, a] as Rule[],
        "a rule that was taken away": ([, b]) => [b] as Rule[],
        "an entry that was added": ([a, b]) =>
          [{ ...a, backendRefs: [...(a?.backendRefs ?? []), { name: "new" }] }, b] as Rule[],
        "an entry that was renamed": ([a, b]) => [{ ...a, backendRefs: [web, { ...other, name: "new" }] }, b] as Rule[],
        "a weight that was set": ([a, b]) => [weigh(a, "other", 5), b] as Rule[],
        "a filter that was added": ([a, b]) => [{ ...a, filters: [{ type: "x" }] }, b] as Rule[],
      };
      test.each(Object.entries(changes))("fail on %s underneath", (_, change) => {
        const route = given();
        const operations = router.write(route.route, BACKENDS, share(2000));
        expect(operations[0]?.op).toBe("test");
        expect(() => applyPatch(route.edit(change).route, operations)).toThrow(PatchError);
      });

      test("replace nothing but lists of backendRefs", () => {
        const operations = given().wish(share(1000)).wish(share(2000)).route;
        const paths = router
          .write(operations, BACKENDS, share(3000))
          .filter(({ op }) => op !== "test")
          .map(({ path }) => path);
        expect(paths).toEqual([
          "/spec/rules/0/backendRefs",
          "/spec/rules/1/backendRefs",
          "/metadata/annotations/zenith.sh~1route",
        ]);
      });
    });
  });
}

function matching(path: string) {
  return { matches: [{ path: { type: "PathPrefix", value: path } }] };
}

function weigh(rule: Rule | undefined, name: string, weight: number): Rule {
  return {
    ...rule,
    backendRefs: (rule?.backendRefs ?? []).map((ref) => (ref.name === name ? { ...ref, weight } : ref)),
  };
}

function expectWhole(refs: readonly BackendRef[]): void {
  for (const { weight = 1 } of refs) {
    expect(Number.isInteger(weight)).toBe(true);
    expect(weight).toBeGreaterThanOrEqual(0);
    expect(weight).toBeLessThanOrEqual(MAX_WEIGHT);
  }
}

/** The pair has together what the entry had; the canary at most what was asked for, and less by no more than a unit. */
function expectFair(authored: RouteRule | undefined, refs: readonly BackendRef[], canaryBp: number): void {
  expectWhole(refs);
  const weight = (of: readonly BackendRef[], name: string) => of.find((ref) => ref.name === name)?.weight ?? 1;
  const others = (of: readonly BackendRef[]) => of.filter(({ name }) => name !== web.name && name !== canary.name);
  const before = authored?.backendRefs ?? [];
  const [stable, theirs] = [weight(refs, web.name), weight(refs, canary.name)];
  const pair = stable + theirs;
  const own = weight(before, web.name);
  const scaled = others(refs).map((ref) => (ref.weight ?? 1) * own);
  expect(scaled, "siblings keep their ratio").toEqual(others(before).map((ref) => (ref.weight ?? 1) * pair));
  const exact = (pair * canaryBp) / 10_000;
  expect(theirs).toBeLessThanOrEqual(exact);
  expect(exact - theirs).toBeLessThan(1);
}
