import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canarySizeWithRoutes, nextSizes, resolveSurge, splitReplicas } from "../../src/core/replicas.ts";

describe("splitReplicas()", () => {
  // replicas, weight in percent, maxSurge → canary/stable: what users of Argo Rollouts are used to.
  const table = `
    10 1 0 1/9, 10 15 0 2/8, 10 14 0 1/9, 10 99 0 9/1, 10 1 1 1/10, 10 24 1 3/8, 3 50 0 2/1, 3 50 1 2/2, 3 10 1 1/3,
    2 99 1 2/1, 1 1 1 1/1, 1 49 0 0/1, 1 50 0 1/0, 0 30 0 0/0, 0 30 1 0/0, 10 0 0 0/10, 10 100 0 10/0, 10 100 1 10/0, 10 25 0 3/7`;
  const rows = table.split(",").map((row) => row.trim().split(" "));
  test.each(rows)("%s replicas, weight %s, surge %s: %s", (replicas, weight, surge, expected) => {
    const { canary, stable } = splitReplicas(Number(replicas), Number(weight) * 100, Number(surge));
    expect(`${canary}/${stable}`).toBe(expected);
  });

  test("sums to the total, one more at most with surge, and leaves no side empty that should serve", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(10_000), fc.nat(3), (replicas, bp, surge) => {
        const { stable, canary } = splitReplicas(replicas, bp, surge);
        expect(stable).toBeGreaterThanOrEqual(0);
        expect(canary).toBeGreaterThanOrEqual(0);
        expect([replicas, surge > 0 ? replicas + 1 : replicas]).toContain(stable + canary);
        if (replicas >= 2 && bp > 0 && bp < 10_000) expect(Math.min(stable, canary)).toBeGreaterThanOrEqual(1);
        if (bp === 0) expect(canary).toBe(0);
        if (bp === 10_000) expect(stable).toBe(0);
      }),
    );
  });
});

describe("nextSizes()", () => {
  // replicas, weight, maxSurge, maxUnavailable; stable and canary as size/available → stable, canary
  const table = `
    10 30 2 0 10/10 0/0 10,2
    10 20 0 2 10/10 0/0 8,0
    10 50 2 1 10/10 0/0 9,2
    10 100 3 0 7/8 6/3 7,6
    10 30 0 3 8/5 4/4 7,3
    10 100 1 0 10/2 9/8 2,9
    10 5 0 1 9/9 0/0 9,1
    3 99 0 2 3/3 0/0 1,0`;
  const rows = table
    .trim()
    .split("\n")
    .map((row) => row.trim().split(" "));
  const side = (text = "") => {
    const [size = 0, available = 0] = text.split("/").map(Number);
    return { size, available };
  };
  test.each(rows)("%s replicas, weight %s, surge %s, unavailable %s, stable %s, canary %s: %s", (...row) => {
    const [replicas, weight, surge, unavailable, stable, canary, expected] = row;
    const next = nextSizes({
      replicas: Number(replicas),
      canaryBp: Number(weight) * 100,
      maxSurge: Number(surge),
      maxUnavailable: Number(unavailable),
      stable: side(stable),
      canary: side(canary),
      others: 0,
    });
    expect(`${next.stable},${next.canary}`).toBe(expected);
  });

  test("revisions without a part go first: nothing else shrinks beside them", () => {
    const given = { replicas: 10, canaryBp: 2000, maxSurge: 0, maxUnavailable: 5 };
    expect(nextSizes({ ...given, stable: side("10/10"), canary: side("0/0"), others: 1 })).toEqual({
      stable: 10,
      canary: 0,
    });
  });

  test("arrives at the split, within surge and availability all the way", () => {
    const pods = fc.record({
      replicas: fc.integer({ min: 1, max: 60 }),
      canaryBp: fc.nat(10_000),
      maxSurge: fc.nat(5),
      maxUnavailable: fc.nat(5),
      startBp: fc.nat(10_000),
    });
    fc.assert(
      fc.property(pods, ({ replicas, canaryBp, maxSurge, maxUnavailable, startBp }) => {
        const bounds = resolveSurge(replicas, maxSurge, maxUnavailable);
        let now = splitReplicas(replicas, startBp, bounds.maxSurge);
        for (let i = 0; i < 500; i++) {
          const ready = (n: number) => ({ size: n, available: n });
          const next = nextSizes({
            replicas,
            canaryBp,
            ...bounds,
            stable: ready(now.stable),
            canary: ready(now.canary),
            others: 0,
          });
          // What grows is not available yet, what shrinks is gone at once: the worst moment of this move.
          const worst = Math.min(now.stable, next.stable) + Math.min(now.canary, next.canary);
          expect(worst).toBeGreaterThanOrEqual(Math.min(now.stable + now.canary, replicas - bounds.maxUnavailable));
          expect(next.stable + next.canary).toBeLessThanOrEqual(
            Math.max(replicas + bounds.maxSurge, now.stable + now.canary),
          );
          if (next.stable === now.stable && next.canary === now.canary) break;
          now = next;
        }
        expect(now).toEqual(splitReplicas(replicas, canaryBp, bounds.maxSurge));
      }),
    );
  });
});

describe("resolveSurge()", () => {
  const table = [
    { given: [10, "25%", "25%"], expect: [3, 2] },
    { given: [1, "25%", "25%"], expect: [1, 0] },
    { given: [10, 0, 0], expect: [0, 1] },
    { given: [10, "0%", "5%"], expect: [0, 1] },
    { given: [10, 4, "100%"], expect: [4, 10] },
  ] as const;
  test.each(table)("$given", ({ given: [replicas, surge, unavailable], expect: [pods, missing] }) => {
    expect(resolveSurge(replicas, surge, unavailable)).toEqual({ maxSurge: pods, maxUnavailable: missing });
  });
});

test("canarySizeWithRoutes() rounds up and never exceeds the total", () => {
  expect([0, 1, 500, 5000, 9999, 10_000].map((bp) => canarySizeWithRoutes(10, bp))).toEqual([0, 1, 1, 5, 10, 10]);
});
