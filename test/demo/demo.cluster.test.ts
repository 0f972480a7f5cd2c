import { expect, test } from "vitest";
import { play } from "./play.ts";

test("the demo promotes the good release, takes the bad ones back, says why in a sentence, and exits with 0", async () => {
  const { code, stdout } = await play();
  expect(stdout).toMatch(/\n +v2 +Promoted +[\d.]+ s +100 % +\d+ of \d+ +a good release\n/);
  expect(stdout).toMatch(/\n +v3 +Reverted +[\d.]+ s +\d+ % +\d+ of \d+ +5 % of its answers are errors\n/);
  expect(stdout).toMatch(/\n +v4 +Reverted +[\d.]+ s +\d+ % +\d+ of \d+ +it answers after 800 ms\n/);
  expect(stdout).toMatch(/\n +v3 was reverted by itself: error-rate [\d.]+ % .* evidence [\d,]+:1/);
  expect(stdout).toMatch(/\n +v4 was reverted by itself: latency [\d.]+ % over 500 ms/);
  expect(stdout).toContain("cleaned up");
  expect(code, stdout).toBe(0);
}, 300_000);
