import { expect, test } from "vitest";
import type { Rollout, RolloutStatus } from "../../src/api/rollout.ts";
import { styleFor } from "../../src/cli/io.ts";
import { renderReport } from "../../src/cli/render/report.ts";

const PLAIN = styleFor({ isTerminal: false, environment: { LANG: "C.UTF-8" } }, true);

const REPORT: NonNullable<RolloutStatus["report"]> = {
  revision: "v2",
  images: ["shop/web:v2"],
  result: "Promoted",
  startedAt: "2026-01-01T00:00:00.123Z",
  at: "2026-01-10T00:00:00.123Z",
  criteria: [
    { name: "tests", wanted: "at least 95 % of the tests pass", measured: "98.28 % (688 of 700)", outcome: "met" },
    { name: "p95", wanted: "at most 200 ms", measured: "312 ms", outcome: "missed" },
    { name: "feedback", wanted: "positive", measured: "not measured: nobody tells Zenith", outcome: "unknown" },
    { name: "timeToPromote", wanted: "", measured: "7 d 0 h", outcome: "noted" },
    { name: "ofALaterVersion", wanted: "1", measured: "2", outcome: "ofALaterVersion" },
  ],
};

function rollout(status: RolloutStatus): Rollout {
  const metadata = { name: "web", namespace: "shop" };
  return { apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", metadata, spec: {}, status };
}

test("renderReport() sets what was wanted beside what was measured", () => {
  expect(
    renderReport(rollout({ report: REPORT }), REPORT, PLAIN).join("\n"),
  ).toBe(`Rollout shop/web: revision v2 (shop/web:v2)
Promoted, begun 2026-01-01T00:00:00Z, decided 2026-01-10T00:00:00Z

  CRITERION         WANTED                            MEASURED
✔ tests             at least 95 % of the tests pass   98.28 % (688 of 700)
✖ P95               at most 200 ms                    312 ms
◌ user feedback     positive                          not measured: nobody tells Zenith
  time to promote                                     7 d 0 h
  ofALaterVersion   1                                 2

1 met, 1 missed, 1 not measured`);
});

test("renderReport() says so where it is about the release before", () => {
  const status = { report: REPORT, canary: { revision: "v3", images: [], replicas: 1, ready: 1 } };
  expect(renderReport(rollout(status), REPORT, PLAIN)[2]).toBe(
    "Another release is on its way: this is the report on the one before.",
  );
});
