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
