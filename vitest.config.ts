import { defineConfig } from "vitest/config";

/** Hundred thousands of users, and simulated releases by the thousand: not within the minute of `npm run ok`. */
const LONG = ["test/core/flags/assignment.test.ts", "test/simulation/simulation.test.ts"];

export default defineConfig({
  test: {
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
          name: "cluster",
          include: ["test/**/*.cluster.test.ts"],
          globalSetup: ["./scripts/cluster-setup.ts"],
          testTimeout: 120_000,
          hookTimeout: 1_200_000, // A hook may have to wait for the first build of the control plane.
          maxWorkers: 1, // Each file has a control plane of its own, and some count every request that is late.
        },
      },
    ],
  },
});
