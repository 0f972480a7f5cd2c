import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Hundred thousands of users, releases of seven days, judged and simulated ones by the thousand, and programs of the test kit: not within the minute of `npm run ok`. */
const LONG = [
  "test/bench/judge.test.ts",
  "test/cluster/node-agent.test.ts",
  "test/cluster/ports.test.ts",
  "test/core/flags/assignment.test.ts",
  "test/core/flags/traps.test.ts",
  "test/core/rollout/moments.test.ts",
  "test/core/rollout/staging-to-production.test.ts",
  "test/simulation/simulation.test.ts",
  "test/simulation/flags/flags.test.ts",
];

/** They count every request that fails or comes late, every scrape, or what is late by a second: a core each. */
const QUIET = [
  "test/e2e/traffic.cluster.test.ts",
  "test/metrics/prometheus.cluster.test.ts",
  "test/demo/demo.cluster.test.ts",
  "test/e2e/flags.cluster.test.ts",
  "test/e2e/gitops.cluster.test.ts",
];

/** Minutes each, most of it waiting. */
const LONGEST = [
  "test/e2e/traffic.cluster.test.ts",
  "test/e2e/rest.cluster.test.ts",
  "test/install/chart.cluster.test.ts",
  "test/install/rights.cluster.test.ts",
  "test/install/image.cluster.test.ts",
  "test/api/inputs.cluster.test.ts",
];

/** What takes longest begins first: at the end nothing would run beside it. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.some((name) => moduleId.endsWith(name));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

const onControlPlane = {
  globalSetup: ["./scripts/cluster-setup.ts"],
  testTimeout: 120_000,
  hookTimeout: 1_200_000, // A hook may have to wait for the first build of the control plane.
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.cluster.test.ts", "test/clients/**", ...LONG],
          testTimeout: 30_000,
          maxWorkers: 3, // Many of them wait for sockets and timers.
          isolate: false, // Half of the time would go into loading the same modules for each file.
        },
      },
      {
        test: {
          name: "long",
          include: LONG,
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: "clients",
          include: ["test/clients/*.test.ts"],
          testTimeout: 300_000, // Ten thousand users, one after the other, in languages that take their time.
          hookTimeout: 600_000, // A hook may install an SDK.
          maxWorkers: 1,
        },
      },
      {
        test: {
          ...onControlPlane,
          name: "cluster",
          include: ["test/**/*.cluster.test.ts"],
          exclude: QUIET,
          maxWorkers: 3, // Each file has a control plane of its own, and most of its time is waiting.
        },
      },
      {
        test: { ...onControlPlane, name: "quiet", include: QUIET, maxWorkers: 2 },
      },
    ],
  },
});
