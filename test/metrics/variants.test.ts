import { describe, expect, test } from "vitest";
import type { MetricSpec } from "../../src/core/analysis/model.ts";
import type { Answer } from "../../src/metrics/answer.ts";
import { measure } from "../../src/metrics/measure.ts";
import type { SourceQueries } from "../../src/metrics/queries.ts";
import { type FlagSubject, renderQuery } from "../../src/metrics/template.ts";
import { type FlagSeries, flagQueriesOf } from "../../src/metrics/variants.ts";

const AT = 1_700_000_000_000;
const flag: FlagSubject = {
  kind: "flag",
  namespace: "shop",
  key: "new-checkout",
  treated: "on",
  control: "off",
  weightBp: 2500,
};

function queries(series: Partial<FlagSeries> = {}, subject = flag): SourceQueries {
  const found = flagQueriesOf({ source: "http", compare: "variants", ...series }, subject);
  if (found.kind !== "queries") throw new Error(found.message);
  return found;
}

describe("flagQueriesOf()", () => {
  test("tells the treated from the control by the variant in their requests", () => {
    const { requests, latency } = queries();
    const matchers = 'namespace="shop",feature_flag_key="new-checkout",feature_flag_variant=~"on|off"';
    expect(requests).toMatchObject({ metric: "http_requests_total", matchers, canary: "on", stable: "off" });
    expect(latency).toMatchObject({ metric: "http_request_duration_seconds_bucket", matchers, unitMs: 1000 });
  });

  test("uses the labels of the source, or those that it is told, and matches what else is asked", () => {
    const labels = { namespace: "ns", flag: "flag", variant: "variant" };
    expect(queries({ labels, match: { app: 'check"out' } }).requests.matchers).toBe(
      'ns="shop",flag="new-checkout",app="check\\"out",variant=~"on|off"',
    );
    expect(queries({ source: "otel" }).requests.matchers).toBe(
      'k8s_namespace_name="shop",feature_flag_key="new-checkout",feature_flag_variant=~"on|off"',
    );
  });

  test("takes names of variants for what they are, not for patterns", () => {
    expect(queries({}, { ...flag, treated: "v1.2", control: "v1.1" }).requests).toMatchObject({
      canary: "v1\\.2",
      matchers: expect.stringContaining('feature_flag_variant=~"v1\\\\.2|v1\\\\.1"'),
    });
  });

  test("has one side where before is compared with after", () => {
    const { requests } = queries({ compare: "beforeAfter", match: { app: "checkout" } });
    expect(requests.matchers).toBe('app="checkout",namespace=~"shop"');
    expect(requests).toMatchObject({ canary: "shop" });
    expect(requests.stable).toBeUndefined();
  });

  test.each(["envoy", "nginx", "traefik"] as const)("%s cannot tell variants apart", (source) => {
    expect(flagQueriesOf({ source, compare: "variants" }, flag)).toMatchObject({ kind: "cannotSeparate" });
  });
});

test("measure() of a flag counts each process once, and both variants within it", async () => {
  const row = (pod: string, variant: string, status: string, ...samples: [number, number][]) => ({
    labels: { pod, instance: `${pod}:80`, feature_flag_variant: variant, status },
    samples,
  });
  const answer: Answer = {
    kind: "matrix",
    series: [
      row("web-1", "on", "200", [AT - 15_000, 10], [AT, 20]),
      row("web-1", "on", "500", [AT, 3]),
      row("web-1", "off", "200", [AT - 15_000, 30], [AT, 60]),
      row("web-2", "off", "503", [AT, 1]),
    ],
  };
  const errorRate: MetricSpec = { kind: "errorRate", name: "error-rate", max: 0.01 };
  const readings = await measure(
    { query: async () => answer },
    { subject: flag, queries: queries(), metrics: [errorRate], sinceMs: AT - 60_000, nowMs: AT, windowMs: 60_000 },
  );
  expect(readings).toEqual([
    {
      kind: "counters",
      metric: "error-rate",
      canary: {
        total: [
          {
            pod: "web-1@web-1:80",
            samples: [
              [AT - 15_000, 10],
              [AT, 23],
            ],
          },
        ],
        bad: [{ pod: "web-1@web-1:80", samples: [[AT, 3]] }],
      },
      stable: {
        total: [
          {
            pod: "web-1@web-1:80",
            samples: [
              [AT - 15_000, 30],
              [AT, 60],
            ],
          },
          { pod: "web-2@web-2:80", samples: [[AT, 1]] },
        ],
        bad: [{ pod: "web-2@web-2:80", samples: [[AT, 1]] }],
      },
    },
  ]);
});

describe("renderQuery() of a flag", () => {
  const render = (promql: string, side: "canary" | "stable" = "canary") => {
    const rendered = renderQuery(promql, flag, side, 60_000);
    return rendered.kind === "ok" ? rendered.promql : rendered.message;
  };

  test("fills in the flag, and the variant of the side", () => {
    const promql = 'x{ns="{{namespace}}",f="{{flag}}",v="{{variant}}",c="{{control}}"}[{{window}}] * {{weight}}';
    expect(render(promql)).toBe('x{ns="shop",f="new-checkout",v="on",c="off"}[60s] * 25');
    expect(render(promql, "stable")).toBe('x{ns="shop",f="new-checkout",v="off",c="off"}[60s] * 25');
  });

  test("knows no variable of a Rollout", () => {
    expect(render('x{p=~"{{canary.pods}}"}')).toBe(
      "{{canary.pods}} is unknown; there are namespace, flag, variant, control, window, weight",
    );
  });
});
