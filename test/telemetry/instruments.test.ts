import * as prom from "prom-client";
import { describe, expect, test } from "vitest";
import { Counter, Gauge, Histogram } from "../../src/telemetry/instruments.ts";

/** One text for both: what prom-client's own instruments would answer to a scrape. */
describe("instruments are scraped as those of prom-client are", () => {
  const labelled = { help: "What it is.", labelNames: ["method", "code"] as const };
  const buckets = [0.001, 0.25, 1, 10];
  const SERIES = [
    { method: "GET", code: "200" },
    { method: "GET", code: "404" },
    { method: "200", code: "GET" },
    { method: "", code: 'a "quoted\\\n one' },
  ];

  test("counters", async () => {
    const { ours, theirs, both } = aPair(
      (lib, registers) => new lib.Counter({ ...labelled, name: "c_total", registers }),
    );
    for (const labels of SERIES) for (const it of both) it.inc(labels);
    for (const it of both) it.inc({ code: "404", method: "GET" }, 41);
    expect(await ours.metrics()).toBe(await theirs.metrics());
    expect(await ours.metrics()).toContain('c_total{method="GET",code="404"} 42');
  });

  test("gauges", async () => {
    const { ours, theirs, both } = aPair((lib, registers) => new lib.Gauge({ ...labelled, name: "g", registers }));
    for (const labels of SERIES) for (const it of both) it.inc(labels);
    for (const it of both) {
      it.dec({ method: "GET", code: "200" });
      it.set({ method: "PUT", code: "200" }, -1.5);
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
    expect(await ours.metrics()).toContain('g{method="PUT",code="200"} -1.5');
  });

  test("histograms, at and beyond the limits of their buckets", async () => {
    const { ours, theirs, both } = aPair(
      (lib, registers) => new lib.Histogram({ ...labelled, name: "h_seconds", buckets, registers }),
    );
    for (const labels of SERIES)
      for (const value of [0, 0.001, 0.0011, 0.25, 3, 10, 10.1, 1e6]) for (const it of both) it.observe(labels, value);
    expect(await ours.metrics()).toBe(await theirs.metrics());
    expect(await ours.metrics()).toContain('h_seconds_bucket{le="+Inf",method="GET",code="200"} 8');
  });

  test("the JSON of a registry has them too", async () => {
    const { ours, theirs, both } = aPair(
      (lib, registers) => new lib.Counter({ ...labelled, name: "c_total", registers }),
    );
    for (const it of both) it.inc({ method: "GET", code: "200" });
    expect(await ours.getMetricsAsJSON()).toEqual(await theirs.getMetricsAsJSON());
  });
});

const OURS = { Counter, Gauge, Histogram } as unknown as Pick<typeof prom, "Counter" | "Gauge" | "Histogram">;

/** The same instrument twice, each in a registry of its own. */
function aPair<Instrument>(make: (lib: typeof OURS, registers: prom.Registry[]) => Instrument) {
  const [ours, theirs] = [new prom.Registry(), new prom.Registry()];
  return { ours, theirs, both: [make(OURS, [ours]), make(prom, [theirs])] };
}
