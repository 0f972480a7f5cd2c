import { afterAll, beforeAll, expect, test } from "vitest";
import { inTurn } from "./killers.ts";
import { CrashLab } from "./run.ts";
import { scenarios } from "./scenarios.ts";

/** A sample of `npm run crash`: one story, undisturbed and with the operator killed again and again right after a write. */
let lab: CrashLab;

beforeAll(async () => {
  lab = await CrashLab.open();
}, 1_200_000);
afterAll(async () => await lab?.close());

test("a breach ends as undisturbed when the operator is killed after one write after another", async () => {
  const scenario = scenarios().find(({ name }) => name === "breach");
  if (scenario === undefined) throw new Error("There is no such scenario");
  const undisturbed = await lab.play(scenario, () => "pass");
  const killed = await lab.play(scenario, inTurn("killAfter", 0), undisturbed.state);
  expect(killed.kills).toBeGreaterThan(8);
  expect(killed.state).toEqual(undisturbed.state);
  expect([...undisturbed.violations, ...killed.violations]).toEqual([]);
}, 600_000);
