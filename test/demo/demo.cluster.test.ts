import { execFile } from "node:child_process";
import { describe, expect, test } from "vitest";

/** `npm run demo` as its reader runs it; with its judge taken away it has to say that it went wrong. */

interface Played {
  readonly code: number;
  readonly stdout: string;
}

function play(...args: string[]): Promise<Played> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ["test/demo/main.ts", ...args], { timeout: 240_000 }, (_error, stdout) =>
      resolve({ code: child.exitCode ?? -1, stdout }),
    );
  });
}

describe.concurrent("the demo", () => {
  test("promotes the good release, takes the bad ones back with the reason in a sentence, and exits with 0", async () => {
    const { code, stdout } = await play();
    expect(stdout).toMatch(/\n +v2 +Promoted +\d+ s +100 % +\d+ of \d+ +a good release\n/);
    expect(stdout).toMatch(/\n +v3 +Reverted +\d+ s +\d+ % +\d+ of \d+ +5 % of its answers are errors\n/);
    expect(stdout).toMatch(/\n +v4 +Reverted +\d+ s +\d+ % +\d+ of \d+ +it answers after 800 ms\n/);
    expect(stdout).toMatch(/\n +v3 was reverted by itself: error-rate [\d.]+ % .* evidence \d+:1/);
    expect(stdout).toMatch(/\n +v4 was reverted by itself: latency [\d.]+ % over 500 ms/);
    expect(stdout).toContain("cleaned up");
    expect(code, stdout).toBe(0);
  }, 300_000);

  test("exits with 1 when a revert fails to happen", async () => {
    const { code, stdout } = await play("--without-analysis");
    expect(stdout).toMatch(/\n +v2 +Promoted /);
    expect(stdout).toMatch(/\n +v3 +Promoted, wanted Reverted /);
    expect(code, stdout).toBe(1);
  }, 300_000);
});
