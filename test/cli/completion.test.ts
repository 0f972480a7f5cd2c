import { describe, expect, test } from "vitest";
import { complete } from "../../src/cli/completion.ts";
import { makeProgram } from "../../src/cli/program.ts";
import { run } from "../cluster/cluster.ts";
import { runOffline } from "./terminal.ts";

const program = makeProgram(() => async () => undefined);
const words = (...typed: string[]) => complete(program, typed).candidates.map(({ word }) => word);

describe("complete()", () => {
  test("offers commands, and those below them", () => {
    expect(words("re")).toEqual(["resume", "retry", "report"]);
    expect(words("flag", "")).toEqual(["get", "explain", "eval"]);
    expect(words("")).not.toContain("__complete");
  });
  test("offers flags, the common ones too", () => {
    expect(words("promote", "web", "--f")).toEqual(["--full"]);
    expect(words("get", "--name")).toEqual(["--namespace"]);
  });
  test("offers values that are few", () => {
    expect(words("deploy", "web", "--strategy", "")).toEqual(["safe", "fast", "instant", "custom"]);
    expect(words("completion", "b")).toEqual(["bash"]);
    expect(words("status", "web", "--timeout", "")).toEqual([]);
  });
  test("asks for names where one may stand, and no more", () => {
    expect(complete(program, ["status", ""]).names).toBe("rollout");
    expect(complete(program, ["abort", "-n", "shop", "w"]).names).toBe("rollout");
    expect(complete(program, ["abort", "flag/n"]).names).toBe("flag");
    expect(complete(program, ["flag", "explain", ""]).names).toBe("flag");
    expect(complete(program, ["status", "web", ""])).toEqual({ candidates: [] });
    expect(complete(program, ["kill", ""])).toEqual({ candidates: [] });
  });
});

test("the bash script is bash", async () => {
  const { out } = await runOffline(["completion", "bash"]);
  expect(await run("bash", ["-n"], { input: out })).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("__complete says nothing of a cluster that is away", async () => {
  const { code, out, err } = await runOffline(["__complete", "--kubeconfig", "/nowhere", "status", ""]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toBe(":4\n");
});
