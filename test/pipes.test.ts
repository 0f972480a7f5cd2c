import { expect, test } from "vitest";
import { run } from "./cluster/cluster.ts";

/** Readers that leave before anything was written, as `| head` and `| true` do. */
test.each(["src/main.ts operator --help", "src/main.ts flags --help", "src/cli/main.ts --help"])(
  "%s says nothing to a reader who has left",
  async (words) => {
    const program = `${process.execPath} --disable-warning=ExperimentalWarning ${words}`;
    expect(await run("bash", ["-c", `${program} | true`])).toEqual({ code: 0, stdout: "", stderr: "" });
  },
);

test("a reader who has left is no success of kubectl zenith: 0 would say that a release is promoted", async () => {
  const program = `${process.execPath} --disable-warning=ExperimentalWarning src/cli/main.ts --help`;
  const { code, stderr } = await run("bash", ["-c", `set -o pipefail; ${program} | true`]);
  expect({ code, stderr }).toEqual({ code: 141, stderr: "" });
});
