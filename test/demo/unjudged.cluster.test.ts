import { expect, test } from "vitest";
import { play } from "./play.ts";

test("the demo exits with 1 when a revert fails to happen", async () => {
  const { code, stdout } = await play("--without-analysis");
  expect(stdout).toMatch(/\n +v2 +Promoted /);
  expect(stdout).toMatch(/\n +v3 +Promoted, wanted Reverted /);
  expect(code, stdout).toBe(1);
}, 300_000);
